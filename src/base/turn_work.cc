#include "base/turn_work.h"

namespace causeway::base {

bool TurnWork::post_from_any_thread(Task task) {
  const std::lock_guard lock(mutex_);
  foreign_.push_back(std::move(task));
  return !foreign_waiting_.exchange(true, std::memory_order_release);
}

void TurnWork::take_posted() {
  running_.swap(posted_);
  if (!foreign_waiting_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(mutex_);
  foreign_waiting_.store(false, std::memory_order_relaxed);
  for (Task& task : foreign_) running_.push_back(std::move(task));
  foreign_.clear();
}

std::size_t TurnWork::run_posted() {
  for (Task& task : running_) task();
  const std::size_t count = running_.size();
  running_.clear();
  return count;
}

void TurnWork::forget_hooks(const void* owner) {
  if (!in_hooks_) {
    std::erase_if(hooks_, [owner](const Hook& hook) { return hook.owner == owner; });
    return;
  }
  for (Hook& hook : hooks_) {
    if (hook.owner == owner) hook.owner = nullptr;
  }
}

void TurnWork::run_hooks() {
  in_hooks_ = true;
  for (std::size_t i = 0; i < hooks_.size(); ++i) {
    if (hooks_[i].owner) hooks_[i].run();
  }
  in_hooks_ = false;
  forget_hooks(nullptr);
}

}  // namespace causeway::base
