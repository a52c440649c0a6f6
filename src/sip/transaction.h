// Transactions (RFC 3261 17, with RFC 6026 and RFC 4320).
//
// A request comes in: the layer matches it by branch, sent-by and method (17.2.3). A new one gets a
// ServerTransaction and goes to the core (ServerUser); a retransmission is answered from what is kept;
// a CANCEL is answered here and told to the core; an ACK to a non-2xx ends here, an ACK to a 2xx goes to
// the core without a transaction.
//
// A request goes out: open_client reserves a ClientTransaction and its branch, the caller builds the
// message with that branch in its Via, start sends it and retransmits it (UDP). Responses come to the
// ClientUser: every provisional but 100, the final one, and for INVITE every 2xx (RFC 6026 8.4). The
// layer sends the ACK to non-2xx finals and the CANCEL (only once a provisional was received: 9.1).
//
// Memory: a transaction is one block from a pool, of less than 200 bytes. After its final response it keeps
// only that and, on the server side of a non-2xx or a non-INVITE, the response.
//
// Our branch names the worker and the block (branch.h), so a response finds its transaction without hashing.
//
// Server- and ClientTransaction references stay valid until on_gone, which comes exactly once for each
// transaction that was started, and never from inside a call into the layer: whoever calls respond(),
// start() or cancel() may go on using what it holds.
//
//   admission.h           who is let in during overload
//   transaction_key.h     what identifies a server transaction
//   server_transaction.h  the server machines
//   client_transaction.h  the client machines
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/buffer.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "base/random.h"
#include "sip/branch.h"
#include "sip/overload.h"
#include "sip/rewrite.h"
#include "sip/transport.h"

namespace causeway::sip {

class ServerTransaction {
 public:
  Method method() const { return method_; }
  const Flow& flow() const { return flow_; }  // the one the request came on
  bool is_final() const { return final_; }    // a final response was sent
  void* context = nullptr;                    // the core's
  // The sender is somebody that we know. The core says so before it answers; who has come over a stream, or
  // from this machine, is where he says he is, and that is enough. See source_limit.h.
  bool known = false;

 protected:
  ServerTransaction() = default;
  ~ServerTransaction() = default;
  Flow flow_;
  Method method_ = Method::other;
  bool final_ = false;
};

class ClientTransaction {
 public:
  Method method() const { return method_; }
  const Flow& flow() const { return flow_; }
  // For the Via: "z9hG4bK...", written anew at each call.
  BranchText branch() const { return write_branch({worker_, index, nonce_, loop_hash_}); }
  bool has_provisional() const { return provisional_; }  // any 1xx, 100 included
  void* context = nullptr;                               // the user's

 protected:
  ClientTransaction() = default;
  ~ClientTransaction() = default;
  Flow flow_;
  std::uint64_t nonce_ = 0;
  std::uint32_t loop_hash_ = 0;
  std::uint32_t index = 0;  // of its block
  std::uint16_t worker_ = 0;
  Method method_ = Method::other;
  bool provisional_ = false;
};

// The core: what new requests are given to.
class ServerUser {
 public:
  virtual void on_request(ServerTransaction& transaction, const Message& request, const Flow& flow) = 0;
  // An ACK that belongs to a 2xx, or to nothing (16.2: forwarded without state).
  virtual void on_ack(const Message& ack, const Flow& flow) = 0;
  // A CANCEL for this INVITE, which has no final response yet. It was answered 200.
  virtual void on_cancel(ServerTransaction& invite, const Message& cancel) = 0;
  // A 2xx to INVITE that matches no client transaction (RFC 6026 8.9: it comes here only if this program
  // has restarted since): forwarded without state, or dropped. All other stray responses are dropped.
  virtual void on_stray_response(const Message& response, const Flow& flow) = 0;
  // The transaction ends; `context` must not be used through it any more.
  virtual void on_gone(ServerTransaction& transaction) = 0;
  // A stream has ended; transactions on it have failed, or are about to be told.
  virtual void on_flow_closed(const Flow& flow) { (void)flow; }
  // Whether this REGISTER is for somebody who has a registration here: it is taken even in overload.
  virtual bool is_registered(const Message& request) const {
    (void)request;
    return false;
  }

 protected:
  ~ServerUser() = default;
};

enum class ClientFailure { timeout, transport };

class ClientUser {
 public:
  virtual void on_response(ClientTransaction& transaction, const Message& response) = 0;
  // Timer B or F, or the flow is gone, before any final response. 17.1.1.2: like a 408; like a 503.
  virtual void on_failure(ClientTransaction& transaction, ClientFailure why) = 0;
  virtual void on_gone(ClientTransaction& transaction) = 0;

 protected:
  ~ClientUser() = default;
};

class TransactionLayer final : public TransportHandler {
 public:
  TransactionLayer(base::Loop& loop, TransportLayer& transport, base::Random& random, base::Metrics& metrics,
                   unsigned worker = 0);
  ~TransactionLayer();

  void set_core(ServerUser& core);
  void set_overload(const OverloadConfig& config);
  OverloadState overload() const;

  // Sends a response (built by make_response or spliced from one that came). Provisional or final.
  // A final response after a final one is dropped, except 2xx to an INVITE in Accepted (RFC 6026 7.1).
  // RFC 4320: a provisional or a 408 for a request other than INVITE is not sent; after the 408 the
  // transaction is final and stays silent. An INVITE that the core has not answered within
  // limits::kTryingDelay gets its 100 from here.
  void respond(ServerTransaction& transaction, int status, base::Buffer response);
  // What this peer itself says to a request (make_response), while the request is there. To who is not known
  // it is short and not said too often (source_limit.h); an error at once is not said again either, since who
  // has had no provisional response repeats his INVITE (RFC 3261 26.3.2.4). If nothing is said, the
  // transaction ends, and the request may come again.
  void answer(ServerTransaction& transaction, const Message& request, int status, std::string_view reason,
              std::string_view to_tag, std::span<const ExtraHeader> extra = {});
  // An account's digest has come from there: the address is true.
  void proven(const Flow& flow);

  // Reserves a transaction and its branch. `loop_hash` goes into the branch (RFC 5393).
  ClientTransaction& open_client(Method method, std::string_view method_text, const Flow& flow,
                                 ClientUser& user, std::uint32_t loop_hash = 0);
  void start(ClientTransaction& transaction, base::Buffer request);
  // An opened transaction that is not started after all. No on_gone.
  void discard(ClientTransaction& transaction);
  // INVITE: sends CANCEL now or as soon as a provisional is there; the final response still comes
  // (or, 64*T1 later, on_failure(timeout)). Without effect after a final response, on other methods, and
  // the second time.
  void cancel(ClientTransaction& transaction);

  // The loop hash inside a branch of ours, if it is one of this worker's making; for RFC 5393.
  static std::optional<std::uint32_t> loop_hash_of(std::string_view branch);

  std::size_t server_count() const;
  std::size_t client_count() const;

  // Answers without a transaction, for requests that are refused before they reach one.
  void respond_stateless(const Message& request, const Via& top_via, const Flow& flow, int status,
                         std::string_view reason = {});

  // TransportHandler
  bool on_arrival(std::string_view bytes, const Flow& flow) override;
  void on_message(const Message& message, const Via& top_via, const Flow& flow) override;
  void on_flow_closed(const Flow& flow, std::string_view why) override;
  void on_unreachable(const net::Address& to) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::sip
