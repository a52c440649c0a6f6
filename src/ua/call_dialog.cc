// Requests within the dialogue of a call, both ways (call.h).
#include <utility>

#include <fmt/format.h>

#include "sip/headers.h"
#include "sip/make_request.h"
#include "ua/call.h"
#include "ua/limits.h"
#include "ua/methods.h"

namespace causeway::ua {

using namespace std::chrono_literals;

void Call::note_allowed(const sip::Message& message) {
  if (sip::has_token(message, sip::HeaderName::allow, "UPDATE")) allows_update_ = true;
}

void Call::note_hold() {
  if (!session_ || held_by_other_ == session_->held_by_other()) return;
  held_by_other_ = !held_by_other_;
  parts_.user.on_hold(*this, false, held_by_other_);
}

// ---- ours

// As soon as nothing else is under way (14.1, RFC 3264 4).
void Call::renegotiate() {
  if (state_ == State::ended) return;
  const bool busy = state_ != State::established || offering_ || reinvite_id_ || update_id_ ||
                    again_.pending() || invite_in_.pending() || ack_wait_.waiting() || update_in_.pending();
  change_wanted_ = busy;
  if (busy) return;
  offering_ = true;
  session_->offer([this](base::Result<std::string> offer) {
    offering_ = false;
    if (state_ != State::established) return;
    if (!offer) return parts_.user.on_trouble(*this, {"an offer of media", offer.error().message, ""});
    send_reinvite(*offer);
  });
}

void Call::send_reinvite(const std::string& offer) {
  Outgoing out = main_->dialog.request(sip::Method::invite);
  out.headers = dialog_headers();
  for (auto& line : timer_.in_request()) out.headers.push_back(std::move(line));
  out.body = offer;
  reinvite_id_ = send_in(*main_, std::move(out));
  if (!reinvite_id_) {
    session_->withdraw();
    again_later();
  }
}

void Call::on_reinvite_response(const sip::Message& response) {
  const int status = response.status();
  if (status < 200) return;
  reinvited_id_ = std::exchange(reinvite_id_, 0);
  if (status < 300) {
    main_->dialog.refresh_target(response);
    acknowledge_change(response);
    if (state_ != State::established) return;
    timer_.take_response(response);
    if (auto accepted = session_->accept(response.body()); !accepted) {
      bye(*main_, "SIP;cause=488;text=\"Bad session description\"");
      return fail({"an answer to our offer", accepted.error().message, "the other phone is faulty"}, 488);
    }
    if (hold_told_ != hold_) parts_.user.on_hold(*this, true, hold_);
    hold_told_ = hold_;
    note_hold();
    if (change_wanted_) renegotiate();
    return;
  }
  if (state_ != State::established) return;
  session_->withdraw();
  if (status == 481 || status == 408) return dialogue_is_over(status);
  if (status == 491 || (status == 500 && response.has(sip::HeaderName::retry_after))) return again_later();
  if (status == 422 && timer_.take_422(response)) return renegotiate();
  parts_.user.on_trouble(*this, trouble_of(response, "the other side to agree to a change of the call"));
}

// The 2xx may come again, and another one where the re-INVITE was sent anew.
void Call::acknowledge_change(const sip::Message& response) {
  const auto cseq = response.cseq();
  if (!cseq || response.status() / 100 != 2) return;
  if (std::exchange(reinvite_cseq_, cseq->number) != cseq->number)
    reinvite_ack_ =
        parts_.client.make_ack(reinvited_id_, main_->dialog.request(sip::Method::ack), cseq->number);
  parts_.client.send_ack(reinvite_ack_);
}

// 14.1: who made the call waits longer, so that the two do not meet again.
void Call::again_later() {
  const auto wait = outgoing_ ? 2100 + 10 * parts_.random.below(190) : 10 * parts_.random.below(200);
  again_.start(base::Duration(static_cast<std::int64_t>(wait)));
}

// RFC 4028 7.4 and 9: without an offer if the other side knows UPDATE.
void Call::refresh() {
  if (state_ != State::established) return;
  if (!allows_update_ || update_id_) return renegotiate();
  Outgoing out = main_->dialog.request(sip::Method::update);
  out.headers = dialog_headers();
  for (auto& line : timer_.in_request()) out.headers.push_back(std::move(line));
  update_id_ = send_in(*main_, std::move(out));
}

void Call::on_update_response(const sip::Message& response) {
  const int status = response.status();
  if (status < 200) return;
  update_id_ = 0;
  if (state_ != State::established) return;
  if (status < 300) {
    main_->dialog.refresh_target(response);
    timer_.take_response(response);
  } else if (status == 481 || status == 408) {
    return dialogue_is_over(status);
  } else if (status == 422 && timer_.take_422(response)) {
    return refresh();
  } else {
    allows_update_ = false;
    renegotiate();
  }
  if (change_wanted_) renegotiate();
}

// 12.2.1.2
void Call::dialogue_is_over(int status) {
  bye(*main_);
  fail({"the other side to know this call", fmt::format("{} {}", status, sip::reason_phrase(status)),
        "the other phone has gone, or was restarted: call again"},
       status);
}

// 15.1.1. A callee waits for the ACK.
void Call::bye(Fork& fork, std::string_view reason) {
  if (&fork == main_ && !outgoing_ && ack_wait_.waiting()) {
    bye_wanted_ = true;
    bye_reason_ = reason;
    return;
  }
  Outgoing out = fork.dialog.request(sip::Method::bye);
  if (!reason.empty()) out.headers.emplace_back("Reason", reason);
  (void)send_in(fork, std::move(out));
}

// ---- theirs

void Call::on_request(sip::ServerTransaction& transaction, const sip::Message& request) {
  Fork* fork = nullptr;
  for (const auto& one : forks_)
    if (one->dialog.has(request)) fork = one.get();
  if (!fork || state_ == State::ended) return refuse(transaction, request, 481);
  for (Open* open : {&invite_in_, &update_in_})
    if (open->is_same(request) && take_copy(*open, transaction, request)) return;
  if (!fork->dialog.take_cseq(request)) return refuse(transaction, request, 500);
  switch (request.method()) {
    case sip::Method::bye:
      if (fork != main_ && main_) return refuse(transaction, request, 200);
      return on_bye(transaction, request);
    case sip::Method::prack:
      return on_prack(transaction, request);
    case sip::Method::invite:
      return on_reinvite(transaction, request);
    case sip::Method::update:
      return on_update(transaction, request);
    default:
      return refuse(transaction, request, 405, {{"Allow", kAllowed}});
  }
}

void Call::on_bye(sip::ServerTransaction& transaction, const sip::Message& request) {
  refuse(transaction, request, 200);
  if (outgoing_ && !main_) return;  // one of several early dialogues; the INVITE's final response says more
  if (state_ == State::incoming) respond(invite_in_, 487);  // 15.1.2
  ack_wait_.stop();
  const auto reason = request.value(sip::HeaderName::reason);
  end({.by = CallEnd::By::them, .text = reason.empty() ? "they hung up" : std::string(reason)});
}

void Call::on_reinvite(sip::ServerTransaction& transaction, const sip::Message& invite) {
  if (state_ != State::established || reinvite_id_ || offering_)  // 14.2
    return refuse(transaction, invite, 491);
  const bool answer_due = ack_wait_.waiting() && waits_for_answer_;
  if (invite_in_.pending() || answer_due || update_in_.pending()) {
    const std::string after = std::to_string(parts_.random.below(10));
    return refuse(transaction, invite, 500, {{"Retry-After", after}});
  }
  // RFC 5407 3.1.4: its ACK is late, or lost; or the 2xx was, with the way that the INVITE before had come.
  ack_wait_.stop();
  if (const auto least = SessionTimer::too_short(invite))
    return refuse(transaction, invite, 422, {{"Min-SE", *least}});
  main_->dialog.refresh_target(invite);
  if (invite_in_.transaction) invite_in_.transaction->context = nullptr;
  transaction.context = this;
  invite_in_ = {&transaction, std::string(invite.bytes()), {}};
  const auto done = [this](base::Result<std::string> d) { answer_change(invite_in_, std::move(d)); };
  waits_for_answer_ = invite.body().empty();
  if (waits_for_answer_)
    session_->offer(done);
  else
    session_->answer(invite.body(), done);
}

// RFC 3311 5.2
void Call::on_update(sip::ServerTransaction& transaction, const sip::Message& update) {
  if (const auto least = SessionTimer::too_short(update))
    return refuse(transaction, update, 422, {{"Min-SE", *least}});
  const bool offers = !update.body().empty();
  if (offers && (reinvite_id_ || offering_)) return refuse(transaction, update, 491);
  if (offers && (update_in_.pending() || invite_in_.pending() || waits_for_answer_ || !session_ ||
                 (outgoing_ && !described_by_))) {
    const std::string after = std::to_string(parts_.random.below(10));
    return refuse(transaction, update, 500, {{"Retry-After", after}});
  }
  if (main_) main_->dialog.refresh_target(update);
  if (update_in_.transaction) update_in_.transaction->context = nullptr;
  transaction.context = this;
  update_in_ = {&transaction, std::string(update.bytes()), {}};
  if (!offers) return answer_change(update_in_, std::string());
  session_->answer(update.body(),
                   [this](base::Result<std::string> d) { answer_change(update_in_, std::move(d)); });
}

void Call::answer_change(Open& open, base::Result<std::string> description) {
  sip::Message request;
  if (state_ == State::ended || !open.pending() || !request.parse(open.request)) return;
  if (!description) {
    waits_for_answer_ = false;
    return respond(open, 488);
  }
  auto headers = dialog_headers();
  if (state_ == State::established)
    for (auto& line : timer_.take_request(request)) headers.push_back(std::move(line));
  respond(open, 200, std::move(headers), *description);
  if (&open == &invite_in_) wait_for_ack();
  note_hold();
  if (change_wanted_) renegotiate();
}

}  // namespace causeway::ua
