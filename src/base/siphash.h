// SipHash-2-4: a keyed hash of 64 bits that resists forgery, for short texts. Who does not have the key
// cannot make the hash of a text, however many others he has seen. With 128 bits it can stand for the text:
// no two that anybody makes will have the same.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace causeway::base {

class SipHash {
 public:
  using Key = std::array<std::uint64_t, 2>;
  explicit SipHash(const Key& key)
      : v_{0x736f6d6570736575u ^ key[0], 0x646f72616e646f6du ^ key[1], 0x6c7967656e657261u ^ key[0],
           0x7465646279746573u ^ key[1]} {}

  // Texts added one after another are one text.
  SipHash& add(std::string_view text) {
    const char* p = text.data();
    const char* const end = p + text.size();
    while (p != end && size_ % 8 != 0) add(*p++);
    for (; end - p >= 8; p += 8) {
      std::memcpy(&word_, p, 8);
      size_ += 8;
      take_word();
    }
    while (p != end) add(*p++);
    return *this;
  }
  std::uint64_t value() {
    take_size();
    return finish(v_[2], 0xff);
  }

  using Wide = std::array<std::uint64_t, 2>;
  static Wide wide(const Key& key, std::string_view text) {
    SipHash hash(key);
    hash.v_[1] ^= 0xee;
    hash.add(text).take_size();
    const std::uint64_t first = hash.finish(hash.v_[2], 0xee);
    return {first, hash.finish(hash.v_[1], 0xdd)};
  }

 private:
  static_assert(std::endian::native == std::endian::little);
  void add(char c) {
    word_ |= std::uint64_t{static_cast<unsigned char>(c)} << 8 * (size_ % 8);
    if (++size_ % 8 == 0) take_word();
  }
  void take_size() {
    word_ |= std::uint64_t{size_} << 56;
    take_word();
  }
  std::uint64_t finish(std::uint64_t& v, std::uint64_t mark) {
    v ^= mark;
    for (int i = 0; i < 4; ++i) round();
    return v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
  }
  void take_word() {
    v_[3] ^= word_;
    round();
    round();
    v_[0] ^= word_;
    word_ = 0;
  }
  void round() {
    v_[0] += v_[1];
    v_[2] += v_[3];
    v_[1] = std::rotl(v_[1], 13) ^ v_[0];
    v_[3] = std::rotl(v_[3], 16) ^ v_[2];
    v_[0] = std::rotl(v_[0], 32);
    v_[2] += v_[1];
    v_[0] += v_[3];
    v_[1] = std::rotl(v_[1], 17) ^ v_[2];
    v_[3] = std::rotl(v_[3], 21) ^ v_[0];
    v_[2] = std::rotl(v_[2], 32);
  }
  std::uint64_t v_[4];
  std::uint64_t word_ = 0;
  std::uint8_t size_ = 0;  // modulo 256, as the last word has it
};

}  // namespace causeway::base
