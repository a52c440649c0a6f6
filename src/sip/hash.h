// A fast keyed hash for tables whose keys strangers choose: without the seed, nobody can make keys that
// fall into one slot. Not for anything that must resist forgery.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace causeway::sip {

namespace hash_detail {
inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}
inline std::uint64_t load(const char* p, std::size_t n) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, p, n);
  return word;
}
}  // namespace hash_detail

inline std::uint64_t keyed_hash(std::string_view bytes, std::uint64_t seed) noexcept {
  constexpr std::uint64_t kA = 0x9e3779b97f4a7c15u;
  constexpr std::uint64_t kB = 0xc2b2ae3d27d4eb4fu;
  std::uint64_t state = seed ^ hash_detail::fold(bytes.size() ^ kA, kB);
  const char* p = bytes.data();
  std::size_t left = bytes.size();
  for (; left > 16; left -= 16, p += 16)
    state = hash_detail::fold(hash_detail::load(p, 8) ^ kA ^ state, hash_detail::load(p + 8, 8) ^ kB);
  const std::size_t low = left < 8 ? left : 8;
  const std::uint64_t a = left ? hash_detail::load(p, low) : 0;
  const std::uint64_t b = left > 8 ? hash_detail::load(p + 8, left - 8) : 0;
  return hash_detail::fold(hash_detail::fold(a ^ kA ^ state, b ^ kB) ^ seed, kA);
}

}  // namespace causeway::sip
