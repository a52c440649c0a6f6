#include "registrations.h"

#include "text.h"

namespace load {

Registrations::Registrations(RegistrationPlan plan, Sockets& phones)
    : plan_(std::move(plan)), phones_(phones), answered_(plan_.users), postponed_(plan_.users) {}

std::string Registrations::request(std::uint32_t index) const {
  const std::uint32_t number = plan_.first + index;
  const std::string user = "u" + std::to_string(number), at = phones_.of(number).local().text();
  const std::string call = std::to_string(index) + ".0." + run_id(),
                    attempt = std::to_string(1 + postponed_[index]);
  return "REGISTER sip:" + plan_.domain + " SIP/2.0\r\n" +                                  //
         "Via: SIP/2.0/UDP " + at + ";branch=z9hG4bK-r-" + attempt + "-" + call + "\r\n" +  //
         "From: <sip:" + user + "@" + plan_.domain + ">;tag=" + user + "\r\n" + "To: <sip:" + user + "@" +
         plan_.domain + ">\r\n" +                        //
         "Call-ID: " + call + "@" + at + "\r\n" +        //
         "CSeq: " + attempt + " REGISTER\r\n" +          //
         "Contact: <sip:" + user + "@" + at + ">\r\n" +  //
         "Expires: 3600\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
}

void Registrations::send(std::uint32_t index) { phones_.of(plan_.first + index).send(request(index)); }

void Registrations::send_new(Time now) {
  const double due = plan_.rate > 0 ? Seconds(now - began_).count() * plan_.rate : plan_.users;
  for (; next_ < plan_.users && open_ < plan_.window && next_ < due; ++next_, ++open_) {
    send(next_);
    under_way_.push_back({next_, now});
  }
}

void Registrations::send_again(Time now) {
  while (!under_way_.empty() && (answered_[under_way_.front().index] || now - under_way_.front().at >= kT1)) {
    const std::uint32_t index = under_way_.front().index;
    under_way_.pop_front();
    if (answered_[index]) continue;
    send(index);
    under_way_.push_back({index, now});
    ++result_.sent_again;
  }
}

void Registrations::send_postponed(Time now) {
  std::erase_if(waiting_, [&](const Sent& one) {
    if (one.at > now) return false;
    ++open_;
    send(one.index);
    under_way_.push_back({one.index, now});
    return true;
  });
}

void Registrations::take(std::string_view message, Time now) {
  std::uint32_t index = 0, none = 0;
  const int status = status_of(message);
  if (status < 200 || !two_numbers(header(message, "Call-ID"), index, none)) return;
  if (index >= answered_.size() || answered_[index]) return;
  int seconds = 0;
  const auto retry_after = header(message, "Retry-After");
  std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), seconds);
  if (status == 503 && seconds > 0) {
    if (!header(message, "CSeq").starts_with(std::to_string(1 + postponed_[index]) + " ")) return;
    std::erase_if(under_way_, [index](const Sent& one) { return one.index == index; });
    waiting_.push_back({index, now + std::chrono::seconds(seconds)});
    ++postponed_[index];
    ++result_.postponed;
    --open_;
    return;
  }
  answered_[index] = true;
  --open_;
  ++(status < 300 ? result_.accepted : result_.refused);
}

RegistrationResult Registrations::run() {
  began_ = Clock::now();
  Time heard = began_;
  while (result_.accepted + result_.refused < plan_.users) {
    const Time now = Clock::now();
    if (now - heard > kGiveUp) break;
    send_again(now);
    send_postponed(now);
    send_new(now);
    phones_.flush();
    wait({&phones_}, now + std::chrono::milliseconds(plan_.rate > 0 ? 1 : 20));
    phones_.receive([&](BatchSocket&, std::string_view message) {
      take(message, now);
      heard = now;
    });
  }
  result_.seconds = Seconds(Clock::now() - began_).count();
  return result_;
}

}  // namespace load
