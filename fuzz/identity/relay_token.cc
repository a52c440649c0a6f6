// No user name is accepted that was not made, and none that was is made of other bytes.
#include <cstdlib>

#include "base/encoding.h"
#include "identity/relay_token.h"

using namespace causeway;
using namespace causeway::identity;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static base::Random random(1);
  static const PrivateKey authority = PrivateKey::generate(random), own = PrivateKey::generate(random);
  static RelayTokens relay("p2psip.org", authority.public_key(), own);
  constexpr base::UnixMs kNow = 1'800'000'000'000;
  if (relay.check({reinterpret_cast<const char*>(data), size}, kNow)) std::abort();
  if (relay.check(base::base64url({data, size}), kNow)) std::abort();
  return 0;
}
