#include "sip/client_transaction.h"

#include <algorithm>
#include <functional>

#include "sip/ack_cancel.h"
#include "sip/right_size.h"

namespace causeway::sip {

using limits::k64T1;
using limits::kT1;
using limits::kT2;
using limits::kT4;
using limits::kTimerD;

struct ClientTransactions::Block : ClientTransaction, base::TimerNode {
  Block()
      : TimerNode([](TimerNode& self) {
          auto& block = static_cast<Block&>(self);
          block.owner->on_timer(block);
        }) {}

  using Interval = std::chrono::duration<std::uint16_t, std::milli>;

  std::uint32_t next_free = 0;
  ClientTransactions* owner = nullptr;
  ClientUser* user = nullptr;
  base::Buffer request;      // until a 2xx or the ACK; in Completed: the ACK
  base::Buffer cancel;       // while it may have to be resent
  base::Instant deadline{};  // B, F, D, K, M; after CANCEL: 9.1's 64*T1
  std::uint32_t chain_next = Slab<Block>::kNone;
  std::uint32_t chain_prev = Slab<Block>::kNone;
  Interval interval{};  // A, E; zero: nothing is resent
  bool chained = false;
  State state = State::free;
  Cancel cancelling = Cancel::none;

  bool reliable() const { return net::is_stream(flow_.transport); }
  bool is_invite() const { return method_ == Method::invite; }

  void resend_after(base::Duration span) { interval = Interval(static_cast<std::uint16_t>(span.count())); }

