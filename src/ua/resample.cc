#include "ua/resample.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace causeway::ua {
namespace {

// Zero crossings of the sinc on either side, at the lower rate: the delay is so many of its samples (1 ms at
// 8 kHz), and what lies 600 Hz above its half is down by 40 dB.
constexpr unsigned kHalf = 8;

std::vector<float> windowed_sinc(unsigned factor, float gain) {
  const int reach = static_cast<int>(kHalf * factor);
  std::vector<float> taps;
  for (int i = -reach; i < reach; ++i) {
    const double x = (i + 0.5) / factor;  // never 0
    const double sinc = std::sin(std::numbers::pi * x) / (std::numbers::pi * x);
    const double window = 0.5 * (1 + std::cos(std::numbers::pi * x / kHalf));
    taps.push_back(static_cast<float>(gain * sinc * window / factor));
  }
  return taps;
}

}  // namespace

Resampler::Resampler(unsigned from, unsigned to)
    : up_(to > from ? to / from : 1), down_(from > to ? from / to : 1) {
  if (from == to) return;
  taps_ = windowed_sinc(std::max(up_, down_), static_cast<float>(up_));
  past_.assign(taps_.size() / up_, 0.0F);
}

void Resampler::process(std::span<const std::int16_t> in, std::span<std::int16_t> out) {
  if (taps_.empty()) {
    std::copy_n(in.begin(), std::min(in.size(), out.size()), out.begin());
    return;
  }
  const std::size_t kept = past_.size();
  past_.insert(past_.end(), in.begin(), in.end());
  const std::size_t count = std::min(in.size() * up_ / down_, out.size());
  for (std::size_t i = 0; i < count; ++i) {
    // Upwards, between the samples lie up_ - 1 zeros: only every up_th tap meets one.
    const std::size_t newest = kept + i * down_ / up_;
    float sum = 0;
    for (std::size_t tap = i % up_, at = newest; tap < taps_.size(); tap += up_, --at)
      sum += taps_[tap] * past_[at];
    out[i] = static_cast<std::int16_t>(std::lround(std::clamp(sum, -32768.0F, 32767.0F)));
  }
  past_.erase(past_.begin(), past_.end() - static_cast<std::ptrdiff_t>(kept));
}

}  // namespace causeway::ua
