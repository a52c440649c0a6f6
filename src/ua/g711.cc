// ITU-T G.711: a sign, three bits of exponent, four of mantissa.
#include <algorithm>
#include <array>
#include <bit>

#include "ua/codec.h"

namespace causeway::ua {
namespace {

constexpr int kUlawBias = 132;    // 33 in 14 bits
constexpr int kUlawClip = 32635;  // what does not overflow with it

constexpr int width(int magnitude) {
  return static_cast<int>(std::bit_width(static_cast<unsigned>(magnitude)));
}

constexpr std::uint8_t encode_ulaw(int sample) {
  const int sign = sample < 0 ? 0x80 : 0;
  const int magnitude = std::min(sample < 0 ? -sample : sample, kUlawClip) + kUlawBias;
  const int exponent = width(magnitude) - 8;  // magnitude >= 132: 0..7
  const int mantissa = magnitude >> (exponent + 3) & 15;
  return static_cast<std::uint8_t>(~(sign | exponent << 4 | mantissa));
}

constexpr std::int16_t decode_ulaw(std::uint8_t code) {
  const int bits = ~code & 0xff;
  const int magnitude = (((bits & 15) << 3) + kUlawBias) << (bits >> 4 & 7);
  return static_cast<std::int16_t>(bits & 0x80 ? kUlawBias - magnitude : magnitude - kUlawBias);
}

// Every other bit is inverted, and positive samples have the sign bit set.
constexpr std::uint8_t encode_alaw(int sample) {
  const int sign = sample < 0 ? 0 : 0x80;
  const int magnitude = (sample < 0 ? ~sample : sample) >> 3;  // 13 bits with the sign: 0..4095
  const int exponent = std::max(width(magnitude) - 5, 0);
  const int mantissa = magnitude >> std::max(exponent, 1) & 15;
  return static_cast<std::uint8_t>((sign | exponent << 4 | mantissa) ^ 0x55);
}

constexpr std::int16_t decode_alaw(std::uint8_t code) {
  const int bits = code ^ 0x55;
  const int exponent = bits >> 4 & 7;
  int magnitude = ((bits & 15) << 4) + 8;  // in the middle of its step
  if (exponent > 0) magnitude = (magnitude + 256) << (exponent - 1);
  return static_cast<std::int16_t>(bits & 0x80 ? magnitude : -magnitude);
}

template <auto Decode>
constexpr std::array<std::int16_t, 256> table() {
  std::array<std::int16_t, 256> all{};
  for (unsigned code = 0; code < all.size(); ++code) all[code] = Decode(static_cast<std::uint8_t>(code));
  return all;
}
constexpr auto kAlaw = table<decode_alaw>();
constexpr auto kUlaw = table<decode_ulaw>();

class G711Encoder final : public Encoder {
 public:
  explicit G711Encoder(bool alaw) : alaw_(alaw) {}
  std::size_t encode(std::span<const std::int16_t> frame, std::span<std::uint8_t> to) override {
    const std::size_t count = std::min(frame.size(), to.size());
    std::transform(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(count), to.begin(),
                   alaw_ ? to_alaw : to_ulaw);
    return count;
  }

 private:
  bool alaw_;
};

class G711Decoder final : public Decoder {
 public:
  explicit G711Decoder(bool alaw) : codes_(alaw ? kAlaw : kUlaw) {}
  std::size_t decode(std::span<const std::uint8_t> payload, std::span<std::int16_t> to) override {
    const std::size_t count = std::min(payload.size(), to.size());
    for (std::size_t i = 0; i < count; ++i) to[i] = codes_[payload[i]];
    const std::size_t kept = std::min(count, last_.size());
    std::copy_n(to.begin() + static_cast<std::ptrdiff_t>(count - kept), kept, last_.begin());
    if (kept < last_.size()) std::fill(last_.begin() + static_cast<std::ptrdiff_t>(kept), last_.end(), 0);
    return count;
  }
  // The last frame again, half as loud each time.
  void conceal(std::span<const std::uint8_t>, std::span<std::int16_t> to) override {
    for (std::int16_t& sample : last_) sample = static_cast<std::int16_t>(sample / 2);
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = last_[i % last_.size()];
  }

 private:
  const std::array<std::int16_t, 256>& codes_;
  std::array<std::int16_t, 160> last_{};
};

}  // namespace

std::uint8_t to_alaw(std::int16_t sample) { return encode_alaw(sample); }
std::uint8_t to_ulaw(std::int16_t sample) { return encode_ulaw(sample); }
std::int16_t from_alaw(std::uint8_t code) { return kAlaw[code]; }
std::int16_t from_ulaw(std::uint8_t code) { return kUlaw[code]; }

std::unique_ptr<Encoder> make_g711_encoder(bool alaw) { return std::make_unique<G711Encoder>(alaw); }
std::unique_ptr<Decoder> make_g711_decoder(bool alaw) { return std::make_unique<G711Decoder>(alaw); }

}  // namespace causeway::ua
