// From one of the three rates (8, 16, 48 kHz) to another: always a whole factor, up or down.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace causeway::ua {

// A windowed sinc. Keeps what it needs of the samples before, so that frames follow each other without a
// seam.
class Resampler {
 public:
  Resampler(unsigned from, unsigned to);
  // Writes in.size() * to / from samples, no more than `out` has room for. `in` has a multiple of the factor.
  void process(std::span<const std::int16_t> in, std::span<std::int16_t> out);

 private:
  unsigned up_, down_;
  std::vector<float> taps_;
  std::vector<float> past_;  // the last samples of the input, the newest last
};

}  // namespace causeway::ua
