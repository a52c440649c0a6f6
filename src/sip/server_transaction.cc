#include "sip/server_transaction.h"
#include "base/limits.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "sip/rewrite.h"
#include "sip/right_size.h"

namespace causeway::sip {

using limits::k64T1;
using limits::kT1;
using limits::kT2;
using limits::kT4;

struct ServerTransactions::Block : ServerTransaction, base::TimerNode {
  Block()
      : TimerNode([](TimerNode& self) {
          auto& block = static_cast<Block&>(self);
          block.owner->on_timer(block);
        }) {}

  // The usual key (a branch of 50 bytes, a host, a port) lies inside; a longer one in a Buffer.
  static constexpr std::size_t kInlineKey = 88;

  std::uint32_t index = 0;
  std::uint32_t next_free = 0;
  ServerTransactions* owner = nullptr;
  std::uint64_t hash = 0;
  base::Buffer response;  // what a retransmitted request is answered with
  base::Buffer long_key;
  base::Instant deadline{};   // L, H, I, J, or of the Trying state
  base::Duration interval{};  // G; zero: nothing is resent
  Flow reply;                 // where responses go (18.2.2); for a stream, while it lasts
  State state = State::trying;
  bool trying_owed = false;  // `response` is a 100 that has not been sent
  bool new_tag = false;      // the request has no To tag: who knows ours has had a response. If not `known`
  bool cancelled = false;
  std::uint8_t key_length = 0;
  std::uint16_t request_bytes = 0;  // if not `known`
  std::array<char, kInlineKey> short_key{};

  std::string_view key() const {
    return long_key ? long_key.view() : std::string_view(short_key.data(), key_length);
  }
  void set_key(std::string_view bytes) {
    if (bytes.size() > kInlineKey) {
      long_key = base::Buffer::copy_of(bytes);
    } else {
      key_length = static_cast<std::uint8_t>(bytes.size());
      std::memcpy(short_key.data(), bytes.data(), bytes.size());
    }
  }

