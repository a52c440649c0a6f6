// The event loop: the one place where time passes and where the program waits.
//
// A turn of the loop: wait until a descriptor is ready or a timer is due; read the clocks once; run
// what is ready (descriptors, timers, tasks posted before this turn); run the end-of-turn hooks
// (sockets send what the turn has queued, in one sendmmsg). Everything that one worker does happens in turns
// of its own loop, on one thread, so there are no locks but that of what other threads post.
//
// Two implementations: `epoll_loop.h` (for real) and `sim_loop.h` (virtual
// time, for tests: a turn is instantaneous and time jumps to the next timer).
#pragma once

#include <functional>
#include <memory>

#include "base/time.h"
#include "base/timers.h"

namespace causeway::base {

using Task = std::function<void()>;

// What a descriptor is watched for. The handler runs while the descriptor is ready.
enum class Ready { read, write };

class Loop {
 public:
  virtual ~Loop() = default;

  // Both clocks as of the start of this turn.
  virtual Instant now() const = 0;
  virtual UnixMs unix_now() const = 0;

  Timers& timers() { return timers_; }

  // Runs `task` in the next turn. Same thread only.
  virtual void post(Task task) = 0;

  // The same, from any thread; wakes the loop.
  virtual void post_from_any_thread(Task task) = 0;

  // How often other threads and this one have waited for each other there. Any thread.
  virtual std::uint64_t lock_waits() const = 0;

  // Runs `hook` at the end of every turn that did something (and when a run begins, for what was
  // queued before it), until `owner` is taken out again.
  virtual void at_end_of_turn(const void* owner, Task hook) = 0;
  virtual void forget_end_of_turn(const void* owner) = 0;

  // Calls `handler` once when `fd` is ready; call again to go on waiting. Destroying the returned
  // watch (or calling cancel) ends it; the handler is then never called. The descriptor stays the
  // caller's and must outlive the watch. Not available in the simulated loop.
  class Watch {
   public:
    virtual ~Watch() = default;
    virtual void wait(Ready what, Task handler) = 0;
    virtual void cancel() = 0;
  };
  virtual std::unique_ptr<Watch> watch(int fd) = 0;

  // Runs turns until stop(), or if that was called already, not at all. `run_for` is for tests.
  virtual void run() = 0;
  virtual void run_for(Duration span) = 0;
  virtual void stop() = 0;

 protected:
  explicit Loop(Instant now) : timers_(now) {}
  Timers timers_;
};

}  // namespace causeway::base
