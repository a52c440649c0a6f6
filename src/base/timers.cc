#include "base/timers.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/fatal.h"

namespace causeway::base {
namespace {

constexpr int kBits = 8;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kReach = std::int64_t{1} << 32;         // 256^4 ms, 49 days
constexpr std::int64_t kLongestDelay = std::int64_t{1} << 50;  // keeps sums away from overflow

// The first index with a set bit at or after `from`, going round; -1 without any.
template <std::size_t Words>
int next_set(const std::array<std::uint64_t, Words>& bits, int from) noexcept {
  for (std::size_t i = 0; i <= Words; ++i) {
    const std::size_t word = (static_cast<std::size_t>(from) / 64 + i) % Words;
    std::uint64_t value = bits[word];
    if (i == 0) value &= ~std::uint64_t{0} << (from % 64);
    if (value) return static_cast<int>(word * 64) + std::countr_zero(value);
  }
  return -1;
}

}  // namespace

Timers::Timers(Instant now) noexcept : now_(now.time_since_epoch().count()), reached_(now_) {}

Timers::~Timers() {
  const auto stop_all = [](List& list) {
    while (!list.empty()) static_cast<TimerNode*>(list.next_)->stop();
  };
  for (Level& level : levels_) std::ranges::for_each(level.slots, stop_all);
  stop_all(immediate_);
}

void Timers::append(List& list, TimerNode& node) noexcept {
  node.next_ = &list;
  node.prev_ = list.prev_;
  list.prev_->next_ = &node;
  list.prev_ = &node;
}

void Timers::take_all(List& from, List& to) noexcept {
  if (from.empty()) return;
  to.next_ = from.next_;
  to.prev_ = from.prev_;
  to.next_->prev_ = to.prev_->next_ = &to;
  from.next_ = from.prev_ = &from;
}

void Timers::start(TimerNode& node, Duration delay) noexcept {
  node.stop();
  node.due_ = now_ + std::clamp<std::int64_t>(delay.count(), 0, kLongestDelay);
  if (node.due_ <= now_ && (advancing_ || node.due_ <= reached_)) {
    append(immediate_, node);
  } else {
    place(node);
  }
}

// Into the finest wheel that reaches the node's time from where the wheels stand.
void Timers::place(TimerNode& node) noexcept {
  const std::int64_t distance = node.due_ - reached_;
  const std::int64_t due = distance < kReach ? node.due_ : reached_ + kReach - 1;
  int level = 0;
  while (level < kLevels - 1 && distance >= std::int64_t{1} << (kBits * (level + 1))) ++level;
  const auto slot = static_cast<std::size_t>(due >> (kBits * level)) % kSlots;
  Level& to = levels_[static_cast<std::size_t>(level)];
  append(to.slots[slot], node);
  to.used[slot / 64] |= std::uint64_t{1} << (slot % 64);
}

// When the next slot in use comes up; kNever without any.
std::int64_t Timers::next_event() const noexcept {
  std::int64_t earliest = kNever;
  for (int l = 0; l < kLevels; ++l) {
    Level& level = levels_[static_cast<std::size_t>(l)];
    const std::int64_t at = reached_ >> (kBits * l);
    const int from = static_cast<int>((at + 1) % kSlots);
    for (int slot; (slot = next_set(level.used, from)) >= 0;) {
      const auto s = static_cast<std::size_t>(slot);
      if (!level.slots[s].empty()) {
        const std::int64_t ahead = 1 + (slot - from + kSlots) % kSlots;
        earliest = std::min(earliest, (at + ahead) << (kBits * l));
        break;
      }
      level.used[s / 64] &= ~(std::uint64_t{1} << (s % 64));
    }
  }
  return earliest;
}

std::optional<Instant> Timers::next_due() const noexcept {
  if (!immediate_.empty()) return now();
  const std::int64_t event = next_event();
  if (event == kNever) return std::nullopt;
  return Instant(Duration(event));
}

void Timers::set_now(Instant now) noexcept { now_ = std::max(now_, now.time_since_epoch().count()); }

// Moves the nodes of every slot whose stretch begins where the wheels stand, coarse ones first,
// since they may land in the next finer slot that begins here too.
void Timers::cascade() noexcept {
  for (int l = kLevels - 1; l > 0; --l) {
    const std::int64_t width = std::int64_t{1} << (kBits * l);
    if (reached_ % width != 0) continue;
    List moving;
    take_all(levels_[static_cast<std::size_t>(l)]
                 .slots[static_cast<std::size_t>(reached_ >> (kBits * l)) % kSlots],
             moving);
    while (!moving.empty()) {
      auto& node = *static_cast<TimerNode*>(moving.next_);
      node.stop();
      place(node);
    }
  }
}

std::size_t Timers::fire(List& list) {
  std::size_t fired = 0;
  for (; !list.empty(); ++fired) {
    auto& node = *static_cast<TimerNode*>(list.next_);
    node.stop();
    node.fire_(node);
  }
  return fired;
}

std::size_t Timers::advance(Instant now) {
  if (advancing_) fatal("Timers::advance: called by a timer that fires");
  set_now(now);
  advancing_ = true;
  List due;
  take_all(immediate_, due);
  std::size_t fired = fire(due);
  for (std::int64_t event; (event = next_event()) <= now_;) {
    reached_ = event;
    cascade();
    take_all(levels_[0].slots[static_cast<std::size_t>(reached_) % kSlots], due);
    fired += fire(due);
  }
  reached_ = now_;
  advancing_ = false;
  return fired;
}

}  // namespace causeway::base
