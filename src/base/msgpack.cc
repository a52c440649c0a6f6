#include "base/msgpack.h"

#include <algorithm>

namespace causeway::base {
namespace {

// The first bytes of the MessagePack specification that are used here.
constexpr std::uint8_t kFixArray = 0x90, kFixText = 0xa0, kNil = 0xc0, kBytes8 = 0xc4, kUint8 = 0xcc,
                       kText8 = 0xd9, kText16 = 0xda, kText32 = 0xdb, kArray16 = 0xdc, kArray32 = 0xdd;

void put_big_endian(Bytes& out, std::uint64_t value, int width) {
  for (int shift = 8 * (width - 1); shift >= 0; shift -= 8)
    out.push_back(static_cast<std::uint8_t>(value >> shift));
}

// Byte strings and texts: a tag for lengths of one byte; the next two are for two and four bytes.
void put_length(Bytes& out, std::uint8_t tag8, std::size_t n) {
  const int size = n <= 0xff ? 0 : n <= 0xffff ? 1 : 2;
  out.push_back(static_cast<std::uint8_t>(tag8 + size));
  put_big_endian(out, n, 1 << size);
}

// The least value that needs 1 << size bytes: what less can hold is refused in them.
constexpr std::uint64_t least_of(int size) { return size == 0 ? 0 : std::uint64_t{1} << (4 << size); }

}  // namespace

void MsgpackWriter::array(std::size_t n) {
  if (n < 16) {
    out_.push_back(static_cast<std::uint8_t>(kFixArray | n));
  } else if (n <= 0xffff) {
    out_.push_back(kArray16);
    put_big_endian(out_, n, 2);
  } else {
    out_.push_back(kArray32);
    put_big_endian(out_, n, 4);
  }
}

void MsgpackWriter::uint(std::uint64_t value) {
  if (value < 0x80) {
    out_.push_back(static_cast<std::uint8_t>(value));
    return;
  }
  const int size = value <= 0xff ? 0 : value <= 0xffff ? 1 : value <= 0xffffffff ? 2 : 3;
  out_.push_back(static_cast<std::uint8_t>(kUint8 + size));
  put_big_endian(out_, value, 1 << size);
}

void MsgpackWriter::bytes(std::span<const std::uint8_t> value) {
  put_length(out_, kBytes8, value.size());
  raw(value);
}

void MsgpackWriter::text(std::string_view value) {
  if (value.size() < 32) {
    out_.push_back(static_cast<std::uint8_t>(kFixText | value.size()));
  } else {
    put_length(out_, kText8, value.size());
  }
  raw(as_bytes(value));
}

void MsgpackWriter::nil() { out_.push_back(kNil); }

void MsgpackWriter::raw(std::span<const std::uint8_t> encoded) {
  out_.insert(out_.end(), encoded.begin(), encoded.end());
}

bool MsgpackReader::fail() {
  ok_ = false;
  return false;
}

// A big-endian number of 1 << size bytes; less than `least` has a shorter form and is refused.
bool MsgpackReader::number(int size, std::uint64_t least, std::uint64_t& value) {
  const std::size_t width = std::size_t{1} << size;
  if (in_.size() - at_ < width) return fail();
  value = 0;
  for (std::size_t i = 0; i < width; ++i) value = value << 8 | in_[at_++];
  return value >= least || fail();
}

// Reads the first byte of a value and says what it is; lengths and integers go to `argument`.
MsgpackReader::Kind MsgpackReader::head(std::uint64_t& argument) {
  argument = 0;
  if (!ok_ || at_ >= in_.size()) return fail(), Kind::none;
  const std::uint8_t tag = in_[at_++];
  if (tag < 0x80) return argument = tag, Kind::uint;
  if ((tag & 0xf0) == kFixArray) return argument = tag & 0x0f, Kind::array;
  if ((tag & 0xe0) == kFixText) return argument = tag & 0x1f, Kind::text;
  switch (tag) {
    case kNil:
      return Kind::nil;
    case kBytes8:
    case kBytes8 + 1:
    case kBytes8 + 2:
      return number(tag - kBytes8, least_of(tag - kBytes8), argument) ? Kind::bytes : Kind::none;
    case kUint8:
    case kUint8 + 1:
    case kUint8 + 2:
    case kUint8 + 3:
      return number(tag - kUint8, std::max<std::uint64_t>(0x80, least_of(tag - kUint8)), argument)
                 ? Kind::uint
                 : Kind::none;
    case kText8:
    case kText16:
    case kText32:
      return number(tag - kText8, std::max<std::uint64_t>(32, least_of(tag - kText8)), argument) ? Kind::text
                                                                                                 : Kind::none;
    case kArray16:
      return number(1, 16, argument) ? Kind::array : Kind::none;
    case kArray32:
      return number(2, 0x10000, argument) ? Kind::array : Kind::none;
    default:
      return fail(), Kind::none;
  }
}

std::optional<std::uint64_t> MsgpackReader::expect(Kind kind, std::uint64_t most) {
  std::uint64_t argument;
  if (head(argument) != kind || argument > most) return fail(), std::nullopt;
  return argument;
}

std::optional<std::size_t> MsgpackReader::array(std::size_t most) {
  const auto n = expect(Kind::array, most);
  // Every element takes a byte at least.
  if (!n || *n > in_.size() - at_) return fail(), std::nullopt;
  return static_cast<std::size_t>(*n);
}

std::optional<std::uint64_t> MsgpackReader::uint() { return expect(Kind::uint, UINT64_MAX); }

std::optional<std::span<const std::uint8_t>> MsgpackReader::body(Kind kind, std::size_t most) {
  const auto n = expect(kind, most);
  if (!n || *n > in_.size() - at_) return fail(), std::nullopt;
  at_ += static_cast<std::size_t>(*n);
  return in_.subspan(at_ - static_cast<std::size_t>(*n), static_cast<std::size_t>(*n));
}

std::optional<std::span<const std::uint8_t>> MsgpackReader::bytes(std::size_t most) {
  return body(Kind::bytes, most);
}

std::optional<std::string_view> MsgpackReader::text(std::size_t most) {
  const auto value = body(Kind::text, most);
  if (!value) return std::nullopt;
  return as_text(*value);
}

bool MsgpackReader::nil() {
  if (!ok_ || at_ >= in_.size() || in_[at_] != kNil) return false;
  ++at_;
  return true;
}

bool MsgpackReader::skip_value(int depth) {
  std::uint64_t argument;
  switch (head(argument)) {
    case Kind::none:
      return false;
    case Kind::uint:
    case Kind::nil:
      return true;
    case Kind::bytes:
    case Kind::text:
      if (argument > in_.size() - at_) return fail();
      at_ += static_cast<std::size_t>(argument);
      return true;
    case Kind::array:
      break;
  }
  if (depth <= 0 || argument > in_.size() - at_) return fail();
  while (argument-- > 0) {
    if (!skip_value(depth - 1)) return false;
  }
  return true;
}

std::optional<std::span<const std::uint8_t>> MsgpackReader::skip(int depth) {
  const std::size_t from = at_;
  if (!skip_value(depth)) return std::nullopt;
  return in_.subspan(from, at_ - from);
}

}  // namespace causeway::base
