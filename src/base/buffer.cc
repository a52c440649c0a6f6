#include "base/buffer.h"

#include <array>
#include <cstring>
#include <new>

#include "base/fatal.h"

#if defined(__SANITIZE_ADDRESS__)
#define CAUSEWAY_POOL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CAUSEWAY_POOL 0
#endif
#endif
#ifndef CAUSEWAY_POOL
#define CAUSEWAY_POOL 1
#endif

namespace causeway::base {
namespace {

// Fine where most messages are: a response lingers for 32 s, by the ten thousand.
constexpr std::array<std::uint32_t, 16> kClassSizes{64,  128, 192,  256,  320,  384,  448,   512,
                                                    640, 768, 1024, 1536, 2048, 4096, 16384, 65536};
constexpr std::uint32_t kOwnBlock = kClassSizes.size();  // larger than any class, never pooled

// What a thread keeps of each class at most. Enough for the datagrams of some turns under full load
// (the pool is for those); what a burst took beyond that goes back to the heap, so that an idle peer
// stays small.
[[maybe_unused]] constexpr std::size_t kKeptBytesPerClass = std::size_t{512} << 10;

struct FreeBlock {
  FreeBlock* next;
};

struct Pool {
  std::array<FreeBlock*, kClassSizes.size()> free;
  std::array<std::uint32_t, kClassSizes.size()> kept;
  std::size_t in_use;
  bool open;  // a Drain watches over it; false again once that has emptied the pool for good
  bool drained;
};
// Trivial, so that a Buffer that outlives the thread's other objects can still be released.
constinit thread_local Pool pool{};

// Gives everything back when the thread ends.
struct Drain {
  Drain() noexcept { pool.open = true; }
  ~Drain() {
    pool.open = false;
    pool.drained = true;
    for (FreeBlock*& head : pool.free) {
      while (head) ::operator delete(std::exchange(head, head->next));
    }
  }
};

[[maybe_unused]] bool pool_is_open() noexcept {
  if (pool.open) return true;
  if (pool.drained) return false;
  static thread_local Drain drain;
  return pool.open;
}

std::uint32_t class_of(std::size_t capacity) noexcept {
  constexpr std::uint32_t kSmall = 8;  // classes that are 64 apart
  std::uint32_t size_class =
      capacity <= 64 * kSmall ? static_cast<std::uint32_t>(capacity + 63) / 64 : kSmall + 1;
  if (size_class > 0) --size_class;
  while (size_class < kOwnBlock && capacity > kClassSizes[size_class]) ++size_class;
  return size_class;
}

void* take(std::uint32_t size_class) noexcept {
#if CAUSEWAY_POOL
  if (size_class < kOwnBlock && pool.free[size_class]) {
    --pool.kept[size_class];
    return std::exchange(pool.free[size_class], pool.free[size_class]->next);
  }
#endif
  (void)size_class;
  return nullptr;
}

// Whether the pool has taken the block.
bool keep(void* block, std::uint32_t size_class) noexcept {
#if CAUSEWAY_POOL
  if (size_class < kOwnBlock && pool_is_open() &&
      pool.kept[size_class] < kKeptBytesPerClass / kClassSizes[size_class]) {
    pool.free[size_class] = new (block) FreeBlock{pool.free[size_class]};
    ++pool.kept[size_class];
    return true;
  }
#endif
  (void)block, (void)size_class;
  return false;
}

}  // namespace

Buffer Buffer::with_room(std::size_t capacity) {
  if (capacity > UINT32_MAX) fatal("Buffer::with_room: more than 4 GB asked for");
  const std::uint32_t size_class = class_of(capacity);
#if CAUSEWAY_POOL
  if (size_class < kOwnBlock) capacity = kClassSizes[size_class];
#endif
  void* memory = take(size_class);
  if (!memory) memory = ::operator new(sizeof(Block) + capacity);
  ++pool.in_use;
  return Buffer(new (memory) Block{1, 0, static_cast<std::uint32_t>(capacity), size_class});
}

Buffer Buffer::copy_of(std::string_view bytes) {
  Buffer copy = with_room(bytes.size());
  copy.append(bytes);
  return copy;
}

void Buffer::resize(std::size_t size) noexcept {
  if (size > capacity()) fatal("Buffer::resize: beyond the capacity");
  if (block_) block_->size = static_cast<std::uint32_t>(size);
}

void Buffer::append(std::string_view bytes) noexcept {
  if (bytes.empty()) return;
  if (bytes.size() > capacity() - size()) fatal("Buffer::append: beyond the capacity");
  std::memcpy(data() + block_->size, bytes.data(), bytes.size());
  block_->size += static_cast<std::uint32_t>(bytes.size());
}

std::size_t Buffer::in_use() noexcept { return pool.in_use; }

void Buffer::release(Block* block) noexcept {
  --pool.in_use;
  if (!keep(block, block->size_class)) ::operator delete(block);
}

}  // namespace causeway::base
