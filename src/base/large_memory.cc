#include "base/large_memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace causeway::base {

void* take_large(std::size_t bytes) {
  if (bytes < kHugePage) {
    if (void* memory = std::malloc(bytes)) return memory;
    throw std::bad_alloc();
  }
  const std::size_t whole = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* memory = std::aligned_alloc(kHugePage, whole);
  if (!memory) throw std::bad_alloc();
  ::madvise(memory, whole, MADV_HUGEPAGE);  // a wish: where the kernel has none, small pages do
  return memory;
}

void give_large(void* memory) noexcept { std::free(memory); }

}  // namespace causeway::base
