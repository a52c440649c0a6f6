#include "calls.h"

#include <algorithm>

#include "text.h"

namespace load {

namespace {

constexpr std::size_t kMostCalls = 1 << 20;
constexpr std::string_view kBody =
    "v=0\r\no=phone 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

std::string body() {
  return "Content-Type: application/sdp\r\nContent-Length: " + std::to_string(kBody.size()) + "\r\n\r\n" +
         std::string(kBody);
}

// What a response repeats of its request (RFC 3261 8.2.6.2), with a tag for the callee.
std::string response_to(std::string_view request, std::string_view status, std::string_view tag) {
  std::string text = "SIP/2.0 " + std::string(status) + "\r\n";
  for (std::string_view name : {"Via", "Record-Route", "From", "To", "Call-ID", "CSeq"})
    for_each_header(request, name, [&](std::string_view value) {
      text.append(name).append(": ").append(value);
      if (name == "To" && value.find(";tag=") == std::string_view::npos) text.append(";tag=").append(tag);
      text += "\r\n";
    });
  return text;
}

}  // namespace

double CallPlan::seconds() const {
  double all = 0;
  for (const Phase& phase : phases) all += phase.seconds;
  return all;
}

std::uint64_t CallPlan::due(double since) const {
  double calls = 0;
  for (const Phase& phase : phases) {
    calls += phase.rate * std::clamp(since, 0.0, phase.seconds);
    since -= phase.seconds;
  }
  return static_cast<std::uint64_t>(calls);
}

Calls::Calls(CallPlan plan, Sockets& callers, Sockets& callees)
    : plan_(std::move(plan)), callers_(callers), callees_(callees), calls_(kMostCalls) {
  for (std::uint32_t slot = kMostCalls; slot-- > 0;) free_.push_back(slot);
}

// ---- messages

std::string_view Calls::call_id(const Call& call) {
  char numbers[] = "000000.0000000.";
  put_digits(numbers, 6, call.generation);
  put_digits(numbers + 7, 7, slot_of(call));
  return put(id_, {numbers, run_id()});
}

// What an INVITE and the ACK to its refusal have in common.
void Calls::begin_text(const Call& call, std::string_view method) {
  const std::string_view id = call_id(call);
  char digits[12];
  const std::string_view user(digits, std::to_chars(digits, digits + sizeof digits, call.user).ptr);
  put(text_, {method, " sip:u", user, "@", plan_.domain, " SIP/2.0\r\nVia: SIP/2.0/UDP ", caller(call).at(),
              ";branch=z9hG4bK-i-", id, "\r\nFrom: <sip:carol@example.com>;tag=", id, "\r\nCall-ID: ", id,
              "@", caller(call).at(), "\r\nMax-Forwards: 70\r\nCSeq: 1 ", method, "\r\n"});
  if (method == "INVITE") add(text_, {"To: <sip:u", user, "@", plan_.domain, ">\r\n"});
}

std::string_view Calls::invite(const Call& call) {
  static const std::string rest = body();
  begin_text(call, "INVITE");
  return add(text_, {"Contact: <sip:carol@", caller(call).at(), ">\r\n", rest});
}

std::string_view Calls::in_dialogue(const Call& call, std::string_view method, std::string_view cseq) {
  const std::string_view dialogue = call.dialogue;
  const auto uri_end = dialogue.find('\n');
  return put(text_,
             {method, " ", dialogue.substr(0, uri_end), " SIP/2.0\r\nVia: SIP/2.0/UDP ", caller(call).at(),
              ";branch=z9hG4bK-", method, "-", call_id(call), "\r\n", dialogue.substr(uri_end + 1),
              "CSeq: ", cseq, " ", method, "\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"});
}

// ---- the caller

void Calls::begin(Time now) {
  ++counts_.begun;
  if (free_.empty()) {  // a server that answers nothing
    ++counts_.given_up;
    return;
  }
  Call& call = calls_[free_.back()];
  free_.pop_back();
  call.state = State::inviting;
  call.acked = false;
  ++call.generation;
  call.user = plan_.first + static_cast<std::uint32_t>(chance_() % plan_.users);
  call.began = now;
  call.resend_after = call.answer_after = kT1;
  send_request(call, now);
}

void Calls::end(Call& call, std::uint64_t& outcome) {
  ++outcome;
  call.state = State::idle;
  free_.push_back(slot_of(call));
}

void Calls::at_caller(std::string_view message, Time now) {
  Call* call = call_of(message);
  const int status = status_of(message);
  if (!call || status == 0) return;
  const bool of_invite = header(message, "CSeq").ends_with("INVITE");
  if (of_invite && status < 200) {
    if (call->state == State::inviting) call->state = State::proceeding;
  } else if (of_invite && status < 300) {
    answered(*call, message, now);
  } else if (of_invite) {
    refused(*call, message, status);
  } else if (call->state == State::ending && status >= 200) {
    end(*call, status < 300 ? counts_.completed : counts_.refused);
  }
}

void Calls::answered(Call& call, std::string_view ok, Time now) {
  const bool first = call.state == State::inviting || call.state == State::proceeding;
  if (first) {
    std::string routes;
    for_each_header(ok, "Record-Route", [&](std::string_view route) {
      routes.insert(0, "Route: " + std::string(route) + "\r\n");  // RFC 3261 12.1.2: in reverse order
    });
    call.dialogue.assign(uri_in(header(ok, "Contact"))).append("\n").append(routes);
    for (std::string_view name : {"From", "To", "Call-ID"})
      call.dialogue.append(name).append(": ").append(header(ok, name)).append("\r\n");
    call.state = State::talking;
    waits_.push_back(std::chrono::duration<float, std::milli>(now - call.began).count());
  }
  caller(call).send(in_dialogue(call, "ACK", "1"));
  if (!first) return;
  if (plan_.hold <= 0) return fire({now, slot_of(call), call.generation, What::hang_up}, now);
  later(call, std::chrono::duration_cast<Clock::duration>(Seconds(plan_.hold)), What::hang_up, now);
}

// RFC 3261 17.1.1.3: this ACK belongs to the INVITE's transaction.
void Calls::refused(Call& call, std::string_view response, int status) {
  begin_text(call, "ACK");
  caller(call).send(add(text_, {"To: ", header(response, "To"), "\r\nContent-Length: 0\r\n\r\n"}));
  if (status == 503) {
    ++counts_.busy;
    counts_.retry_after += !header(response, "Retry-After").empty();
  }
  end(call, counts_.refused);
}

// ---- the callee

void Calls::at_callee(BatchSocket& callee, std::string_view message, Time now) {
  Call* call = call_of(message);
  if (status_of(message) != 0) return;
  if (message.starts_with("BYE ")) {
    callee.send(response_to(message, "200 OK", "") + "Content-Length: 0\r\n\r\n");
  } else if (call && message.starts_with("ACK ")) {
    call->acked = true;
  } else if (call && message.starts_with("INVITE ")) {
    const std::string tag = "b" + std::string(call_id(*call));
    const std::string contact = "Contact: <sip:u@" + callee.at() + ">\r\n";
    callee.send(response_to(message, "180 Ringing", tag) + contact + "Content-Length: 0\r\n\r\n");
    call->answer = response_to(message, "200 OK", tag) + contact + body();
    callee.send(call->answer);
    call->callee = &callee;
    later(*call, kT1, What::resend_answer, now);
  }
}

// ---- time

Calls::Call* Calls::call_of(std::string_view message) {
  std::uint32_t generation = 0, slot = 0;
  if (!two_numbers(header(message, "Call-ID"), generation, slot) || slot >= calls_.size()) return nullptr;
  Call& call = calls_[slot];
  return call.state != State::idle && call.generation == generation ? &call : nullptr;
}

void Calls::later(Call& call, Clock::duration in, What what, Time now) {
  due_.push({now + in, slot_of(call), call.generation, what});
}

void Calls::fire(const Due& due, Time now) {
  Call& call = calls_[due.slot];
  if (call.state == State::idle || call.generation != due.generation) return;
  switch (due.what) {
    case What::hang_up:
      call.state = State::ending;
      call.began = now;
      call.resend_after = kT1;
      return send_request(call, now);
    case What::resend_answer:
      if (call.acked || call.state == State::ending) return;
      call.callee->send(call.answer);
      ++counts_.sent_again;
      call.answer_after = std::min<Clock::duration>(2 * call.answer_after, kT2);
      return later(call, call.answer_after, What::resend_answer, now);
    case What::resend:
      if (call.state == State::talking || due.at != call.resend_at) return;
      if (now - call.began >= kGiveUp) return end(call, counts_.given_up);
      if (call.state != State::proceeding) ++counts_.sent_again;
      return send_request(call, now);
  }
}

// The INVITE or the BYE, unless a provisional response has come (then the timer only watches over the call).
void Calls::send_request(Call& call, Time now) {
  if (call.state != State::proceeding)
    caller(call).send(call.state == State::inviting ? invite(call) : in_dialogue(call, "BYE", "2"));
  call.resend_at = now + call.resend_after;
  later(call, call.resend_after, What::resend, now);
  call.resend_after = 2 * call.resend_after;
  if (call.state == State::ending) call.resend_after = std::min<Clock::duration>(call.resend_after, kT2);
}

void Calls::report(Time now) {
  double all = 0;
  for (float wait : waits_) all += static_cast<double>(wait);
  std::ranges::sort(waits_);
  const auto at = [&](double share) {
    return waits_.empty()
               ? 0.0
               : static_cast<double>(
                     waits_[static_cast<std::size_t>(share * static_cast<double>(waits_.size() - 1))]);
  };
  std::printf(
      "{\"t\": %.3f, \"begun\": %lu, \"completed\": %lu, \"refused\": %lu, \"busy\": %lu, \"retry_after\": "
      "%lu, "
      "\"given_up\": %lu, \"sent_again\": %lu, \"in_progress\": %zu, \"wait_ms\": %.3f, \"p99_wait_ms\": "
      "%.3f, "
      "\"longest_wait_ms\": %.3f}\n",
      Seconds(now - began_).count(), counts_.begun, counts_.completed, counts_.refused, counts_.busy,
      counts_.retry_after, counts_.given_up, counts_.sent_again, calls_.size() - free_.size(),
      waits_.empty() ? 0.0 : all / static_cast<double>(waits_.size()), at(0.99), at(1));
  std::fflush(stdout);
  waits_.clear();
  reported_ = now;
}

void Calls::run(const volatile bool& stop) {
  began_ = reported_ = Clock::now();
  for (Time now = began_; !stop; now = Clock::now()) {
    const double since = Seconds(now - began_).count();
    const std::uint64_t wanted = plan_.due(since);
    while (counts_.begun < wanted) begin(now);
    for (; !due_.empty() && due_.top().at <= now;) {
      const Due due = due_.top();
      due_.pop();
      fire(due, now);
    }
    callers_.flush();
    callees_.flush();
    if (now - reported_ >= Seconds(plan_.every)) report(now);
    if (since >= plan_.seconds() && free_.size() == calls_.size()) break;
    wait({&callers_, &callees_}, now + std::chrono::milliseconds(1));
    now = Clock::now();
    callers_.receive([&](BatchSocket&, std::string_view message) { at_caller(message, now); });
    callees_.receive([&](BatchSocket& at, std::string_view message) { at_callee(at, message, now); });
  }
  report(Clock::now());
}

}  // namespace load
