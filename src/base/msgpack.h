// The part of MessagePack that records and credentials use: unsigned integers, byte strings, text,
// arrays, nil. Written in the shortest form; read with a bound on everything and no recursion
// deeper than the caller asks for, no allocation, no exception.
//
// Records must encode to the same bytes everywhere (they are signed), so the writer has exactly one
// form for each value, and the reader refuses any other ("0 in two bytes").
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/encoding.h"

namespace causeway::base {

class MsgpackWriter {
 public:
  void array(std::size_t n);
  void uint(std::uint64_t value);
  void bytes(std::span<const std::uint8_t> value);
  void text(std::string_view value);
  void nil();
  void raw(std::span<const std::uint8_t> encoded);  // an already encoded value
  const Bytes& data() const { return out_; }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

// Reads from left to right. After the first mismatch every read gives none and ok() is false.
class MsgpackReader {
 public:
  explicit MsgpackReader(std::span<const std::uint8_t> in) : in_(in) {}
  std::optional<std::size_t> array(std::size_t most);
  std::optional<std::uint64_t> uint();
  std::optional<std::span<const std::uint8_t>> bytes(std::size_t most);
  std::optional<std::string_view> text(std::size_t most);
  // Takes a nil if one comes next; anything else is left for another read, and no mismatch.
  bool nil();
  // Any one value (arrays at most `depth` deep), as its encoded bytes: how unknown fields are kept.
  std::optional<std::span<const std::uint8_t>> skip(int depth = 4);
  bool ok() const { return ok_; }
  bool at_end() const { return at_ == in_.size(); }
  std::size_t offset() const { return at_; }

 private:
  enum class Kind { none, uint, bytes, text, array, nil };
  bool fail();
  bool number(int size, std::uint64_t least, std::uint64_t& value);
  Kind head(std::uint64_t& argument);
  std::optional<std::uint64_t> expect(Kind kind, std::uint64_t most);
  std::optional<std::span<const std::uint8_t>> body(Kind kind, std::size_t most);
  bool skip_value(int depth);

  std::span<const std::uint8_t> in_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace causeway::base