  using ServerTransaction::final_;
  using ServerTransaction::flow_;
  using ServerTransaction::method_;
};

ServerTransactions::ServerTransactions(base::Loop& loop, TransportLayer& transport, base::Random& random,
                                       base::Metrics& metrics)
    : loop_(loop),
      transport_(transport),
      keys_(random.u64()),
      started_(metrics.counter("sip_server_transactions_total", "server transactions started")),
      retransmitted_(metrics.counter("sip_server_responses_resent_total", "responses sent again")),
      absorbed_(metrics.counter("sip_server_absorbed_total", "retransmitted requests that need no answer")),
      cancelled_(metrics.counter("sip_server_cancelled_total", "INVITEs cancelled by their sender")),
      cancel_unmatched_(metrics.counter("sip_server_cancel_unmatched_total", "CANCELs answered 481")),
      overload_(metrics.counter("sip_server_refused_total{reason=\"overload\"}",
                                "requests answered 503: too many transactions")),
      suppressed_(metrics.counter("sip_server_suppressed_total", "responses not sent because of RFC 4320")),
      late_(metrics.counter("sip_server_late_responses_total", "responses after a final one, not sent")),
      unanswered_(metrics.counter("sip_server_unanswered_total", "requests that were never answered")),
      unacknowledged_(metrics.counter("sip_server_unacknowledged_total",
                                      "final responses to INVITE without an ACK (Timer H)")) {}

ServerTransactions::~ServerTransactions() {
  // With its response (a buffer of 512 bytes, mostly), what lingers stays below 1 kB.
  static_assert(sizeof(Block) <= 320);
}

ServerTransactions::Block* ServerTransactions::find(const TransactionKey& key) {
  const auto at = index_.find(key.hash, [&](std::uint32_t i) { return blocks_[i].key() == key.bytes; });
  return at == FlatIndex::kNone ? nullptr : &blocks_[at];
}

void ServerTransactions::on_request(const Message& request, const Via& via, const Flow& flow) {
  const Method method = request.method();
  if (method == Method::cancel) return on_cancel(request, via, flow);
  const TransactionKey key = keys_.make(request, via, method);
  Block* known = find(key);
  if (method == Method::ack) {
    if (known) return on_ack(*known, request, flow);
    if (!transport_.acknowledges_stateless(request, via, flow)) return core_->on_ack(request, flow);
    ++absorbed_;
    return;
  }
  if (known) return on_again(*known);
  if (count() >= limits::kMaxServerTransactions) {
    ++overload_;
    return transport_.respond_stateless(request, via, flow, 503);
  }
  Block& block = create(key, request, via, flow);
  core_->on_request(block, request, flow);
  if (block.state == State::proceeding && !block.response) prepare_trying(block, request);
}

ServerTransactions::Block& ServerTransactions::create(const TransactionKey& key, const Message& request,
                                                      const Via& via, const Flow& flow) {
  ++started_;
  Block& block = blocks_.take();
  block.owner = this;
  block.context = nullptr;
  block.flow_ = flow;
  block.method_ = request.method();
  block.final_ = block.trying_owed = block.cancelled = block.new_tag = false;
  block.known = !SourceLimit::can_be_forged(flow.transport, flow.remote.ip);
  block.request_bytes = static_cast<std::uint16_t>(transport_.received_bytes());
  block.reply = transport_.response_flow(flow, via).value_or(flow);
  block.hash = key.hash;
  block.set_key(key.bytes);
  block.interval = base::Duration::zero();
  index_.insert(key.hash, block.index);
  if (block.method_ == Method::invite) {
    block.state = State::proceeding;
  } else {
    // RFC 4320: who sent this has given up by then, and must not be told so.
    block.state = State::trying;
    block.deadline = loop_.now() + k64T1;
    arm(block);
  }
  return block;
}

// 17.2.1: the 100 is written now, while the request is there to copy from, and sent if the core is slow or
// the request comes again.
void ServerTransactions::prepare_trying(Block& block, const Message& request) {
  if (!block.known) block.new_tag = request.to_tag().empty();
  block.response = make_response(request, 100, reason_phrase(100), {});
  if (!block.known && block.response.size() > SourceLimit::kMostGrowth * block.request_bytes) {
    transport_.sources().count_too_long();
    block.response = {};
    return;
  }
  block.trying_owed = true;
  loop_.timers().start(block, limits::kTryingDelay);
}

void ServerTransactions::on_again(Block& block) {
  const bool answers = block.state == State::proceeding || block.state == State::completed;
  if (!answers || !block.response) {
    ++absorbed_;
    return;
  }
  if (block.trying_owed) {
    block.trying_owed = false;
    block.stop();
  } else if (may_say(block)) {
    ++retransmitted_;
  } else {
    return;
  }
  send(block, block.response);
}

// What is said to a stranger is counted.
bool ServerTransactions::may_say(const Block& block) {
  return block.known || transport_.sources().take(block.flow_.remote.ip);
}

void ServerTransactions::on_ack(Block& block, const Message& ack, const Flow& flow) {
  switch (block.state) {
    case State::completed:
      if (!block.known && flow.remote.ip == block.flow_.remote.ip && proves_arrival(block, ack))
        transport_.sources().arrived(flow.remote.ip);
      block.state = State::confirmed;
      block.response = {};
      block.interval = base::Duration::zero();
      block.deadline = loop_.now() + (net::is_stream(block.flow_.transport) ? base::Duration::zero() : kT4);
      return arm(block);
    case State::accepted:
      return core_->on_ack(ack, flow);
    default:
      ++absorbed_;
  }
}

// Whether the ACK bears a To tag that only who has had the response can know.
bool ServerTransactions::proves_arrival(const Block& block, const Message& ack) {
  if (!block.new_tag || !scratch_->parse(block.response.view())) return false;
  const auto tag = scratch_->to_tag();
  return !tag.empty() && ack.to_tag() == tag;
}

// 9.2 and 16.10. Answered without a transaction of its own: a retransmitted CANCEL gets the same answer.
void ServerTransactions::on_cancel(const Message& cancel, const Via& via, const Flow& flow) {
  Block* invite = find(keys_.make(cancel, via, Method::invite));
  if (!invite) {
    ++cancel_unmatched_;
    return transport_.respond_stateless(cancel, via, flow, 481);
  }
  transport_.respond_stateless(cancel, via, flow, 200);
  if (invite->final_ || invite->cancelled) return;
  invite->cancelled = true;
  ++cancelled_;
  core_->on_cancel(*invite, cancel);
}

void ServerTransactions::respond(ServerTransaction& transaction, int status, base::Buffer response) {
  Block& block = static_cast<Block&>(transaction);
  if (!response || status < 100 || status > 699) return;
  if (block.final_ && !(block.state == State::accepted && status / 100 == 2)) {
    ++late_;
    return;
  }
  if (block.method_ == Method::invite)
    respond_to_invite(block, status, std::move(response));
  else
    respond_to_other(block, status, std::move(response));
}

void ServerTransactions::answer(ServerTransaction& transaction, const Message& request, int status,
                                std::string_view reason, std::string_view to_tag,
                                std::span<const ExtraHeader> extra) {
  Block& block = static_cast<Block&>(transaction);
  if (block.known || block.final_)
    return respond(block, status, make_response(request, status, reason, to_tag, extra));
  block.new_tag = request.to_tag().empty();
  auto response = make_short_response(request, status, reason, to_tag, extra,
                                      SourceLimit::kMostGrowth * block.request_bytes);
  if (!response) transport_.sources().count_too_long();
  if (status < 200) return respond(block, status, std::move(response));
  if (!response || !may_say(block)) return forget(block);
  const bool had_provisional = block.response && !block.trying_owed;
  respond(block, status, std::move(response));
  if (had_provisional || block.state != State::completed) return;
  block.interval = base::Duration::zero();
  arm(block);
}

// As if the request had not come. The core is told in a turn to come.
void ServerTransactions::forget(Block& block) {
  block.final_ = true;
  block.trying_owed = false;
  block.state = State::confirmed;
  block.response = {};
  block.interval = base::Duration::zero();
  block.deadline = loop_.now();
  arm(block);
}

void ServerTransactions::respond_to_invite(Block& block, int status, base::Buffer response) {
  send(block, response);
  if (block.state == State::accepted) return;
  block.trying_owed = false;
  if (status < 200) {
    block.stop();
    block.response = std::move(response);
    return;
  }
  block.final_ = true;
  block.deadline = loop_.now() + k64T1;  // L or H
  if (status < 300) {
    block.state = State::accepted;
    block.response = {};
  } else {
    block.state = State::completed;
    block.response = right_sized(std::move(response));
    block.interval = net::is_stream(block.flow_.transport) ? base::Duration::zero() : kT1;
  }
  arm(block);
}

void ServerTransactions::respond_to_other(Block& block, int status, base::Buffer response) {
  if (status < 200) {
    ++suppressed_;
    return;
  }
  block.final_ = true;
  block.state = State::completed;
  if (status == 408) {
    ++suppressed_;
  } else {
    send(block, response);
    block.response = right_sized(std::move(response));
  }
  block.deadline = loop_.now() + (net::is_stream(block.flow_.transport) ? base::Duration::zero() : k64T1);
  arm(block);
}

// A stream that has ended since is replaced as 18.2.2 says: the key remembers the sent-by host.
void ServerTransactions::send(const Block& block, base::Buffer response) {
  if (transport_.alive(block.reply)) return transport_.send(block.reply, std::move(response));
  if (auto flow = transport_.response_flow(block.flow_, sent_by_in(block.key())))
    transport_.send(*flow, std::move(response));
}

void ServerTransactions::arm(Block& block) {
  auto wait = block.deadline - loop_.now();
  if (block.interval > base::Duration::zero()) wait = std::min(wait, block.interval);
  loop_.timers().start(block, wait);
}

void ServerTransactions::on_timer(Block& block) {
  if (block.trying_owed) {
    block.trying_owed = false;
    return send(block, block.response);
  }
  if (loop_.now() < block.deadline) {  // G
    if (may_say(block)) {
      ++retransmitted_;
      send(block, block.response);
    }
    block.interval = std::min(2 * block.interval, kT2);
    return arm(block);
  }
  if (block.state == State::trying) ++unanswered_;
  if (block.state == State::completed && block.method_ == Method::invite) ++unacknowledged_;
  end(block);
}

void ServerTransactions::end(Block& block) {
  index_.erase(block.hash, block.index);
  core_->on_gone(block);
  block.response = {};
  block.long_key = {};
  blocks_.give_back(block);
}

}  // namespace causeway::sip
