#include "sip/server_transaction.h"
#include "base/limits.h"

#include <algorithm>
#include <cstring>

#include "sip/rewrite.h"
#include "sip/right_size.h"
#include "sip/scan.h"

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

  std::uint32_t index = 0;
  std::uint32_t next_free = 0;
  ServerTransactions* owner = nullptr;
  TransactionKey key;
  base::Buffer response;            // what a retransmitted request is answered with
  base::Buffer sent_by;             // of the top Via, for a stream that may have to be replaced: port, host
  base::Instant deadline{};         // L, H, I, J, or of the Trying state
  std::uint16_t reply_port = 0;     // where responses go (18.2.2), at the address that the request came from
  std::uint16_t request_bytes = 0;  // if not `known`
  Interval interval{};              // G; zero: nothing is resent
  State state = State::trying;
  bool trying_owed = false;  // `response` is the request: of the 100, which has not been sent
  bool new_tag = false;      // the request has no To tag: who knows ours has had a response. If not `known`
  bool cancelled = false;

  bool reliable() const { return net::is_stream(flow_.transport); }
  void set_sent_by(const Via& via) {
    sent_by = base::Buffer::with_room(sizeof via.port + via.host.size());
    sent_by.append({reinterpret_cast<const char*>(&via.port), sizeof via.port});
    for (char c : via.host) sent_by.append({&(c = scan::lower(c)), 1});  // as names of members are
  }
  Via via() const {
    Via via;
    if (!sent_by) return via;
    std::memcpy(&via.port, sent_by.data(), sizeof via.port);
    via.host = sent_by.view().substr(sizeof via.port);
    return via;
  }

  using ServerTransaction::final_;
  using ServerTransaction::flow_;
  using ServerTransaction::method_;
};

ServerTransactions::ServerTransactions(base::Loop& loop, TransportLayer& transport, Admission& admission,
                                       base::Random& random, base::Metrics& metrics)
    : loop_(loop),
      transport_(transport),
      admission_(admission),
      keys_({random.u64(), random.u64()}),
      started_(metrics.counter("sip_server_transactions_total", "server transactions started")),
      retransmitted_(metrics.counter("sip_server_responses_resent_total", "responses sent again")),
      absorbed_(metrics.counter("sip_server_absorbed_total", "retransmitted requests that need no answer")),
      cancelled_(metrics.counter("sip_server_cancelled_total", "INVITEs cancelled by their sender")),
      cancel_unmatched_(metrics.counter("sip_server_cancel_unmatched_total", "CANCELs answered 481")),
      too_many_(metrics.counter("sip_server_refused_total{reason=\"too many\"}",
                                "requests answered 503: too many transactions")),
      suppressed_(metrics.counter("sip_server_suppressed_total", "responses not sent because of RFC 4320")),
      late_(metrics.counter("sip_server_late_responses_total", "responses after a final one, not sent")),
      unanswered_(metrics.counter("sip_server_unanswered_total", "requests that were never answered")),
      unacknowledged_(metrics.counter("sip_server_unacknowledged_total",
                                      "final responses to INVITE without an ACK (Timer H)")) {}

ServerTransactions::~ServerTransactions() {
  // What lingers is this and a response of 300 to 500 bytes: below 1 kB.
  static_assert(sizeof(Block) <= 168);
}

ServerTransactions::Block* ServerTransactions::find(const TransactionKey& key) {
  const auto at = index_.find(key[0], [&](std::uint32_t i) { return blocks_[i].key == key; });
  return at == FlatIndex::kNone ? nullptr : &blocks_[at];
}

std::optional<TransactionKey> ServerTransactions::key_of(const Via& via, Method method) {
  const auto key = keys_.make(via, method);
  if (key) index_.prefetch((*key)[0]);
  return key;
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
  if (count() >= most_) {
    ++too_many_;
    return transport_.respond_stateless(request, via, flow, 503);
  }
  if (admission_.refuses(request, flow)) return admission_.refuse(request, via, flow);
  Block& block = create(key, request, via, flow);
  core_->on_request(block, request, flow);
  if (block.state == State::trying) return arm(block);
  if (block.state == State::proceeding && !block.response) owe_trying(block, request);
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
  block.reply_port = flow.remote.port;
  if (block.reliable()) {
    block.set_sent_by(via);
  } else if (const auto reply = transport_.response_flow(flow, via)) {
    block.reply_port = reply->remote.port;
  }
  block.key = key;
  block.interval = {};
  index_.insert(key[0], block.index);
  if (block.method_ == Method::invite) {
    block.state = State::proceeding;
  } else {
    // RFC 4320: who sent this has given up by then, and must not be told so.
    block.state = State::trying;
    block.deadline = loop_.now() + k64T1;
  }
  return block;
}

