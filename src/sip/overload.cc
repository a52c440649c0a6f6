#include "sip/overload.h"

#include "base/log.h"

namespace causeway::sip {

namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kLog = "sip";

int percent(std::uint64_t part, std::uint64_t rest) {
  return part + rest == 0 ? 100 : static_cast<int>(100 * part / (part + rest));
}

}  // namespace

Overload::Overload(base::Loop& loop, base::Metrics& metrics)
    : loop_(loop),
      window_(loop.timers(), [this] { on_window(); }),
      times_(metrics.counter("sip_overload_total", "times that overload has begun")),
      admitted_(metrics.counter("sip_overload_admitted_total", "new requests taken during overload")),
      refused_(
          metrics.counter("sip_overload_refused_total", "new requests answered 503 because of overload")),
      dropped_(metrics.counter("sip_overload_dropped_total",
                               "new requests left without an answer: more than can be answered")) {}

void Overload::set_target(base::Duration target) {
  target_ = target > base::Duration::zero() ? target : std::chrono::microseconds::max() / limits::kLaterStage;
}

void Overload::on_late() {
  last_late_ = loop_.now();
  if (on_ || watching_) return;
  watching_ = true;
  window_began_ = loop_.now();
  window_.start(limits::kOverloadWindow);
}

void Overload::calm_down() {
  watching_ = false;
  window_.stop();
}

void Overload::on_window() {
  if (!on_) {
    watching_ = false;
    // One that was late, and then nothing, was a pause.
    if (last_late_ - window_began_ < limits::kOverloadWindow / 2) return;
    return begin();
  }
  answered_ = 0;
  if (++windows_ % limits::kOverloadShareWindows == 0) note_share();
  if (loop_.now() - last_late_ >= limits::kOverloadCalm) return end();
  window_.start(limits::kOverloadWindow);
}

void Overload::begin() {
  on_ = true;
  began_ = loop_.now();
  answered_ = 0;
  windows_ = 0;
  since_begin_ = since_share_ = {};
  ++times_;
  window_.start(limits::kOverloadWindow);
  const bool rare = times_.value == 1 || began_ - last_logged_ >= limits::kOverloadLogPause;
  if (!rare) return;
  last_logged_ = began_;
  base::log::warn(
      kLog,
      "overload: what is read has waited for {} ms (overload.target is {}). New calls are refused with 503 "
      "as far as needed; calls in progress and registrations go on",
      duration_cast<milliseconds>(waited_).count(),
      base::format_duration(duration_cast<milliseconds>(target_)));
}

void Overload::end() {
  on_ = false;
  note_share();
  admitted_percent_ = 100;
  if (last_logged_ != began_) return;
  base::log::warn(kLog, "overload is over after {} s: of {} new requests {} were taken",
                  duration_cast<seconds>(loop_.now() - began_).count(),
                  since_begin_.admitted + since_begin_.refused, since_begin_.admitted);
}

void Overload::on_refused(bool told) {
  ++since_share_.refused;
  answered_ += told;
  ++(told ? refused_ : dropped_);
}

void Overload::on_admitted() {
  ++since_share_.admitted;
  ++admitted_;
}

void Overload::note_share() {
  admitted_percent_ = percent(since_share_.admitted, since_share_.refused);
  since_begin_.admitted += since_share_.admitted;
  since_begin_.refused += since_share_.refused;
  since_share_ = {};
}

OverloadState Overload::state() const {
  return {on_, on_ ? loop_.now() - began_ : base::Duration{}, waited_, admitted_percent_};
}

}  // namespace causeway::sip
