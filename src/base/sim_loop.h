// Virtual time: the loop for tests and simulations. A turn takes no time; between turns the clock
// jumps to the next timer, so an hour of retransmissions is over in a millisecond, and the same
// start gives the same run.
//
//   SimLoop loop;
//   Timer t(loop.timers(), [&] { rang = true; });
//   t.start(32s);
//   loop.run_for(31s);                                        // not yet
//   EXPECT_TRUE(loop.run_until([&] { return rang; }, 5s));    // at 32 s exactly
#pragma once

#include <functional>

#include "base/loop.h"
#include "base/turn_work.h"

namespace causeway::base {

class SimLoop final : public Loop {
 public:
  // 2026-01-01 00:00:00 UTC. The monotonic clock starts away from zero, as a machine's does.
  static constexpr UnixMs kUnixStart = 1'767'225'600'000;
  static constexpr Instant kStart{Duration{1'000'000}};

  explicit SimLoop(Instant start = kStart, UnixMs unix_start = kUnixStart)
      : Loop(start), now_(start), unix_offset_(unix_start - start.time_since_epoch().count()) {}

  Instant now() const override { return now_; }
  UnixMs unix_now() const override { return now_.time_since_epoch().count() + unix_offset_; }

  void post(Task task) override { work_.post(std::move(task)); }
  void post_from_any_thread(Task task) override { work_.post_from_any_thread(std::move(task)); }
  std::uint64_t lock_waits() const override { return work_.lock_waits(); }
  void at_end_of_turn(const void* owner, Task hook) override { work_.add_hook(owner, std::move(hook)); }
  void forget_end_of_turn(const void* owner) override { work_.forget_hooks(owner); }

  // There are no descriptors in virtual time: ends the program.
  std::unique_ptr<Watch> watch(int fd) override;

  // Until stop(), or until nothing is left that could ever happen.
  void run() override;
  // Everything that is due within `span`; then the clock stands at its end (unless stopped).
  void run_for(Duration span) override;
  // Turns until `done` holds; it is asked first and after every turn. False, with the clock at
  // the limit, if it did not come to hold within `limit`.
  bool run_until(const std::function<bool()>& done, Duration limit);
  void stop() override { stopped_ = true; }

  // The wall clock alone jumps: an administrator, or NTP, sets it.
  void set_unix(UnixMs now) { unix_offset_ = now - now_.time_since_epoch().count(); }

 private:
  void begin();
  bool turn(Instant end);
  Instant now_;
  UnixMs unix_offset_;
  TurnWork work_;
  bool stopped_ = false;
  std::uint32_t turns_without_time_ = 0;
};

}  // namespace causeway::base
