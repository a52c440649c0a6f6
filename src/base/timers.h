// The timer wheel: hundreds of thousands of pending SIP timers, O(1) to start and to stop.
//
// Four wheels of 256 slots, one tick a millisecond (RFC 3261's shortest timer is 500 ms; the
// millisecond is for the simulated network). A timer is an intrusive node: whoever owns the state
// embeds the node, so starting a timer allocates nothing and destroying the owner stops it.
//
// `Timer` is the comfortable form for cold code: it holds a std::function.
//
// One thread: a wheel belongs to one Loop.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/time.h"

namespace causeway::base {

class Timers;

// Embed (or derive from) this. Stops itself when destroyed. Not movable: the wheel points at it.
class TimerNode {
 public:
  using Fire = void (*)(TimerNode& self);

  explicit TimerNode(Fire fire) noexcept : fire_(fire) {}
  ~TimerNode() { stop(); }
  TimerNode(const TimerNode&) = delete;
  TimerNode& operator=(const TimerNode&) = delete;

  bool pending() const noexcept { return next_ != nullptr; }
  void stop() noexcept;

 private:
  friend class Timers;
  TimerNode* next_ = nullptr;
  TimerNode* prev_ = nullptr;
  std::int64_t due_ = 0;  // milliseconds of the Loop's monotonic clock
  Fire fire_;
};

class Timers {
 public:
  explicit Timers(Instant now) noexcept;
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  // Restarts the node if it is pending. A delay of zero fires at the next advance.
  void start(TimerNode& node, Duration delay) noexcept;

  // The time of the earliest pending timer, or none. May be early (never late) by up to the width
  // of the slot it stands in, so that finding it costs a few instructions.
  std::optional<Instant> next_due() const noexcept;

  // Fires, in order of time, everything that is due at `now`. A node may start or stop any node,
  // itself included, while it fires.
  void advance(Instant now);

  Instant now() const noexcept { return Instant(Duration(now_)); }

 private:
  static constexpr int kLevels = 4;
  static constexpr int kSlots = 256;
  struct Level {
    std::array<TimerNode*, kSlots> head{};
    std::array<std::uint64_t, kSlots / 64> used{};
  };
  void place(TimerNode& node) noexcept;
  void cascade(int level);
  std::array<Level, kLevels> levels_;
  std::int64_t now_;
};

// Cold-code timer: `Timer t(loop.timers(), [this] { refresh(); }); t.start(5s);`
class Timer : private TimerNode {
 public:
  Timer(Timers& timers, std::function<void()> on_fire)
      : TimerNode(&Timer::fire), timers_(timers), on_fire_(std::move(on_fire)) {}

  void start(Duration delay) { timers_.start(*this, delay); }
  using TimerNode::pending;
  using TimerNode::stop;

 private:
  static void fire(TimerNode& self) { static_cast<Timer&>(self).on_fire_(); }
  Timers& timers_;
  std::function<void()> on_fire_;
};

}  // namespace causeway::base
