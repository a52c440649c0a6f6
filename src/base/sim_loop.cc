#include "base/sim_loop.h"

#include <utility>

#include "base/fatal.h"

namespace causeway::base {
namespace {

// A timer or task that restarts itself with no delay would hold virtual time still for ever.
constexpr std::uint32_t kMostTurnsAtOneInstant = 100'000;

}  // namespace

std::unique_ptr<Loop::Watch> SimLoop::watch(int) {
  fatal("a descriptor cannot be watched in the simulated loop; use the simulated network");
}

// One turn at the next moment at which there is something to do; false if that is after `end`.
bool SimLoop::turn(Instant end) {
  if (!work_.has_posted()) {
    const std::optional<Instant> due = timers_.next_due();
    if (!due || *due > end) return false;
    if (*due > now_) {
      now_ = *due;
      turns_without_time_ = 0;
    }
  }
  if (++turns_without_time_ > kMostTurnsAtOneInstant) {
    fatal("100,000 turns of the simulated loop at one instant: something restarts itself at once");
  }
  work_.take_posted();
  const std::size_t fired = timers_.advance(now_);
  if (fired + work_.run_posted() > 0) work_.run_hooks();
  return true;
}

// What was queued for the end of a turn before the run began.
void SimLoop::begin() {
  turns_without_time_ = 0;
  work_.run_hooks();
}

void SimLoop::run() {
  begin();
  while (!stopped_ && turn(Instant::max())) {
  }
  stopped_ = false;
}

void SimLoop::run_for(Duration span) {
  run_until([] { return false; }, span);
}

bool SimLoop::run_until(const std::function<bool()>& done, Duration limit) {
  const Instant end = now_ + limit;
  begin();
  bool held = done();
  while (!held && !stopped_ && turn(end)) held = done();
  if (!held && !stopped_) {
    if (end > now_) {
      now_ = end;
      turns_without_time_ = 0;
    }
    timers_.advance(now_);
  }
  stopped_ = false;
  return held;
}

}  // namespace causeway::base
