#include "ua/session_timer.h"

#include <algorithm>

#include <fmt/format.h>

#include "sip/headers.h"
#include "ua/limits.h"

namespace causeway::ua {

namespace {

using namespace std::chrono_literals;

std::string seconds(base::Duration span) { return std::to_string(span / 1s); }

// A number of seconds in front of parameters.
std::optional<base::Duration> interval_in(std::string_view value) {
  auto number = sip::parse_delta_seconds(value.substr(0, value.find(';')));
  if (!number) return std::nullopt;
  return std::chrono::seconds(*number);
}

std::optional<std::string_view> session_expires(const sip::Message& message) {
  const auto* field = message.find("Session-Expires");
  if (!field) field = message.find("x");
  if (!field) return std::nullopt;
  return message.value(*field);
}

std::string_view refresher(std::string_view value) {
  const auto params = value.find(';');
  if (params == value.npos) return {};
  return sip::Params{value.substr(params)}.get("refresher").value_or(std::string_view{});
}

}  // namespace

SessionTimer::SessionTimer(base::Loop& loop, base::Duration wanted, std::function<void()> refresh,
                           std::function<void()> expired)
    : wanted_(wanted),
      least_(std::min(limits::kMinSessionExpires, wanted)),
      refresh_(std::move(refresh)),
      expired_(std::move(expired)),
      timer_(loop.timers(), [this] { we_refresh_ ? refresh_() : expired_(); }) {}

// 7.4: within a session whose timer runs, the one who refreshes goes on doing so.
SessionTimer::Lines SessionTimer::in_request() const {
  std::string value = seconds(wanted_);
  if (in_force_) value += we_refresh_ ? ";refresher=uac" : ";refresher=uas";
  return {{"Session-Expires", value}, {"Min-SE", seconds(least_)}};
}

bool SessionTimer::take_422(const sip::Message& response) {
  const auto* field = response.find("Min-SE");
  const auto least = field ? interval_in(response.value(*field)) : std::nullopt;
  if (!least || *least <= wanted_) return false;
  wanted_ = least_ = *least;
  return true;
}

void SessionTimer::take_response(const sip::Message& response) {
  const auto value = session_expires(response);
  const auto interval = value ? interval_in(*value) : std::nullopt;
  if (!interval) {
    in_force_ = false;
    return timer_.stop();
  }
  // 422 is for us to say, not for the other side to ignore: no refreshing in a frenzy.
  run(std::max(*interval, limits::kMinSessionExpires), !sip::same_text(refresher(*value), "uas"));
}

std::optional<std::string> SessionTimer::too_short(const sip::Message& request) {
  const auto value = session_expires(request);
  const auto interval = value ? interval_in(*value) : std::nullopt;
  if (!interval || *interval >= limits::kMinSessionExpires) return std::nullopt;
  return seconds(limits::kMinSessionExpires);
}

// 9: who calls refreshes, if he can and does not want otherwise. Who does not know timers cannot.
SessionTimer::Lines SessionTimer::take_request(const sip::Message& request) {
  const bool supported = sip::has_token(request, sip::HeaderName::supported, "timer");
  const auto value = session_expires(request);
  auto interval = value ? interval_in(*value) : std::nullopt;
  if (!interval && !supported) {
    in_force_ = false;
    timer_.stop();
    return {};
  }
  const auto* field = request.find("Min-SE");
  const auto least = field ? interval_in(request.value(*field)) : std::nullopt;
  if (!interval) interval = std::max(wanted_, least.value_or(0s));
  const bool ours = !supported || (value && sip::same_text(refresher(*value), "uas"));
  run(*interval, ours);
  Lines lines{{"Session-Expires", fmt::format("{};refresher={}", seconds(*interval), ours ? "uas" : "uac")}};
  if (!ours) lines.emplace_back("Require", "timer");
  return lines;
}

void SessionTimer::run(base::Duration interval, bool we_refresh) {
  in_force_ = true;
  we_refresh_ = we_refresh;
  const auto margin = std::min<base::Duration>(32s, interval / 3);  // 10
  timer_.start(we_refresh ? interval / 2 : interval - margin);
}

}  // namespace causeway::ua
