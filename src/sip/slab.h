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
#include <utility>
#include <vector>

#include "base/large_memory.h"

namespace causeway::sip {

template <class T>
class Slab {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  Slab() = default;
  ~Slab() {
    for (T* chunk : chunks_) std::destroy_n(chunk, kChunk);
    for (const Region& region : regions_) base::give_large(region.memory, region.size);
  }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

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
  const T& operator[](std::uint32_t index) const noexcept { return chunks_[index / kChunk][index % kChunk]; }
  bool has(std::uint32_t index) const noexcept { return index / kChunk < chunks_.size(); }
  std::size_t in_use() const noexcept { return in_use_; }

 private:
  static constexpr std::uint32_t kChunk = 128;
  static constexpr std::size_t kChunkBytes = kChunk * sizeof(T);
  // The first blocks lie where the heap has them; who has more than half a megabyte will have many.
  static constexpr std::size_t kFew = (base::kHugePage / 4 + kChunkBytes - 1) / kChunkBytes;

  char* chunk_memory() {
    if (left_ < kChunkBytes) {
      left_ = chunks_.size() < kFew ? kChunkBytes : base::kHugePage;
      next_ = static_cast<char*>(base::take_large(left_));
      regions_.push_back({next_, left_});
    }
    left_ -= kChunkBytes;
    return std::exchange(next_, next_ + kChunkBytes);
  }
  void grow() {
    const auto base = static_cast<std::uint32_t>(chunks_.size()) * kChunk;
    T* const chunk = reinterpret_cast<T*>(chunk_memory());
    std::uninitialized_default_construct_n(chunk, kChunk);
    chunks_.push_back(chunk);
    for (std::uint32_t i = kChunk; i-- > 0;) {
      chunk[i].index = base + i;
      chunk[i].next_free = free_;
      free_ = chunk[i].index;
    }
  }

  std::vector<T*> chunks_;
  struct Region {
    void* memory;
    std::size_t size;
  };
  std::vector<Region> regions_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
  std::uint32_t free_ = kNone;
  std::size_t in_use_ = 0;
};

}  // namespace causeway::sip
