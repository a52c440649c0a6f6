// Memory for what many thousands of small things lie in: tables and pools. From 2 MB on it is asked for in
// whole huge pages (madvise), so that a walk through a hundred megabytes of transactions does not begin with
// a miss in the processor's address cache at every step. Below, it is the heap, so that a small peer stays
// small.
#pragma once

#include <cstddef>

namespace causeway::base {

inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Never null (std::bad_alloc), not initialised, aligned for anything. Any thread.
void* take_large(std::size_t bytes);
// `bytes` as they were asked for.
void give_large(void* memory, std::size_t bytes) noexcept;
// Bytes in huge pages, of all threads: what malloc's own figures do not contain.
std::size_t large_in_use() noexcept;

// For std::vector.
template <class T>
struct LargeAllocator {
  using value_type = T;
  LargeAllocator() = default;
  template <class U>
  LargeAllocator(const LargeAllocator<U>&) noexcept {}
  T* allocate(std::size_t n) { return static_cast<T*>(take_large(n * sizeof(T))); }
  void deallocate(T* memory, std::size_t n) noexcept { give_large(memory, n * sizeof(T)); }
  friend bool operator==(LargeAllocator, LargeAllocator) noexcept { return true; }
};

}  // namespace causeway::base
