#include "ua/call.h"

#include "sip/headers.h"
#include "sip/make_request.h"
#include "ua/limits.h"
#include "ua/methods.h"

namespace causeway::ua {

Call::Call(const CallParts& parts, std::uint64_t number)
    : parts_(parts),
      number_(number),
      local_tag_(parts.random.token(12)),
      timer_(
          parts.loop, parts.session_expires, [this] { refresh(); },
          [this] {
            if (main_) bye(*main_, "SIP;cause=408;text=\"Session timer\"");
            fail({"the other side to refresh the session", "nothing before it expired (RFC 4028)",
                  "the other phone, or the way to it, is gone: call again"},
                 408);
          }),
      prack_wait_(
          parts.loop, [this] { parts_.transactions.respond(*invite_in_.transaction, 183, provisional_); },
          [this] {
            // RFC 3262 3: 64*T1 without PRACK.
            respond(invite_in_, 504);
            fail({"a PRACK for a reliable provisional response", "none in 32 s", ""}, 504);
          }),
      ack_wait_(
          parts.loop,
          [this] {
            if (invite_in_.transaction) parts_.transactions.respond(*invite_in_.transaction, 200, final_);
          },
          [this] {
            // 13.3.1.4
            if (main_) bye(*main_, "SIP;cause=408;text=\"No ACK\"");
            fail({"an ACK for the answer", "none in 32 s", "the way back from the caller is broken"}, 408);
            check_finished();
          }),
      ringing_(parts.loop.timers(), [this] { reject(480); }),
      again_(parts.loop.timers(), [this] { renegotiate(); }),
      drop_(parts.loop.timers(), [this] { old_session_.reset(); }) {}

Call::~Call() {
  *alive_ = false;
  for (std::uint64_t id : requests_) parts_.client.forget(id);
  if (invite_in_.transaction) invite_in_.transaction->context = nullptr;
  if (update_in_.transaction) update_in_.transaction->context = nullptr;
}

void Call::make_session(std::vector<RelayServer> relays) {
  parts_.user.on_relays(*this, relays);
  session_ = parts_.sessions.make(*this, std::move(relays), outgoing_);
}

// ---- what the user asks for

void Call::answer() {
  if (state_ != State::incoming || accepted_) return;
  accepted_ = true;
  accept_now();
}

void Call::reject(int status) {
  if (state_ != State::incoming) return;
  respond(invite_in_, status);
  end({.by = CallEnd::By::us, .status = status, .text = "refused"});
}

void Call::hang_up() {
  switch (state_) {
    case State::ended:
      return;
    case State::incoming:
      return reject(603);
    case State::established:
      if (main_) bye(*main_);
      break;
    default:
      hanging_up_ = true;
      if (invite_id_) parts_.client.cancel(invite_id_);
  }
  end({.by = CallEnd::By::us, .text = "hung up"});
}

void Call::hold() {
  if (hold_ || state_ == State::ended) return;
  hold_ = true;
  if (session_) session_->hold(true);
  renegotiate();
}

void Call::resume() {
  if (!hold_ || state_ == State::ended) return;
  hold_ = false;
  if (session_) session_->hold(false);
  renegotiate();
}

void Call::send_dtmf(std::string_view digits) {
  if (session_ && state_ == State::established) session_->send_dtmf(digits);
}

void Call::restart_media() {
  if (!session_ || state_ != State::established) return;
  parts_.line.relays([this, alive = alive_](std::vector<RelayServer> relays) {
    if (!*alive || !session_ || state_ != State::established) return;
    parts_.user.on_relays(*this, relays);
    session_->restart(std::move(relays));
    renegotiate();
  });
}

void Call::on_path_lost(const std::string& why) {
  parts_.user.on_media_lost(*this, why);
  restart_media();
}

void Call::on_media_failed(const std::string& why) {
  if (state_ == State::ended) return;
  const bool up = state_ == State::established;
  if (up && main_) bye(*main_, "SIP;cause=500;text=\"No media path\"");
  if (state_ == State::incoming) respond(invite_in_, 500);
  if (!up && outgoing_) {
    hanging_up_ = true;
    if (invite_id_) parts_.client.cancel(invite_id_);
  }
  fail(
      {"a path for the media", why, "find out whether UDP passes; with a relay over TCP or TLS it need not"});
}

// ---- the end

void Call::end(CallEnd how) {
  if (state_ == State::ended) return;
  how.established = state_ == State::established;
  state_ = State::ended;
  timer_.stop();
  ringing_.stop();
  again_.stop();
  prack_wait_.stop();
  drop_session();
  parts_.user.on_ended(*this, how);
  check_finished();
}

void Call::fail(Trouble why, int status) {
  CallEnd how{.by = CallEnd::By::failure, .status = status, .text = why.came};
  how.why = std::move(why);
  end(std::move(how));
}

// The session may be what has told us so.
void Call::drop_session() {
  if (!session_) return;
  last_figures_ = session_->figures();
  old_session_ = std::move(session_);
  drop_.start(base::Duration::zero());
}

void Call::check_finished() {
  if (finished()) parts_.owner.on_finished(*this);
}

// ---- messages

Call::Headers Call::dialog_headers() const {
  return {{"Contact", in_brackets(parts_.line.contact())},
          {"Allow", std::string(kAllowed)},
          {"Supported", std::string(kSupported)}};
}

void Call::respond(Open& open, int status, Headers headers, std::string_view body) {
  if (!open.transaction) return;
  sip::Message request;
  if (!request.parse(open.request)) return;
  std::vector<sip::ExtraHeader> extra;
  for (const auto& [name, value] : headers) extra.push_back({name, value});
  if (!body.empty()) extra.push_back({"Content-Type", "application/sdp"});
  auto response = sip::make_response(request, status, {}, local_tag_, extra, body, sip::CopyRecordRoute::yes);
  if (request.method() == sip::Method::invite) (status < 200 ? provisional_ : final_) = response;
  parts_.transactions.respond(*open.transaction, status, std::move(response));
  open.said = {status, std::move(headers), std::string(body)};
}

bool Call::Open::is_same(const sip::Message& other) const {
  sip::Message known;
  const auto cseq = other.cseq();
  if (request.empty() || !cseq || !known.parse(request) || known.method() != other.method()) return false;
  const auto known_cseq = known.cseq();
  return known_cseq && known_cseq->number == cseq->number;
}

// 8.2.2.2 has the copy refused. But a server of ours sends one when the way of the one before was silent and
// there is another flow (RFC 5626 5.3); there it may be that nobody waits for an answer any more, although
// the request has come after all. So the newest is answered, and the one before refused.
bool Call::take_copy(Open& open, sip::ServerTransaction& transaction, const sip::Message& request) {
  const auto said = open.said;
  const bool accepted = said.status / 100 == 2;
  if (&open == &invite_in_ && accepted && !ack_wait_.waiting()) return false;
  if (open.pending()) respond(open, 482);
  if (open.transaction) open.transaction->context = nullptr;
  transaction.context = this;
  open = {&transaction, std::string(request.bytes()), {}};
  const bool was_heard = described_reliably_ && !prack_wait_.waiting() && said.status < 200;
  if (said.status != 0 && !was_heard) respond(open, said.status, said.headers, said.body);
  return true;
}

void Call::refuse(sip::ServerTransaction& transaction, const sip::Message& request, int status,
                  std::vector<sip::ExtraHeader> extra) {
  parts_.transactions.respond(transaction, status,
                              sip::make_response(request, status, {}, local_tag_, extra));
}

std::uint64_t Call::send(Outgoing request) {
  const std::uint64_t id = parts_.client.send(std::move(request), *this);
  if (id) requests_.insert(id);
  return id;
}

std::uint64_t Call::send_in(Fork& fork, Outgoing request) {
  request.next_cseq = [dialog = &fork.dialog] { return ++dialog->local_cseq; };
  return send(std::move(request));
}

void Call::on_response(std::uint64_t id, const sip::Message& response) {
  if (id == invite_id_) return on_invite_response(response);
  if (id == reinvite_id_) return on_reinvite_response(response);
  if (id == reinvited_id_) return acknowledge_change(response);
  if (id == update_id_) return on_update_response(response);
}

void Call::on_failure(std::uint64_t id, const Trouble& why) {
  if (id == invite_id_) {
    if (!main_) fail(why, 408);
  } else if (id == reinvite_id_ || id == update_id_) {
    if (state_ == State::established) dialogue_is_over(408);
  }
}

void Call::on_done(std::uint64_t id) {
  requests_.erase(id);
  if (id == reinvite_id_) reinvite_id_ = 0;
  if (id == update_id_) update_id_ = 0;
  check_finished();
}

bool Call::has(const sip::Message& request) const {
  for (const auto& fork : forks_)
    if (fork->dialog.has(request)) return true;
  return false;
}

bool Call::is_merged(const sip::Message& invite) const {
  return !outgoing_ && state_ != State::ended && main_ && invite.call_id() == call_id_ &&
         invite.from_tag() == main_->dialog.remote_tag && invite_in_.is_same(invite);
}

void Call::on_transaction_gone(sip::ServerTransaction& transaction) {
  if (invite_in_.transaction == &transaction) invite_in_.transaction = nullptr;
  if (update_in_.transaction == &transaction) update_in_.transaction = nullptr;
}

}  // namespace causeway::ua
