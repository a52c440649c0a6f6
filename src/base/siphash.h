// SipHash-2-4: a keyed hash of 64 bits that resists forgery, for short texts. Who does not have the key
// cannot make the hash of a text, however many others he has seen.
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
    for (char c : text) {
      word_ |= std::uint64_t{static_cast<unsigned char>(c)} << 8 * (size_ % 8);
      if (++size_ % 8 == 0) take_word();
    }
    return *this;
  }
  std::uint64_t value() {
    word_ |= std::uint64_t{size_} << 56;
    take_word();
    v_[2] ^= 0xff;
    for (int i = 0; i < 4; ++i) round();
    return v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
  }

 private:
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
