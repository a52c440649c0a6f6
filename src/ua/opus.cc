// Opus at 48 kHz, mono, by libopus.
#include <opus/opus.h>

#include <algorithm>
#include <memory>

#include "ua/codec.h"

namespace causeway::ua {
namespace {

constexpr int kRate = 48000;
// Speech in full band; RFC 7587 3.1.1 has 28 to 40 kbit/s for it.
constexpr int kBitRate = 32000;
// For how much loss the encoder spends bits on repeating itself (in-band FEC): one lost packet in a row is
// heard.
constexpr int kExpectedLossPercent = 10;

template <class T, void (*Destroy)(T*)>
struct Destroyer {
  void operator()(T* state) const { Destroy(state); }
};

class OpusCodecEncoder final : public Encoder {
 public:
  static std::unique_ptr<Encoder> make() {
    int error = 0;
    auto made = std::make_unique<OpusCodecEncoder>();
    made->state_.reset(opus_encoder_create(kRate, 1, OPUS_APPLICATION_VOIP, &error));
    if (error != OPUS_OK || !made->state_) return nullptr;
    opus_encoder_ctl(made->state_.get(), OPUS_SET_BITRATE(kBitRate));
    opus_encoder_ctl(made->state_.get(), OPUS_SET_INBAND_FEC(1));
    opus_encoder_ctl(made->state_.get(), OPUS_SET_PACKET_LOSS_PERC(kExpectedLossPercent));
    return made;
  }
  std::size_t encode(std::span<const std::int16_t> frame, std::span<std::uint8_t> to) override {
    const auto bytes = opus_encode(state_.get(), frame.data(), static_cast<int>(frame.size()), to.data(),
                                   static_cast<opus_int32>(to.size()));
    return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
  }

 private:
  std::unique_ptr<OpusEncoder, Destroyer<OpusEncoder, opus_encoder_destroy>> state_;
};

class OpusCodecDecoder final : public Decoder {
 public:
  static std::unique_ptr<Decoder> make() {
    int error = 0;
    auto made = std::make_unique<OpusCodecDecoder>();
    made->state_.reset(opus_decoder_create(kRate, 1, &error));
    return error == OPUS_OK && made->state_ ? std::move(made) : nullptr;
  }
  std::size_t decode(std::span<const std::uint8_t> payload, std::span<std::int16_t> to) override {
    if (payload.empty()) return 0;  // libopus would take it for a loss
    const int samples = opus_decode(state_.get(), payload.data(), static_cast<opus_int32>(payload.size()),
                                    to.data(), static_cast<int>(to.size()), 0);
    return samples > 0 ? static_cast<std::size_t>(samples) : 0;
  }
  void conceal(std::span<const std::uint8_t> next, std::span<std::int16_t> to) override {
    const int frame = static_cast<int>(to.size());
    int samples = -1;
    if (!next.empty())
      samples =
          opus_decode(state_.get(), next.data(), static_cast<opus_int32>(next.size()), to.data(), frame, 1);
    if (samples < 0) samples = opus_decode(state_.get(), nullptr, 0, to.data(), frame, 0);
    std::fill(to.begin() + std::max(samples, 0), to.end(), 0);
  }

 private:
  std::unique_ptr<OpusDecoder, Destroyer<OpusDecoder, opus_decoder_destroy>> state_;
};

}  // namespace

std::unique_ptr<Encoder> make_opus_encoder() { return OpusCodecEncoder::make(); }
std::unique_ptr<Decoder> make_opus_decoder() { return OpusCodecDecoder::make(); }

}  // namespace causeway::ua
