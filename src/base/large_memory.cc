#include "base/large_memory.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace causeway::base {
namespace {

std::atomic<std::size_t> in_use = 0;

std::size_t whole_pages(std::size_t bytes) { return (bytes + kHugePage - 1) / kHugePage * kHugePage; }

}  // namespace

void* take_large(std::size_t bytes) {
  if (bytes < kHugePage) {
    if (void* memory = std::malloc(bytes)) return memory;
    throw std::bad_alloc();
  }
  // The kernel aligns to its small pages, so a huge page more is asked for and what sticks out given back.
  const std::size_t size = whole_pages(bytes);
  void* const mapped =
      ::mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  char* const begin = static_cast<char*>(mapped);
  const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(begin) % kHugePage) % kHugePage;
  if (before > 0) ::munmap(begin, before);
  if (before < kHugePage) ::munmap(begin + before + size, kHugePage - before);
  ::madvise(begin + before, size, MADV_HUGEPAGE);  // a wish: where the kernel has none, small pages do
  in_use.fetch_add(size, std::memory_order_relaxed);
  return begin + before;
}

void give_large(void* memory, std::size_t bytes) noexcept {
  if (bytes < kHugePage) return std::free(memory);
  const std::size_t size = whole_pages(bytes);
  ::munmap(memory, size);
  in_use.fetch_sub(size, std::memory_order_relaxed);
}

std::size_t large_in_use() noexcept { return in_use.load(std::memory_order_relaxed); }

}  // namespace causeway::base
