// Nobody can forge a token here, so garbage stops at the seal: the input is also sealed as a user, which
// must come back as it was or be refused.
#include <cstdlib>

#include "identity/sealing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace causeway;
  static const identity::TokenSealer sealer{identity::NetworkKey{}};
  std::string_view text = base::as_text({data, size});
  if (auto opened = sealer.open(text); opened && sealer.seal(*opened) != text) std::abort();
  identity::FlowToken token{std::string(text), size, net::Transport::tls, {net::Ip::v4(0xc0000201), 5060}};
  std::string sealed = sealer.seal(token);
  if (sealed.empty()) return 0;
  auto opened = sealer.open(sealed);
  if (!opened || opened->user != text || opened->source != token.source) std::abort();
  return 0;
}
