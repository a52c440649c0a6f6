// Reference-counted byte blocks from a pool. A datagram that is built once may be in the send queue,
// and kept by a transaction for retransmission, at the same time, and is never copied.
//
// One thread: reference counts are plain integers, and a block returns to the pool of the thread
// that releases it. Sizes are classes, 64 bytes apart up to 512; a request for more than 64 kB gets a
// block of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace causeway::base {

class Buffer {
 public:
  Buffer() noexcept = default;
  // At least `capacity` bytes of room, size 0.
  static Buffer with_room(std::size_t capacity);
  static Buffer copy_of(std::string_view bytes);

  Buffer(const Buffer& other) noexcept : block_(other.block_) {
    if (block_) ++block_->references;
  }
  Buffer(Buffer&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Buffer& operator=(Buffer other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Buffer() {
    if (block_ && --block_->references == 0) release(block_);
  }

  explicit operator bool() const noexcept { return block_ != nullptr; }
  char* data() noexcept { return block_ ? block_->bytes() : nullptr; }
  const char* data() const noexcept { return block_ ? block_->bytes() : nullptr; }
  std::size_t size() const noexcept { return block_ ? block_->size : 0; }
  std::size_t capacity() const noexcept { return block_ ? block_->capacity : 0; }
  std::string_view view() const noexcept { return {data(), size()}; }
  void resize(std::size_t size) noexcept;  // at most capacity()

  // Appends; the caller has made enough room.
  void append(std::string_view bytes) noexcept;

  // Blocks handed out and not yet returned, on this thread (for leak checks and status).
  static std::size_t in_use() noexcept;

 private:
  struct Block {
    std::uint32_t references;
    std::uint32_t size;
    std::uint32_t capacity;
    std::uint32_t size_class;
    char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
    const char* bytes() const noexcept { return reinterpret_cast<const char*>(this + 1); }
  };
  explicit Buffer(Block* block) noexcept : block_(block) {}
  static void release(Block* block) noexcept;
  Block* block_ = nullptr;
};

}  // namespace causeway::base
