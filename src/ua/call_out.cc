// The first INVITE, as the caller (call.h).
#include <algorithm>

#include <fmt/format.h>

#include "sip/headers.h"
#include "ua/call.h"
#include "ua/limits.h"
#include "ua/methods.h"

namespace causeway::ua {

namespace {

// Where a 3xx leads to, the most wanted first (8.1.3.4).
std::vector<std::string> contacts_by_q(const sip::Message& response) {
  std::vector<std::pair<int, std::string>> found;
  (void)sip::for_each_value(response, sip::HeaderName::contact, [&](std::string_view value) {
    const auto contact = sip::parse_contact(value);
    if (!contact || contact->is_star || !contact->address.uri.is_sip) return true;
    const auto q = contact->address.params.get("q");
    found.emplace_back(q ? sip::parse_q(*q).value_or(1000) : 1000, contact->address.uri.text);
    return found.size() < limits::kMaxRedirectTargets;
  });
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> uris;
  for (auto& [q, uri] : found) uris.push_back(std::move(uri));
  return uris;
}

}  // namespace

void Call::dial(const std::string& uri) {
  target_ = other_ = uri;
  targets_ = {uri};
  call_id_ = parts_.random.token(24);
  parts_.line.relays([this, alive = alive_](std::vector<RelayServer> relays) {
    if (!*alive || state_ != State::preparing) return;
    make_session(std::move(relays));
    session_->offer([this](base::Result<std::string> offer) {
      if (state_ != State::preparing) return;
      if (!offer) return fail({"an offer of media", offer.error().message, ""});
      description_ = std::move(*offer);
      send_invite();
    });
  });
}

void Call::send_invite() {
  invite_ = {.method = sip::Method::invite,
             .uri = target_,
             .from = fmt::format("{};tag={}", parts_.local, local_tag_),
             .to = in_brackets(other_),
             .call_id = call_id_,
             .routes = parts_.line.routes(),
             .headers = dialog_headers(),
             .body = description_,
             .flow = parts_.way ? parts_.way() : std::nullopt,
             .next_cseq = [this] { return ++cseq_; }};
  for (auto& line : timer_.in_request()) invite_.headers.push_back(std::move(line));
  if (state_ == State::preparing) state_ = State::calling;
  invite_id_ = send(invite_);
  if (!invite_id_)
    fail({"a way to the network", "none", "check that the line is registered and its server runs"});
}

void Call::on_invite_response(const sip::Message& response) {
  if (response.status() < 200) return on_provisional(response);
  if (response.status() < 300) return on_success(response);
  on_refused(response);
}

// Of the dialogue that this response is in, or makes. Null: of too many, or of none.
Call::Fork* Call::fork_of(const sip::Message& response) {
  const auto tag = response.to_tag();
  for (const auto& fork : forks_)
    if (fork->dialog.remote_tag == tag) return fork.get();
  if (forks_.size() >= limits::kMaxForks) return nullptr;
  auto dialog = Dialog::of_response(invite_, cseq_, local_tag_, response);
  if (!dialog) return nullptr;
  forks_.push_back(std::make_unique<Fork>(Fork{.dialog = std::move(*dialog)}));
  return forks_.back().get();
}

// 13.2.1: the first description in a dialogue is the answer, what follows in it repeats it. True if it has
// one now.
bool Call::accept_from(Fork& fork, const sip::Message& response) {
  if (fork.described && described_by_ == &fork) return true;
  if (response.body().empty()) return fork.described;
  if (!session_->accept(response.body())) return false;
  fork.described = true;
  described_by_ = &fork;
  return true;
}

void Call::on_provisional(const sip::Message& response) {
  if (state_ == State::ended || main_) return;
  Fork* fork = response.to_tag().empty() ? nullptr : fork_of(response);
  if (fork) {
    note_allowed(response);
    if (sip::has_token(response, sip::HeaderName::require, "100rel")) prack(*fork, response);
    (void)accept_from(*fork, response);
  }
  if (response.status() != 180 || state_ == State::ringing) return;
  state_ = State::ringing;
  parts_.user.on_ringing(*this);
}

// RFC 3262 4. Those that come again, or before one that is missing, are not confirmed.
void Call::prack(Fork& fork, const sip::Message& response) {
  const auto* field = response.find("RSeq");
  const auto cseq = response.cseq();
  const auto rseq =
      field ? sip::parse_delta_seconds(response.value(*field)) : std::unexpected(sip::ParseError{});
  if (!rseq || !cseq || *rseq == 0 || (fork.rseq != 0 && *rseq != fork.rseq + 1)) return;
  fork.rseq = *rseq;
  Outgoing out = fork.dialog.request(sip::Method::prack);
  out.headers = {{"RAck", fmt::format("{} {} INVITE", *rseq, cseq->number)}};
  (void)send_in(fork, std::move(out));
}

void Call::acknowledge(Fork& fork, const sip::Message& response) {
  const auto cseq = response.cseq();
  if (!fork.ack && cseq)
    fork.ack = parts_.client.make_ack(invite_id_, fork.dialog.request(sip::Method::ack), cseq->number);
  parts_.client.send_ack(fork.ack);
}

void Call::on_success(const sip::Message& response) {
  Fork* fork = fork_of(response);
  if (!fork) return;
  const bool again = static_cast<bool>(fork->ack);
  if (!again) {
    // 13.2.2.4: the route set is that of the 2xx.
    if (auto dialog = Dialog::of_response(invite_, fork->dialog.local_cseq, local_tag_, response))
      fork->dialog = std::move(*dialog);
  }
  acknowledge(*fork, response);
  if (again) return;
  if (state_ == State::ended || (main_ && main_ != fork))
    return bye(*fork);  // too late, or another was quicker
  main_ = fork;
  note_allowed(response);
  if (!accept_from(*fork, response)) {
    bye(*fork, "SIP;cause=488;text=\"Bad session description\"");
    return fail({"an answer with media that we have offered", "none that can be read",
                 "the other phone is faulty, or offers other media"},
                488);
  }
  state_ = State::established;
  session_->talk();
  timer_.take_response(response);
  hold_told_ = hold_;
  parts_.user.on_established(*this);
  note_hold();
  if (change_wanted_) renegotiate();
}

void Call::invite_again() {
  for (auto& fork : forks_) spent_forks_.push_back(std::move(fork));
  forks_.clear();
  described_by_ = nullptr;
  send_invite();
}

bool Call::redirect(const sip::Message& response) {
  if (hanging_up_) return false;
  for (std::string& uri : contacts_by_q(response)) {
    const bool known = std::find(targets_.begin(), targets_.end(), uri) != targets_.end();
    if (!known && targets_.size() <= limits::kMaxRedirects) targets_.push_back(std::move(uri));
  }
  if (tried_ + 1 >= targets_.size()) return false;
  target_ = targets_[++tried_];
  invite_again();
  return true;
}

void Call::on_refused(const sip::Message& response) {
  if (state_ == State::ended || main_) return;
  const int status = response.status();
  if (status == 422 && !hanging_up_ && timer_.take_422(response)) {
    return invite_again();
  }
  // Of several places that a 3xx has named, the next is tried when one does not answer well.
  const bool elsewhere = status < 400 || (tried_ > 0 && status < 600 && status != 401 && status != 407);
  if (elsewhere && redirect(response)) return;
  CallEnd how{.by = CallEnd::By::failure, .status = status};
  how.why = trouble_of(response, fmt::format("{} to answer", other_));
  how.text = std::string(response.reason());
  if (status == 486 || status == 600 || status == 603) how.by = CallEnd::By::them;
  end(std::move(how));
}

}  // namespace causeway::ua
