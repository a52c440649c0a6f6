// What a loop does in a turn besides waiting: posted tasks and end-of-turn hooks. Shared by the
// real and the simulated loop, so that both keep the same order.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <vector>

#include "base/counted_mutex.h"
#include "base/loop.h"

namespace causeway::base {

class TurnWork {
 public:
  void post(Task task) { posted_.push_back(std::move(task)); }
  // Any thread. Whether the loop must be woken: false while an earlier task still waits to be taken.
  bool post_from_any_thread(Task task);

  // How often the loop and other threads have met at what they post.
  std::uint64_t lock_waits() const { return mutex_.waits(); }

  // At the start of a turn: what has been posted until now is this turn's, the rest the next one's.
  void take_posted();
  // Whether a turn has tasks to run without waiting for anything.
  bool has_posted() const { return !posted_.empty() || foreign_waiting_.load(std::memory_order_acquire); }
  // Runs what take_posted() took; says how many.
  std::size_t run_posted();

  void add_hook(const void* owner, Task hook) { hooks_.push_back({owner, std::move(hook)}); }
  void forget_hooks(const void* owner);
  void run_hooks();

 private:
  struct Hook {
    const void* owner;  // null: forgotten while the hooks ran
    Task run;
  };
  std::vector<Task> posted_;
  std::vector<Task> running_;
  std::deque<Hook> hooks_;  // a deque: a hook may add hooks while it runs
  bool in_hooks_ = false;

  CountedMutex mutex_;
  std::vector<Task> foreign_;  // guarded by mutex_
  std::atomic<bool> foreign_waiting_ = false;
};

}  // namespace causeway::base
