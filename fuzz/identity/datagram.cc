// Sealed datagrams: garbage stays outside, what was sealed comes back, and a byte less or another is seen.
#include <algorithm>
#include <cstdlib>

#include "identity/sealing.h"

using namespace causeway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using Opened = identity::DatagramSealer::Opened;
  static base::Random random(1);
  static identity::DatagramSealer sealer(identity::NetworkKey{}, random);
  constexpr base::UnixMs kNow = 1'800'000'000'000;
  const std::span in(data, size);
  base::Bytes sealed, opened;
  if (sealer.open(in, kNow, opened) == Opened::ok) std::abort();  // nobody here has sealed it
  if (!opened.empty()) std::abort();
  sealer.seal(in, kNow, sealed);
  if (sealer.open(sealed, kNow, opened) != Opened::ok || !std::ranges::equal(opened, in)) std::abort();
  const std::size_t at = size ? data[0] % sealed.size() : 0;
  sealed[at] ^= 0x10;
  if (sealer.open(sealed, kNow, opened) == Opened::ok) std::abort();
  sealed[at] ^= 0x10;
  sealed.pop_back();
  if (sealer.open(sealed, kNow, opened) == Opened::ok) std::abort();
  return 0;
}
