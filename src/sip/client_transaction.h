// Client transactions (RFC 3261 17.1, RFC 6026 7.2).
//
//   INVITE                                                 other methods
//
//   Calling --1xx--> Proceeding    (A resends, B ends it)  Trying --1xx--> Proceeding   (E resends, F ends
//   it)
//      |                 |                                    |               |
//      +--300-699--------+--> Completed --D--> gone           +---200-699-----+--> Completed --K--> gone
//      +--2xx------------+--> Accepted --M--> gone
//
// In Completed, a retransmitted final response of an INVITE is answered by the same ACK. Over reliable
// transports A and E do not run, and D and K are zero.
//
// A CANCEL lives in the block of its INVITE: while that is in Proceeding, its timer resends the CANCEL
// as E would.
#pragma once

#include <array>
#include <memory>

#include "base/loop.h"
#include "base/metrics.h"
#include "base/random.h"
#include "sip/slab.h"
#include "sip/transaction.h"

namespace causeway::sip {

class ClientTransactions {
 public:
  ClientTransactions(base::Loop& loop, TransportLayer& transport, base::Random& random,
                     base::Metrics& metrics, unsigned worker);
  ~ClientTransactions();

  ClientTransaction& open(Method method, const Flow& flow, ClientUser& user, std::uint32_t loop_hash);
  void start(ClientTransaction& transaction, base::Buffer request);
  void discard(ClientTransaction& transaction);
  void cancel(ClientTransaction& transaction);

  // False if the response belongs to no transaction here.
  bool on_response(const Message& response, const Via& top_via);
  void on_flow_closed(const Flow& flow);
  void on_unreachable(const net::Address& to);
  std::size_t count() const { return blocks_.in_use(); }

 private:
  enum class State : std::uint8_t {
    free,
    opened,
    calling,
    trying,
    proceeding,
    completed,
    accepted,
    failing,
    ended
  };
  enum class Cancel : std::uint8_t { none, wanted, sent, answered };
  struct Block;

  Block* find(std::string_view branch);
  void on_cancel_response(Block& block, int status);
  void on_invite_response(Block& block, const Message& response);
  void on_other_response(Block& block, const Message& response);
  void on_provisional(Block& block, const Message& response);
  void send_ack(Block& block, const Message& response);
  void send_cancel(Block& block);
  void arm(Block& block);
  void linger(Block& block, State state, base::Duration span);
  void on_timer(Block& block);
  void fail_soon(Block& block);
  void fail(Block& block, ClientFailure why);
  void end(Block& block);

  // Transactions that wait for a response, by where it must come from: what fails when a flow ends.
  std::uint32_t& chain_of(const Flow& flow);
  void enter_chain(Block& block);
  void leave_chain(Block& block);
  template <class Which>
  void fail_chain(const Flow& flow, Which&& which);

  base::Loop& loop_;
  TransportLayer& transport_;
  base::Random& random_;
  std::uint32_t worker_;
  Slab<Block> blocks_;
  static constexpr std::size_t kChains = 4096;  // one per 32 of 130,000 transactions
  std::array<std::uint32_t, kChains> chains_;
  std::unique_ptr<Message> scratch_;  // our own request, parsed again for its ACK or CANCEL

  base::Counter& started_;
  base::Counter& resent_;
  base::Counter& timed_out_;
  base::Counter& broken_;
  base::Counter& cancels_;
  base::Counter& ignored_;
};

}  // namespace causeway::sip
