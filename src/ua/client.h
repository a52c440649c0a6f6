// Sends a user agent's requests and brings their answers: one request is one entry here until nothing of it
// can come any more, through challenges (401, 407) and through flows that end under it.
//
//   auto id = client.send(std::move(invite), requester);
//   ... requester.on_response(id, message) for every provisional but 100, for the final one, and for INVITE
//       every 2xx (the same one again, those of other forks, and those of servers that were too slow)
//   ... requester.on_failure(id, trouble) instead of a final response
//   ... requester.on_done(id): the last word
//
// A request that is too long for UDP leaves over a stream to the same server, and over UDP after all if that
// is refused (RFC 3261 18.1.1).
//
// What is not needed any more is forgotten (forget): nothing of it is told from then on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "base/metrics.h"
#include "base/random.h"
#include "sip/transaction.h"
#include "ua/line.h"
#include "ua/trouble.h"

namespace causeway::ua {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Outgoing {
  sip::Method method = sip::Method::options;
  std::string uri, from, to, call_id;
  std::vector<std::string> routes;
  Headers headers;
  std::string body;      // a session description, or nothing
  std::string next_hop;  // within a dialogue: the URI of who gets it (12.2.1.1); empty: the line's server
  std::optional<sip::Flow> flow;  // it leaves there while that lives, and as the line says when not
  std::function<std::uint32_t()> next_cseq;
  bool own_registrar = false;           // sip/digest_client.h
  sip::DigestClient* digest = nullptr;  // null: the line's alone
};

class Requester {
 public:
  virtual void on_response(std::uint64_t id, const sip::Message& response) = 0;
  virtual void on_failure(std::uint64_t id, const Trouble& why) = 0;
  virtual void on_done(std::uint64_t id) { (void)id; }

 protected:
  ~Requester() = default;
};

// The transaction layer must not run after its Client is gone.
class Client final : public sip::ClientUser {
 public:
  Client(base::Loop& loop, sip::TransportLayer& transport, sip::TransactionLayer& transactions,
         base::Random& random, base::Metrics& metrics, Line& line);
  ~Client();

  // 0: there is no way to anybody now, and on_failure will not come.
  std::uint64_t send(Outgoing request, Requester& requester);
  // The flow that it has left on last, while something of it may still come.
  std::optional<sip::Flow> flow_of(std::uint64_t id) const;
  void cancel(std::uint64_t id);
  void forget(std::uint64_t id);
  // The ACK to a 2xx of this INVITE (13.2.2.4), to be sent as often as the 2xx comes. Null: there is no way.
  struct WrittenAck;
  using Ack = std::shared_ptr<WrittenAck>;
  Ack make_ack(std::uint64_t invite, Outgoing ack, std::uint32_t cseq);
  void send_ack(const Ack& ack);

 private:
  struct Entry {
    explicit Entry(base::Timers& timers, std::function<void()> on_silence)
        : patience(timers, std::move(on_silence)) {}
    std::uint64_t id = 0;
    Outgoing request;
    Requester* requester = nullptr;  // null: forgotten
    sip::DigestClient::Attempt attempt, other_attempt;
    int challenges = 0, flows = 0;
    sip::ClientTransaction* transaction = nullptr;  // the latest
    int transactions = 0;                           // that have not gone: this one, and replaced INVITEs
    sip::Flow flow;                                 // before it was found too long for that
    std::vector<sip::Target> places;                // Line::locate
    std::size_t place = 0;  // the one that is being tried; behind the last: the line's own way
    base::Timer patience;
    bool widened = false;  // over a stream, because it is too long for UDP
    bool sending = true;   // send() has not returned
    bool unsent = false;
    bool cancelled = false;
    bool answered = false;  // a final response is there
    Headers credentials;
    bool has_more_places() const { return place + 1 < places.size(); }
  };
  using Places = std::vector<sip::Target>;
  Entry* find(std::uint64_t id);
  void on_located(std::uint64_t id, Places places);
  std::optional<sip::Flow> way_of(Entry& entry);
  Headers credentials_for(const Entry& entry, std::string_view method) const;
  bool transmit(Entry& entry);
  void replace_transaction(Entry& entry, sip::ClientTransaction& by);
  void take_late(Entry& entry, const sip::Message& response);
  bool answers_challenge(Entry& entry, const sip::Message& response);
  bool retry_elsewhere(Entry& entry);
  void lose_patience(std::uint64_t id);
  std::optional<sip::Flow> wide_way(const sip::Flow& udp);
  bool retry_narrow(Entry& entry);
  sip::ClientTransaction& open(const Entry& entry, const sip::Flow& flow);
  base::Buffer write(const Headers& credentials, const Outgoing& request, std::uint32_t cseq,
                     const sip::Flow& flow, std::string_view branch);

  // sip::ClientUser
  void on_response(sip::ClientTransaction& transaction, const sip::Message& response) override;
  void on_failure(sip::ClientTransaction& transaction, sip::ClientFailure why) override;
  void on_gone(sip::ClientTransaction& transaction) override;

  base::Loop& loop_;
  sip::TransportLayer& transport_;
  sip::TransactionLayer& transactions_;
  base::Random& random_;
  Line& line_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Entry>> entries_;
  std::unordered_map<net::Address, base::Instant> without_streams_;  // and when they refused one
  std::uint64_t last_id_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
  base::Counter& challenges_refused_;
  base::Counter& failovers_;
  base::Counter& widened_;
  base::Counter& narrowed_;
};

// What a final response that is no success means, for people.
Trouble trouble_of(const sip::Message& response, std::string expected);

}  // namespace causeway::ua
