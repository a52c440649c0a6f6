// Server transactions (RFC 3261 17.2, RFC 6026 7.1, RFC 4320).
//
//   INVITE                                            other methods
//
//   Proceeding --300-699--> Completed                 Trying ----200-699----> Completed
//       |                     | ACK       \ H                                    | J
//       | 2xx                 v            v                                     v
//       v                 Confirmed --I--> gone                                 gone
//   Accepted --L--> gone
//
// G resends the final response of an INVITE until the ACK comes. Retransmitted requests are answered
// from what is kept. Over reliable transports G does not run, and I and J are zero.
//
// To a sender who has proved nothing, what is said again is paid for like what is said (source_limit.h).
#pragma once

#include "base/loop.h"
#include "base/metrics.h"
#include "base/random.h"
#include "sip/admission.h"
#include "sip/flat_index.h"
#include "sip/slab.h"
#include "sip/transaction.h"
#include "sip/transaction_key.h"

namespace causeway::sip {

class ServerTransactions {
 public:
  ServerTransactions(base::Loop& loop, TransportLayer& transport, Admission& admission, base::Random& random,
                     base::Metrics& metrics);
  ~ServerTransactions();

  void set_core(ServerUser& core) { core_ = &core; }
  void set_most(std::size_t transactions) { most_ = transactions; }
  void on_request(const Message& request, const Via& top_via, const Flow& flow);
  void respond(ServerTransaction& transaction, int status, base::Buffer response);
  void answer(ServerTransaction& transaction, const Message& request, int status, std::string_view reason,
              std::string_view to_tag, std::span<const ExtraHeader> extra);
  std::size_t count() const { return blocks_.in_use(); }
  // The key of a request with this top Via and method, if that is all that is needed for it; `knows` will
  // soon be asked.
  std::optional<TransactionKey> key_of(const Via& top_via, Method method);
  bool knows(const TransactionKey& key) { return find(key) != nullptr; }

 private:
  enum class State : std::uint8_t { trying, proceeding, completed, confirmed, accepted };
  using Interval = std::chrono::duration<std::uint16_t, std::milli>;
  struct Block;

  Block* find(const TransactionKey& key);
  Block& create(const TransactionKey& key, const Message& request, const Via& top_via, const Flow& flow);
  void on_again(Block& block);
  void on_ack(Block& block, const Message& ack, const Flow& flow);
  void on_cancel(const Message& cancel, const Via& top_via, const Flow& flow);
  void owe_trying(Block& block, const Message& request);
  void send_trying(Block& block);
  bool may_say(const Block& block);
  bool proves_arrival(const Block& block, const Message& ack);
  void forget(Block& block);
  void respond_to_invite(Block& block, int status, base::Buffer response, bool say = true);
  void respond_to_other(Block& block, int status, base::Buffer response);
  void send(const Block& block, base::Buffer response);
  void arm(Block& block);
  void on_timer(Block& block);
  void end(Block& block);

  base::Loop& loop_;
  TransportLayer& transport_;
  Admission& admission_;
  ServerUser* core_ = nullptr;
  TransactionKeys keys_;
  FlatIndex index_;
  Slab<Block> blocks_;
  std::size_t most_ = limits::kMaxServerTransactions;
  std::unique_ptr<Message> scratch_ = std::make_unique<Message>();  // what is kept, parsed again

  base::Counter& started_;
  base::Counter& retransmitted_;
  base::Counter& absorbed_;
  base::Counter& cancelled_;
  base::Counter& cancel_unmatched_;
  base::Counter& too_many_;
  base::Counter& suppressed_;
  base::Counter& late_;
  base::Counter& unanswered_;
  base::Counter& unacknowledged_;
};

}  // namespace causeway::sip
