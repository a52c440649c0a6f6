// Randomness, behind one small class so that tests can replay a run.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace causeway::base {

class Random {
 public:
  // The kernel's generator, read in chunks: good for tags, branches, nonces and keys.
  Random();
  // A replayable stream for tests and simulations; never in a shipped program.
  explicit Random(std::uint64_t seed);

  void fill(std::span<std::uint8_t> bytes);
  std::uint64_t u64();
  // Uniform in [0, bound). bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // `n` characters of [a-z2-7]: RFC 3261 19.3 tags, Call-IDs, branches.
  std::string token(std::size_t n);

 private:
  void refill();
  std::uint8_t chunk_[512];
  std::size_t used_ = sizeof chunk_;
  bool replayed_ = false;
  std::uint64_t state_[4] = {};
};

}  // namespace causeway::base
