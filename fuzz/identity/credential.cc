#include <algorithm>
#include <cstdlib>

#include "identity/credential.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace causeway::identity;
  auto credential = Credential::decode({data, size});
  if (!credential) return 0;
  // One form for each value: what is decoded encodes to the same bytes.
  auto again = credential->encode();
  if (!std::equal(again.begin(), again.end(), data, data + size)) std::abort();
  if (!credential->covers_uri("sip:_" + credential->key.peer_id().text() + "@" + credential->domain))
    std::abort();
  if (credential->covers_uri("sip:alice@another." + credential->domain)) std::abort();
  return 0;
}
