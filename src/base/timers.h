// The timer wheel: hundreds of thousands of pending SIP timers, O(1) to start and to stop.
//
// Four wheels of 256 slots, one tick a millisecond (RFC 3261's shortest timer is 500 ms; the
// millisecond is for the simulated network). A timer is an intrusive node: whoever owns the state
// embeds the node, so starting a timer allocates nothing and destroying the owner stops it.
//
// Slot s of wheel L holds what is due in one stretch of 256^L ms. When time reaches the stretch, its
// nodes move to finer wheels (a cascade), and from the finest they fire. Time does not walk through
// the ticks: bitmaps name the slots in use, so waking after an hour costs no more than the nodes that
// have become due. A node that is due further away than the wheels reach (49 days) waits in the last
// slot and is placed anew when that comes up.
//
// `Timer` is the comfortable form for cold code: it holds a std::function.
//
// One thread: a wheel belongs to one Loop. A wheel that goes before its nodes stops them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/time.h"

namespace causeway::base {

class Timers;

// A member of a circular list; `next_` is null outside of one.
class TimerLink {
 protected:
  TimerLink() noexcept = default;
  TimerLink(const TimerLink&) = delete;
  TimerLink& operator=(const TimerLink&) = delete;

 private:
  friend class Timers;
  friend class TimerNode;
  TimerLink* next_ = nullptr;
  TimerLink* prev_ = nullptr;
};

// Embed (or derive from) this. Stops itself when destroyed. Not movable: the wheel points at it.
class TimerNode : private TimerLink {
 public:
  using Fire = void (*)(TimerNode& self);

  explicit TimerNode(Fire fire) noexcept : fire_(fire) {}
  ~TimerNode() { stop(); }

  bool pending() const noexcept { return next_ != nullptr; }
  Instant due() const noexcept { return Instant(Duration(due_)); }  // while pending
  void stop() noexcept {
    if (!next_) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    next_ = prev_ = nullptr;
  }

 private:
  friend class Timers;
  std::int64_t due_ = 0;  // milliseconds of the Loop's monotonic clock
  Fire fire_;
};

class Timers {
 public:
  explicit Timers(Instant now) noexcept;
  ~Timers();
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  // Restarts the node if it is pending. The delay counts from now(). A delay of zero fires at the
  // next advance, never in the running one.
  void start(TimerNode& node, Duration delay) noexcept;

  // The time of the earliest pending timer, or none. May be early (never late) by up to the width
  // of the slot it stands in, so that finding it costs a few instructions.
  std::optional<Instant> next_due() const noexcept;

  // Moves now() on without firing: what the Loop does at the start of a turn, so that timers started
  // before the turn's advance() count from the right time. The clock never goes back.
  void set_now(Instant now) noexcept;

  // Fires, in order of time, everything that is due at `now`. A node may start or stop any node,
  // itself included, while it fires, and may be destroyed by it. Returns how many have fired.
  std::size_t advance(Instant now);

  Instant now() const noexcept { return Instant(Duration(now_)); }

 private:
  static constexpr int kLevels = 4;
  static constexpr int kSlots = 256;
  struct List : TimerLink {
    List() noexcept { next_ = prev_ = this; }
    bool empty() const noexcept { return next_ == this; }
  };
  struct Level {
    std::array<List, kSlots> slots;
    // A bit stands for "may hold nodes": stop() does not know its slot and leaves the bit.
    std::array<std::uint64_t, kSlots / 64> used{};
  };
  static void append(List& list, TimerNode& node) noexcept;
  static void take_all(List& from, List& to) noexcept;
  void place(TimerNode& node) noexcept;
  std::int64_t next_event() const noexcept;
  void cascade() noexcept;
  std::size_t fire(List& list);

  mutable std::array<Level, kLevels> levels_;  // mutable: a search clears stale bits
  List immediate_;                             // due already: for the next advance
  std::int64_t now_;
  std::int64_t reached_;  // the wheels stand here: all that was due until then has fired
  bool advancing_ = false;
};

// Cold-code timer: `Timer t(loop.timers(), [this] { refresh(); }); t.start(5s);`
// The function may destroy its Timer as the last thing it does.
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
