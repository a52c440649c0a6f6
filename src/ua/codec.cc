#include "ua/codec.h"

#include <algorithm>
#include <array>

#include "sip/scan.h"
#include "ua/offer_answer.h"

namespace causeway::ua {
namespace {

constexpr std::array<CodecKind, 3> kKinds = {{
    {"opus", 96, 48000, 2, "useinbandfec=1;stereo=0;sprop-stereo=0"},
    {"PCMA", 8, 8000, 1, ""},
    {"PCMU", 0, 8000, 1, ""},
}};

}  // namespace

const CodecKind* find_codec(std::string_view name) {
  for (const CodecKind& kind : kKinds)
    if (std::ranges::equal(kind.name, name, {}, sip::scan::lower, sip::scan::lower)) return &kind;
  return nullptr;
}

const CodecKind* find_codec(const Payload& payload) {
  const CodecKind* kind = find_codec(payload.name);
  return kind && kind->rate == payload.rate ? kind : nullptr;
}

std::unique_ptr<Encoder> make_encoder(const CodecKind& kind) {
  return kind.name == "opus" ? make_opus_encoder() : make_g711_encoder(kind.name == "PCMA");
}

std::unique_ptr<Decoder> make_decoder(const CodecKind& kind) {
  return kind.name == "opus" ? make_opus_decoder() : make_g711_decoder(kind.name == "PCMA");
}

}  // namespace causeway::ua
