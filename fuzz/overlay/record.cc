// Records and their bodies. What the rule takes must be what was given; no mutation of a good record is
// ever signed, so the bodies are read on their own as well.
#include <algorithm>
#include <cstdlib>

#include "overlay/record.h"

using namespace causeway;

namespace {

template <class Body>
void round_trip(base::Result<Body> (*decode)(std::span<const std::uint8_t>),
                std::span<const std::uint8_t> in) {
  auto body = decode(in);
  if (!body) return;
  base::Bytes once = overlay::encode(*body);  // without fields of later versions
  auto again = decode(once);
  if (!again || overlay::encode(*again) != once) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static base::Random random(1);
  static base::Metrics metrics;
  static const identity::PublicKey authority = identity::PrivateKey::generate(random).public_key();
  static overlay::RecordChecker checker("p2psip.org", authority, metrics);
  std::span<const std::uint8_t> in(data, size);
  auto record = checker.check(in, "", 1'800'000'000'000);
  if (record && !std::ranges::equal(record->encoded, in)) std::abort();
  round_trip(overlay::decode_user, in);
  round_trip(overlay::decode_service, in);
  round_trip(overlay::decode_peer, in);
  return 0;
}
