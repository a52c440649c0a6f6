#include "overlay/msgpack_shape.h"
#include "base/limits.h"

#include <array>
#include <cstddef>
#include <optional>

namespace causeway::overlay {
namespace {

// The head of a value: how many bytes of content follow it, or how many values.
struct Head {
  std::uint64_t bytes = 0;
  std::uint64_t values = 0;
};

class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> in) : in_(in) {}
  std::size_t left() const { return in_.size(); }

  bool skip(std::uint64_t n) {
    if (n > in_.size()) return false;
    in_ = in_.subspan(static_cast<std::size_t>(n));
    return true;
  }

  std::optional<Head> head() {
    if (in_.empty()) return {};
    std::uint8_t tag = in_[0];
    skip(1);
    if (tag <= 0x7f || tag >= 0xe0) return Head{};       // fixint
    if (tag <= 0x8f) return Head{0, 2u * (tag & 0x0f)};  // fixmap
    if (tag <= 0x9f) return Head{0, tag & 0x0fu};        // fixarray
    if (tag <= 0xbf) return Head{tag & 0x1fu, 0};        // fixstr
    switch (tag) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return Head{};  // nil, false, true
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return sized(1 << (tag - 0xc4), 1, 0, 0);  // bin
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return sized(1 << (tag - 0xc7), 1, 0, 1);  // ext
      case 0xca:
      case 0xcb:
        return Head{4u << (tag - 0xca), 0};  // float
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return Head{1u << (tag - 0xcc), 0};  // uint
      case 0xd0:
      case 0xd1:
      case 0xd2:
      case 0xd3:
        return Head{1u << (tag - 0xd0), 0};  // int
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return Head{1 + (1u << (tag - 0xd4)), 0};  // fixext
      case 0xd9:
      case 0xda:
      case 0xdb:
        return sized(1 << (tag - 0xd9), 1, 0, 0);  // str
      case 0xdc:
      case 0xdd:
        return sized(2 << (tag - 0xdc), 0, 1, 0);  // array
      case 0xde:
      case 0xdf:
        return sized(2 << (tag - 0xde), 0, 2, 0);  // map
      default:
        return {};  // 0xc1: never used
    }
  }

 private:
  // A length in `width` bytes, that counts bytes or values.
  std::optional<Head> sized(int width, std::uint64_t bytes, std::uint64_t values, std::uint64_t more) {
    if (static_cast<std::size_t>(width) > in_.size()) return {};
    std::uint64_t length = 0;
    for (int i = 0; i < width; ++i) length = length << 8 | in_[static_cast<std::size_t>(i)];
    skip(static_cast<std::uint64_t>(width));
    return Head{length * bytes + more, length * values};
  }
  std::span<const std::uint8_t> in_;
};

}  // namespace

bool is_one_msgpack_value(std::span<const std::uint8_t> bytes) {
  Reader in(bytes);
  std::array<std::uint64_t, limits::kMaxDepth + 1> open{};  // values still to come, at each depth
  open[0] = 1;
  int depth = 0;
  while (depth >= 0) {
    if (open[static_cast<std::size_t>(depth)] == 0) {
      --depth;
      continue;
    }
    --open[static_cast<std::size_t>(depth)];
    auto head = in.head();
    if (!head || !in.skip(head->bytes) || head->values > in.left()) return false;
    if (head->values == 0) continue;
    if (++depth > limits::kMaxDepth) return false;
    open[static_cast<std::size_t>(depth)] = head->values;
  }
  return in.left() == 0;
}

}  // namespace causeway::overlay
