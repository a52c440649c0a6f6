// A flat hash table from a 64-bit hash to a block number: open addressing, linear probing, deletion by
// shifting back (no tombstones). Keys live in the blocks; the caller's predicate compares them. A slot keeps
// the lower half of the hash, which tells all but a few of those apart that meet in one place.
// Grows at half load; never shrinks.
#pragma once

#include <cstdint>
#include <vector>

#include "base/large_memory.h"

namespace causeway::sip {

class FlatIndex {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  FlatIndex() : slots_(1024) {}

  // The block with this hash for which same(block) holds, or kNone.
  template <class Same>
  std::uint32_t find(std::uint64_t hash, Same&& same) const {
    const auto low = static_cast<std::uint32_t>(hash);
    for (std::size_t at = home(low); slots_[at].block != kNone; at = next(at))
      if (slots_[at].hash == low && same(slots_[at].block)) return slots_[at].block;
    return kNone;
  }

  // Where this hash would be found is fetched from memory, while something else is done.
  void prefetch(std::uint64_t hash) const {
    __builtin_prefetch(&slots_[home(static_cast<std::uint32_t>(hash))]);
  }

  void insert(std::uint64_t hash, std::uint32_t block) {
    if (2 * ++count_ > slots_.size()) grow();
    place({static_cast<std::uint32_t>(hash), block});
  }

  // One entry, if there are several of this hash and block.
  void erase(std::uint64_t hash, std::uint32_t block) {
    const auto low = static_cast<std::uint32_t>(hash);
    std::size_t hole = home(low);
    while (slots_[hole].block != block || slots_[hole].hash != low) {
      if (slots_[hole].block == kNone) return;
      hole = next(hole);
    }
    --count_;
    for (std::size_t at = next(hole); slots_[at].block != kNone; at = next(at)) {
      // May the entry at `at` move to the hole? Only if its home is not between them.
      const std::size_t wanted = home(slots_[at].hash);
      if (((at - wanted) & (slots_.size() - 1)) < ((at - hole) & (slots_.size() - 1))) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole].block = kNone;
  }

  std::size_t size() const { return count_; }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t block = kNone;
  };
  using Slots = std::vector<Slot, base::LargeAllocator<Slot>>;
  std::size_t home(std::uint32_t hash) const { return hash & (slots_.size() - 1); }
  std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }
  void place(const Slot& slot) {
    std::size_t at = home(slot.hash);
    while (slots_[at].block != kNone) at = next(at);
    slots_[at] = slot;
  }
  void grow() {
    Slots old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.block != kNone) place(slot);
  }
  Slots slots_;
  std::size_t count_ = 0;
};

}  // namespace causeway::sip
