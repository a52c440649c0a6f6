#include "base/random.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/fatal.h"

namespace causeway::base {
namespace {

// getrandom() blocks only before the kernel's generator is seeded, early in the machine's start.
void from_kernel(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno != EINTR) fatal("getrandom: the kernel gives no random numbers");
    if (got > 0) bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

// splitmix64 (Vigna): spreads a seed over the state of the generator below.
std::uint64_t split_mix(std::uint64_t& seed) {
  std::uint64_t z = (seed += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// xoshiro256** (Blackman and Vigna), for replayable runs only.
std::uint64_t xoshiro(std::uint64_t (&s)[4]) {
  const std::uint64_t result = std::rotl(s[1] * 5, 7) * 9;
  const std::uint64_t t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = std::rotl(s[3], 45);
  return result;
}

}  // namespace

Random::Random() = default;

Random::Random(std::uint64_t seed) : replayed_(true) {
  for (std::uint64_t& word : state_) word = split_mix(seed);
}

void Random::refill() {
  used_ = 0;
  if (!replayed_) return from_kernel(chunk_);
  for (std::size_t i = 0; i < sizeof chunk_; i += 8) {
    const std::uint64_t word = xoshiro(state_);
    for (std::size_t k = 0; k < 8; ++k) chunk_[i + k] = static_cast<std::uint8_t>(word >> (8 * k));
  }
}

// What has been handed out is wiped from the chunk: it may have become a key.
void Random::fill(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    if (used_ == sizeof chunk_) refill();
    const std::size_t n = std::min(bytes.size(), sizeof chunk_ - used_);
    std::memcpy(bytes.data(), chunk_ + used_, n);
    std::memset(chunk_ + used_, 0, n);
    used_ += n;
    bytes = bytes.subspan(n);
  }
}

std::uint64_t Random::u64() {
  std::uint8_t bytes[8];
  fill(bytes);
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

std::uint64_t Random::below(std::uint64_t bound) {
  if (bound == 0) fatal("Random::below: a bound of 0");
  // The lowest values are drawn again, so that the rest is a whole number of bounds.
  const std::uint64_t uneven = -bound % bound;
  std::uint64_t value;
  do {
    value = u64();
  } while (value < uneven);
  return value % bound;
}

std::string Random::token(std::size_t n) {
  std::string text(n, '\0');
  fill({reinterpret_cast<std::uint8_t*>(text.data()), n});
  for (char& c : text) c = "abcdefghijklmnopqrstuvwxyz234567"[static_cast<std::uint8_t>(c) % 32];
  return text;
}

}  // namespace causeway::base
