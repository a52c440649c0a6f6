// Asks over a peer link: one question, one answer (link_messages.h), each a SIP transaction.
//
// A worker, or a user agent, has one. It must outlive the last turn of the loop in which there are
// transactions of its.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/loop.h"
#include "base/metrics.h"
#include "base/random.h"
#include "identity/key.h"
#include "overlay/link_messages.h"
#include "sip/transaction.h"

namespace causeway::overlay {

class LinkAsker final : public sip::ClientUser {
 public:
  struct Parts {
    base::Loop& loop;
    base::Random& random;
    base::Metrics& metrics;
    sip::TransportLayer& transport;
    sip::TransactionLayer& transactions;
  };
  LinkAsker(Parts parts, std::string domain, identity::PeerId self);
  ~LinkAsker();

  // Calls `done` exactly once, in a later turn: with the answer (whose views are good until it returns), or
  // with why there is none: the link has ended, nothing came in time, it could not be read. Never after
  // destruction.
  using OnAnswer = std::function<void(const base::Result<LinkAnswer>&)>;
  using Id = std::uint64_t;
  Id ask(const sip::Flow& flow, const LinkQuestion& question, base::Duration patience, OnAnswer done);
  // `done` is not called any more.
  void forget(Id id);

  std::size_t pending() const { return asked_.size(); }
  const Parts& parts() const { return parts_; }
  const std::string& domain() const { return domain_; }
  const identity::PeerId& self() const { return self_; }

  // Answers a question that has come.
  void answer(sip::ServerTransaction& transaction, const sip::Message& request, const LinkAnswer& answer);

  // sip::ClientUser
  void on_response(sip::ClientTransaction& transaction, const sip::Message& response) override;
  void on_failure(sip::ClientTransaction& transaction, sip::ClientFailure why) override;
  void on_gone(sip::ClientTransaction& transaction) override;

 private:
  struct Asked;
  base::Buffer build(const sip::Flow& flow, std::string_view branch, std::string_view body);
  void finish(Id id, const base::Result<LinkAnswer>& answer);

  Parts parts_;
  std::string domain_;
  identity::PeerId self_;
  std::string call_id_;
  std::uint32_t cseq_ = 0;
  Id last_id_ = 0;
  std::unordered_map<Id, std::unique_ptr<Asked>> asked_;
  base::Counter& questions_;
  base::Counter& unanswered_;
};

// Who takes the requests of the method OVERLAY that come over peer links, and hears of links that have ended.
// The core of a peer or user agent passes both on.
class LinkRequests {
 public:
  virtual void on_link_request(sip::ServerTransaction& transaction, const sip::Message& request,
                               const sip::Flow& flow) = 0;
  virtual void on_link_closed(const sip::Flow& flow) = 0;
  // A transaction whose method is none that SIP knows has ended.
  virtual void on_link_gone(const sip::ServerTransaction& transaction) { (void)transaction; }

 protected:
  ~LinkRequests() = default;
};

}  // namespace causeway::overlay
