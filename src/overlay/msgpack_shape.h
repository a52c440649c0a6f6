// Whether bytes are exactly one MessagePack value: asked before the library below reads a datagram,
// since it believes the lengths that it finds there and would reserve gigabytes for an array that
// says it is that long. (Anyone who gets this far is a member, but not every member is honest.)
#pragma once

#include <cstdint>
#include <span>

#include "base/limits.h"
namespace causeway::overlay {

// No deeper than limits::kMaxDepth, and no container with more elements than bytes are left.
bool is_one_msgpack_value(std::span<const std::uint8_t> bytes);

}  // namespace causeway::overlay
