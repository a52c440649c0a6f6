// Blocks of one type with stable addresses and small numbers: chunks that are never given back, and
// a free list, last in first out, so that the block used next is still in the cache.
//
// T has two public members for the slab: `std::uint32_t index` (set once) and `std::uint32_t next_free`.
// A block is constructed once, with its chunk; whoever takes it puts it in order, whoever gives it back
// releases what it holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace causeway::sip {

template <class T>
class Slab {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  T& take() {
    if (free_ == kNone) grow();
    T& block = (*this)[free_];
    free_ = block.next_free;
    block.next_free = kNone;
    ++in_use_;
    return block;
  }
  void give_back(T& block) noexcept {
    block.next_free = free_;
    free_ = block.index;
    --in_use_;
  }

  T& operator[](std::uint32_t index) noexcept { return chunks_[index / kChunk][index % kChunk]; }
  bool has(std::uint32_t index) const noexcept { return index / kChunk < chunks_.size(); }
  std::size_t in_use() const noexcept { return in_use_; }

 private:
  static constexpr std::uint32_t kChunk = 128;
  void grow() {
    const auto base = static_cast<std::uint32_t>(chunks_.size()) * kChunk;
    chunks_.push_back(std::make_unique<T[]>(kChunk));
    for (std::uint32_t i = kChunk; i-- > 0;) {
      T& block = chunks_.back()[i];
      block.index = base + i;
      block.next_free = free_;
      free_ = block.index;
    }
  }
  std::vector<std::unique_ptr<T[]>> chunks_;
  std::uint32_t free_ = kNone;
  std::size_t in_use_ = 0;
};

}  // namespace causeway::sip