  using ClientTransaction::flow_;
  using ClientTransaction::index;
  using ClientTransaction::loop_hash_;
  using ClientTransaction::method_;
  using ClientTransaction::nonce_;
  using ClientTransaction::provisional_;
  using ClientTransaction::worker_;
};
// A doubles until B ends it: up to 64*T1.
static_assert(2 * k64T1.count() <= UINT16_MAX);

ClientTransactions::ClientTransactions(base::Loop& loop, TransportLayer& transport, base::Random& random,
                                       base::Metrics& metrics, unsigned worker)
    : loop_(loop),
      transport_(transport),
      random_(random),
      worker_(worker),
      scratch_(std::make_unique<Message>()),
      started_(metrics.counter("sip_client_transactions_total", "client transactions started")),
      resent_(metrics.counter("sip_client_requests_resent_total", "requests, ACKs and CANCELs sent again")),
      timed_out_(metrics.counter("sip_client_failed_total{reason=\"timeout\"}", "Timer B or F")),
      broken_(metrics.counter("sip_client_failed_total{reason=\"transport\"}",
                              "the flow ended, or nothing listens there")),
      cancels_(metrics.counter("sip_client_cancels_total", "CANCELs sent")),
      ignored_(metrics.counter("sip_client_ignored_total",
                               "responses that the transaction's state has no use for")) {
  chains_.fill(Slab<Block>::kNone);
}

ClientTransactions::~ClientTransactions() { static_assert(sizeof(Block) <= 160); }

ClientTransaction& ClientTransactions::open(Method method, const Flow& flow, ClientUser& user,
                                            std::uint32_t loop_hash) {
  Block& block = blocks_.take();
  block.owner = this;
  block.user = &user;
  block.context = nullptr;
  block.flow_ = flow;
  block.method_ = method;
  block.provisional_ = false;
  block.state = State::opened;
  block.cancelling = Cancel::none;
  block.worker_ = static_cast<std::uint16_t>(worker_);
  block.nonce_ = random_.u64();
  block.loop_hash_ = loop_hash;
  return block;
}

void ClientTransactions::start(ClientTransaction& transaction, base::Buffer request) {
  Block& block = static_cast<Block&>(transaction);
  if (block.state != State::opened) return;
  ++started_;
  block.state = block.is_invite() ? State::calling : State::trying;
  if (!request || !transport_.alive(block.flow_)) return fail_soon(block);
  block.resend_after(block.reliable() ? base::Duration::zero() : kT1);
  block.deadline = loop_.now() + k64T1;
  enter_chain(block);
  arm(block);
  block.request = request;
  transport_.send(block.flow_, std::move(request));
}

void ClientTransactions::discard(ClientTransaction& transaction) {
  Block& block = static_cast<Block&>(transaction);
  if (block.state != State::opened) return;
  block.state = State::free;
  blocks_.give_back(block);
}

void ClientTransactions::cancel(ClientTransaction& transaction) {
  Block& block = static_cast<Block&>(transaction);
  if (!block.is_invite() || block.cancelling != Cancel::none) return;
  if (block.state == State::calling) block.cancelling = Cancel::wanted;
  if (block.state == State::proceeding) send_cancel(block);
}

void ClientTransactions::send_cancel(Block& block) {
  block.cancelling = Cancel::sent;
  block.deadline = loop_.now() + k64T1;
  block.resend_after(block.reliable() ? base::Duration::zero() : kT1);
  if (scratch_->parse(block.request.view())) {
    ++cancels_;
    block.cancel = make_cancel(*scratch_);
    transport_.send(block.flow_, block.cancel);
  } else {
    block.resend_after(base::Duration::zero());
  }
  arm(block);
}

ClientTransactions::Block* ClientTransactions::find(std::string_view text) {
  auto branch = read_branch(text);
  if (!branch || branch->worker != worker_ || !blocks_.has(branch->block)) return nullptr;
  Block& block = blocks_[branch->block];
  const bool live = block.state != State::free && block.state != State::opened;
  return live && block.nonce_ == branch->nonce ? &block : nullptr;
}

// 17.1.3: the branch, and the method in CSeq.
bool ClientTransactions::on_response(const Message& response, const Via& via) {
  Block* block = find(via.branch);
  if (!block) return false;
  if (response.method() == Method::cancel && block->is_invite()) {
    on_cancel_response(*block, response.status());
    return true;
  }
  if (response.method() != block->method_) return false;
  if (block->is_invite())
    on_invite_response(*block, response);
  else
    on_other_response(*block, response);
  return true;
}

void ClientTransactions::on_cancel_response(Block& block, int status) {
  if (block.cancelling != Cancel::sent || status < 200) return;
  block.cancelling = Cancel::answered;
  block.cancel = {};
  if (block.state != State::proceeding) return;
  block.resend_after(base::Duration::zero());
  arm(block);
}

void ClientTransactions::on_invite_response(Block& block, const Message& response) {
  const int status = response.status();
  const bool waits = block.state == State::calling || block.state == State::proceeding;
  if (waits && status < 200) return on_provisional(block, response);
  if (waits && status < 300) {
    linger(block, State::accepted, k64T1);
    return block.user->on_response(block, response);
  }
  if (waits) {
    send_ack(block, response);
    linger(block, State::completed, block.reliable() ? base::Duration::zero() : kTimerD);
    return block.user->on_response(block, response);
  }
  if (block.state == State::accepted && status / 100 == 2) return block.user->on_response(block, response);
  if (block.state == State::completed && status >= 300 && block.request) {
    ++resent_;
    return transport_.send(block.flow_, block.request);
  }
  ++ignored_;
}

void ClientTransactions::on_other_response(Block& block, const Message& response) {
  if (block.state != State::trying && block.state != State::proceeding) {
    ++ignored_;
    return;
  }
  if (response.status() < 200) return on_provisional(block, response);
  linger(block, State::completed, block.reliable() ? base::Duration::zero() : kT4);
  block.request = {};
  block.user->on_response(block, response);
}

void ClientTransactions::on_provisional(Block& block, const Message& response) {
  const bool first = !block.provisional_;
  block.provisional_ = true;
  block.state = State::proceeding;
  if (first && !block.reliable()) leave_chain(block);
  if (first && block.is_invite()) {
    block.stop();  // A and B
    if (block.cancelling == Cancel::wanted) send_cancel(block);
  } else if (first && block.interval > base::Duration::zero()) {
    block.resend_after(kT2);  // 17.1.2.2; the E that runs fires as it was set
  }
  if (response.status() != 100) block.user->on_response(block, response);
}

void ClientTransactions::send_ack(Block& block, const Message& response) {
  if (!scratch_->parse(block.request.view())) return;
  block.request = right_sized(make_ack(*scratch_, response));
  transport_.send(block.flow_, block.request);
}

// After the final response: only the key, the timer and, for the ACK, its bytes.
void ClientTransactions::linger(Block& block, State state, base::Duration span) {
  leave_chain(block);
  block.state = state;
  block.cancel = {};
  if (state == State::accepted) block.request = {};
  block.resend_after(base::Duration::zero());
  block.deadline = loop_.now() + span;
  arm(block);
}

void ClientTransactions::arm(Block& block) {
  auto wait = block.deadline - loop_.now();
  if (block.interval > base::Duration::zero()) wait = std::min<base::Duration>(wait, block.interval);
  loop_.timers().start(block, wait);
}

void ClientTransactions::on_timer(Block& block) {
  if (block.state == State::completed || block.state == State::accepted) return end(block);
  if (block.state == State::failing) return fail(block, ClientFailure::transport);
  if (loop_.now() >= block.deadline) return fail(block, ClientFailure::timeout);
  ++resent_;
  transport_.send(block.flow_, block.cancel ? block.cancel : block.request);
  const base::Duration next = 2 * base::Duration(block.interval);  // A has no upper bound, E has T2
  block.resend_after(block.state == State::calling ? next : std::min(next, kT2));
  arm(block);
}

void ClientTransactions::fail_soon(Block& block) {
  leave_chain(block);
  block.state = State::failing;
  loop_.timers().start(block, base::Duration::zero());
}

void ClientTransactions::fail(Block& block, ClientFailure why) {
  ++(why == ClientFailure::timeout ? timed_out_ : broken_);
  leave_chain(block);
  block.state = State::ended;
  block.user->on_failure(block, why);
  end(block);
}

void ClientTransactions::end(Block& block) {
  block.state = State::ended;
  block.user->on_gone(block);
  block.stop();
  block.request = {};
  block.cancel = {};
  block.state = State::free;
  blocks_.give_back(block);
}

std::uint32_t& ClientTransactions::chain_of(const Flow& flow) {
  const auto hash = net::is_stream(flow.transport) ? flow.connection * 0x9e3779b97f4a7c15u
                                                   : std::hash<net::Address>{}(flow.remote);
  return chains_[(hash ^ hash >> 32) % kChains];
}

void ClientTransactions::enter_chain(Block& block) {
  std::uint32_t& head = chain_of(block.flow_);
  block.chained = true;
  block.chain_prev = Slab<Block>::kNone;
  block.chain_next = head;
  if (head != Slab<Block>::kNone) blocks_[head].chain_prev = block.index;
  head = block.index;
}

void ClientTransactions::leave_chain(Block& block) {
  if (!block.chained) return;
  block.chained = false;
  if (block.chain_next != Slab<Block>::kNone) blocks_[block.chain_next].chain_prev = block.chain_prev;
  if (block.chain_prev != Slab<Block>::kNone)
    blocks_[block.chain_prev].chain_next = block.chain_next;
  else
    chain_of(block.flow_) = block.chain_next;
}

template <class Which>
void ClientTransactions::fail_chain(const Flow& flow, Which&& which) {
  for (std::uint32_t at = chain_of(flow); at != Slab<Block>::kNone;) {
    Block& block = blocks_[at];
    at = block.chain_next;
    if (which(block.flow_)) fail_soon(block);
  }
}

void ClientTransactions::on_flow_closed(const Flow& flow) {
  if (!net::is_stream(flow.transport)) return;
  fail_chain(flow, [&](const Flow& other) { return other.connection == flow.connection; });
}

// 18.4: like a transport error. A transaction that has had a response has left the chain: the
// other side lives, whatever ICMP says.
void ClientTransactions::on_unreachable(const net::Address& to) {
  Flow flow;
  flow.remote = to;
  fail_chain(flow, [&](const Flow& other) { return !net::is_stream(other.transport) && other.remote == to; });
}

}  // namespace causeway::sip