// 17.2.1: the 100 is written if the core is slow or the request comes again; until then the request is kept.
void ServerTransactions::owe_trying(Block& block, const Message& request) {
  if (!block.known) block.new_tag = request.to_tag().empty();
  block.response = base::Buffer::copy_of(request.bytes());
  block.trying_owed = true;
  loop_.timers().start(block, limits::kTryingDelay);
}

void ServerTransactions::send_trying(Block& block) {
  block.trying_owed = false;
  (void)scratch_->parse(block.response.view());  // it was parsed before
  block.response = make_response(*scratch_, 100, reason_phrase(100), {});
  if (block.known || block.response.size() <= SourceLimit::kMostGrowth * block.request_bytes)
    return send(block, block.response);
  transport_.sources().count_too_long();
  block.response = {};
}

void ServerTransactions::on_again(Block& block) {
  const bool answers = block.state == State::proceeding || block.state == State::completed;
  if (!answers || !block.response) {
    ++absorbed_;
    return;
  }
  if (block.trying_owed) {
    block.stop();
    return send_trying(block);
  }
  if (!may_say(block)) return;
  ++retransmitted_;
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
      block.interval = {};
      block.deadline = loop_.now() + (block.reliable() ? base::Duration::zero() : kT4);
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
  const bool known = invite->known && flow.remote.ip == invite->flow_.remote.ip;
  transport_.respond_stateless(cancel, via, flow, 200, {}, known);
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
  const bool had_provisional = block.response && !block.trying_owed;
  if (!response || !may_say(block)) {
    // Who has had a provisional response does not ask again: G tells him when he may be told.
    if (!response || !had_provisional || status < 300) return forget(block);
    return respond_to_invite(block, status, std::move(response), false);
  }
  respond(block, status, std::move(response));
  if (had_provisional || block.state != State::completed) return;
  block.interval = {};
  arm(block);
}

// As if the request had not come. The core is told in a turn to come.
void ServerTransactions::forget(Block& block) {
  block.final_ = true;
  block.trying_owed = false;
  block.state = State::confirmed;
  block.response = {};
  block.interval = {};
  block.deadline = loop_.now();
  arm(block);
}

void ServerTransactions::respond_to_invite(Block& block, int status, base::Buffer response, bool say) {
  if (say) send(block, response);
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
    block.interval = block.reliable() ? Interval{} : Interval{kT1.count()};
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
  block.deadline = loop_.now() + (block.reliable() ? base::Duration::zero() : k64T1);
  arm(block);
}

// A stream that has ended since is replaced as 18.2.2 says.
void ServerTransactions::send(const Block& block, base::Buffer response) {
  Flow reply = block.flow_;
  reply.remote.port = block.reply_port;
  if (transport_.alive(reply)) return transport_.send(reply, std::move(response));
  if (auto flow = transport_.response_flow(block.flow_, block.via()))
    transport_.send(*flow, std::move(response));
}

void ServerTransactions::arm(Block& block) {
  auto wait = block.deadline - loop_.now();
  if (block.interval > Interval::zero()) wait = std::min<base::Duration>(wait, block.interval);
  loop_.timers().start(block, wait);
}

void ServerTransactions::on_timer(Block& block) {
  if (block.trying_owed) return send_trying(block);
  if (loop_.now() < block.deadline) {  // G
    if (may_say(block)) {
      ++retransmitted_;
      send(block, block.response);
    }
    block.interval = std::min(Interval(2 * block.interval.count()), Interval{kT2.count()});
    return arm(block);
  }
  if (block.state == State::trying) ++unanswered_;
  if (block.state == State::completed && block.method_ == Method::invite) ++unacknowledged_;
  end(block);
}

void ServerTransactions::end(Block& block) {
  index_.erase(block.key[0], block.index);
  core_->on_gone(block);
  block.response = {};
  block.sent_by = {};
  blocks_.give_back(block);
}

}  // namespace causeway::sip
