// Speech codecs, 20 ms at a time: G.711 (RFC 3551 4.5.14) and Opus (RFC 6716, RFC 7587). All mono.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace causeway::ua {

struct Payload;

// A codec, by its name in SDP.
struct CodecKind {
  std::string_view name;  // "PCMU", "PCMA", "opus"
  std::uint8_t number;    // RFC 3551's, or the one that is offered for a dynamic one
  unsigned rate;          // of samples, and of RTP timestamps
  unsigned channels;      // as it stands in SDP (RFC 7587 7: opus is always written with 2)
  std::string_view fmtp;
  constexpr std::size_t frame() const { return rate / 50; }  // samples in 20 ms
};

// Null if there is no such codec here. Letter case does not matter (RFC 8866 6.6).
const CodecKind* find_codec(std::string_view name);
// The same, with the clock rate that a payload type says: "PCMA/16000" is none of ours.
const CodecKind* find_codec(const Payload& payload);

class Encoder {
 public:
  virtual ~Encoder() = default;
  // One frame of kind().frame() samples. The bytes written; `to` has room for limits::kMaxEncoded.
  virtual std::size_t encode(std::span<const std::int16_t> frame, std::span<std::uint8_t> to) = 0;
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  // A payload of any length, from anybody. The samples written, at most `to`; 0 if it is not of this codec.
  virtual std::size_t decode(std::span<const std::uint8_t> payload, std::span<std::int16_t> to) = 0;
  // Fills `to`, a frame, in place of one that was lost; `next` is the payload that follows it, or empty.
  virtual void conceal(std::span<const std::uint8_t> next, std::span<std::int16_t> to) = 0;
};

// Null only if memory is short.
std::unique_ptr<Encoder> make_encoder(const CodecKind& kind);
std::unique_ptr<Decoder> make_decoder(const CodecKind& kind);

// G.711, one sample.
std::uint8_t to_alaw(std::int16_t sample);
std::int16_t from_alaw(std::uint8_t code);
std::uint8_t to_ulaw(std::int16_t sample);
std::int16_t from_ulaw(std::uint8_t code);

// In g711.cc and opus.cc.
std::unique_ptr<Encoder> make_g711_encoder(bool alaw);
std::unique_ptr<Decoder> make_g711_decoder(bool alaw);
std::unique_ptr<Encoder> make_opus_encoder();
std::unique_ptr<Decoder> make_opus_decoder();

}  // namespace causeway::ua
