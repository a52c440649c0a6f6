// The first INVITE, as the callee (call.h).
#include <fmt/format.h>

#include "sip/headers.h"
#include "sip/make_request.h"
#include "ua/call.h"
#include "ua/limits.h"
#include "ua/methods.h"

namespace causeway::ua {

void Call::take_invite(sip::ServerTransaction& transaction, const sip::Message& invite) {
  outgoing_ = false;
  state_ = State::incoming;
  auto dialog = Dialog::of_request(invite, local_tag_);
  const auto from = sip::parse_name_addr(invite.value(sip::HeaderName::from));
  forks_.push_back(std::make_unique<Fork>(Fork{.dialog = std::move(*dialog)}));
  main_ = forks_.front().get();
  call_id_ = main_->dialog.call_id;
  if (from) {
    other_ = from->uri.is_sip ? sip::address_of_record(from->uri) : std::string(from->uri.text);
    other_name_ = sip::unquote(from->display);
  }
  transaction.context = this;
  invite_in_ = {&transaction, std::string(invite.bytes()), {}};
  offer_in_invite_ = !invite.body().empty();
  note_allowed(invite);
  if (sip::has_token(invite, sip::HeaderName::require, "100rel"))
    reliable_ = Reliable::required;
  else if (sip::has_token(invite, sip::HeaderName::supported, "100rel"))
    reliable_ = Reliable::supported;
  ringing_.start(limits::kRinging);
  if (reliable_ != Reliable::required) respond(invite_in_, 180, dialog_headers());
  parts_.line.relays([this, alive = alive_](std::vector<RelayServer> relays) {
    if (!*alive || state_ != State::incoming) return;
    make_session(std::move(relays));
    begin_incoming();
  });
}

void Call::begin_incoming() {
  sip::Message invite;
  if (!invite.parse(invite_in_.request)) return;
  const auto done = [this](base::Result<std::string> description) { on_described(std::move(description)); };
  if (offer_in_invite_)
    session_->answer(invite.body(), done);
  else
    session_->offer(done);
}

void Call::on_described(base::Result<std::string> description) {
  if (state_ != State::incoming) return;
  if (!description) {
    respond(invite_in_, 488);
    return fail({"an offer with media that we know", description.error().message,
                 "the caller's phone needs a codec and keying of ours"},
                488);
  }
  description_ = std::move(*description);
  // RFC 3262 3: an offer of ours goes into the first reliable response, whichever that is.
  const bool early =
      reliable_ == Reliable::required || (reliable_ == Reliable::supported && offer_in_invite_);
  if (early && !accepted_) send_reliable(reliable_ == Reliable::required ? 180 : 183);
  accept_now();
}

void Call::send_reliable(int status) {
  rseq_ = 1 + static_cast<std::uint32_t>(parts_.random.below(1u << 30));
  described_reliably_ = true;
  waits_for_answer_ = !offer_in_invite_;
  auto headers = dialog_headers();
  headers.emplace_back("Require", "100rel");
  headers.emplace_back("RSeq", std::to_string(rseq_));
  respond(invite_in_, status, std::move(headers), description_);
  prack_wait_.start(base::Duration::zero());
}

void Call::on_prack(sip::ServerTransaction& transaction, const sip::Message& prack) {
  sip::Message invite;
  const auto* rack = prack.find("RAck");
  const bool open = prack_wait_.waiting() && invite.parse(invite_in_.request) && rack;
  const auto cseq = open ? invite.cseq() : std::unexpected(sip::ParseError{});
  if (!cseq || prack.value(*rack) != fmt::format("{} {} INVITE", rseq_, cseq->number))
    return refuse(transaction, prack, 481);
  prack_wait_.stop();
  if (waits_for_answer_ && !prack.body().empty()) {
    waits_for_answer_ = false;
    if (!session_->accept(prack.body())) {
      refuse(transaction, prack, 488);
      respond(invite_in_, 488);
      return fail({"an answer to our offer", "none that can be read", "the caller's phone is faulty"}, 488);
    }
  }
  refuse(transaction, prack, 200);
  accept_now();
}

// The 200, once everything is there that it has to wait for (RFC 3262 3: the PRACK of a description).
void Call::accept_now() {
  if (!accepted_ || description_.empty() || prack_wait_.waiting() || state_ != State::incoming) return;
  sip::Message invite;
  if (!invite_in_.pending() || !invite.parse(invite_in_.request)) return;
  ringing_.stop();
  auto headers = dialog_headers();
  for (auto& line : timer_.take_request(invite)) headers.push_back(std::move(line));
  if (!offer_in_invite_ && !described_reliably_) waits_for_answer_ = true;
  // What a reliable provisional response has said already is said again: some need it.
  const bool repeats_offer = described_reliably_ && !offer_in_invite_;
  respond(invite_in_, 200, std::move(headers), repeats_offer ? std::string_view{} : description_);
  state_ = State::established;
  session_->talk();
  wait_for_ack();
  hold_told_ = hold_;
  parts_.user.on_established(*this);
  note_hold();
}

bool Call::take_merged(sip::ServerTransaction& transaction, const sip::Message& invite) {
  const auto dialog = Dialog::of_request(invite, local_tag_);
  if (!dialog || !take_copy(invite_in_, transaction, invite)) return false;
  main_->dialog.routes = dialog->routes;
  main_->dialog.target = dialog->target;
  return true;
}

void Call::wait_for_ack() { ack_wait_.start(sip::limits::kT2); }

void Call::on_ack(const sip::Message& ack) {
  const auto cseq = ack.cseq();
  sip::Message invite;
  if (!ack_wait_.waiting() || !invite.parse(invite_in_.request)) return;
  const auto expected = invite.cseq();
  if (!cseq || !expected || cseq->number != expected->number) return;
  ack_wait_.stop();
  final_ = {};
  if (waits_for_answer_ && session_) {
    waits_for_answer_ = false;
    if (ack.body().empty() || !session_->accept(ack.body())) {
      bye(*main_, "SIP;cause=488;text=\"Bad session description\"");
      fail({"an answer to our offer in the ACK", "none that can be read", "the caller's phone is faulty"},
           488);
    } else {
      note_hold();
    }
  }
  if (bye_wanted_ && main_) bye(*main_, bye_reason_);
  if (change_wanted_) renegotiate();
  check_finished();
}

// 9.2. Who cancels a re-INVITE gets its answer all the same: the session has changed already.
void Call::on_cancel(sip::ServerTransaction& invite) {
  if (&invite != invite_in_.transaction || state_ != State::incoming) return;
  respond(invite_in_, 487);
  end({.by = CallEnd::By::them, .status = 487, .text = "the caller gave up"});
}

}  // namespace causeway::ua
