// A mutex that counts how often it was found taken. Workers share little; what they wait for each other over
// it is what more of them cost, and an operator can see it (`causeway status --counters`,
// worker_lock_waits_total).
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

namespace causeway::base {

class CountedMutex {
 public:
  void lock() {
    if (mutex_.try_lock()) return;
    waits_.fetch_add(1, std::memory_order_relaxed);
    mutex_.lock();
  }
  bool try_lock() { return mutex_.try_lock(); }
  void unlock() { mutex_.unlock(); }

  // Any thread.
  std::uint64_t waits() const noexcept { return waits_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  std::atomic<std::uint64_t> waits_ = 0;
};

}  // namespace causeway::base
