// Where other threads leave things for one loop, in batches: all that a thread has for it in one turn costs
// one lock, and a wake only if the box was empty.
//
//   Mailbox<Batch> box(loop, [&](Batch& batch) { ... });   the taker, on the loop's thread, in a turn of its
//   own box.leave(batch);                                       any thread
//
// A Batch has empty(), clear() (keeps its room), bytes(), append(Batch&) and std::swap. Batches go round
// between those who leave, the box and the taker, so in steady state nothing is allocated.
//
// The box must go before its loop, outside of the loop's turns, and after the last leave().
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <utility>

#include "base/counted_mutex.h"
#include "base/loop.h"

namespace causeway::base {

template <class Batch>
class Mailbox {
 public:
  using Take = std::function<void(Batch&)>;

  // `most`: bytes that wait at most; what comes on top is refused.
  Mailbox(Loop& loop, std::size_t most, Take take) : loop_(loop), most_(most), take_(std::move(take)) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // The batch is empty afterwards, whatever became of what was in it. False: refused, the taker does not keep
  // up.
  bool leave(Batch& batch) {
    bool was_empty, room;
    {
      const std::lock_guard lock(mutex_);
      was_empty = waiting_.empty();
      room = was_empty || waiting_.bytes() + batch.bytes() <= most_;
      if (was_empty)
        std::swap(waiting_, batch);
      else if (room)
        waiting_.append(batch);
    }
    batch.clear();
    if (was_empty) loop_.post_from_any_thread([this] { open(); });
    return room;
  }

  // How often two have met at the box.
  std::uint64_t waits() const { return mutex_.waits(); }

 private:
  void open() {
    {
      const std::lock_guard lock(mutex_);
      std::swap(waiting_, taken_);
    }
    if (taken_.empty()) return;  // an earlier turn has taken it
    take_(taken_);
    taken_.clear();
  }

  Loop& loop_;
  const std::size_t most_;
  Take take_;
  CountedMutex mutex_;
  Batch waiting_;  // guarded by mutex_
  Batch taken_;    // the loop's
};

}  // namespace causeway::base
