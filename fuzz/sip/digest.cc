#include <cstdlib>

#include "sip/digest.h"

using namespace causeway::sip;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const DigestVerifier verifier("p2psip.org", {});
  static const std::string ha1(64, 'a');
  static const DigestSecrets secrets{std::string_view(ha1).substr(32), ha1};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto response = parse_digest_response(text)) {
    if (verifier.check(*response, secrets, "REGISTER", 0) == DigestVerifier::Verdict::ok) std::abort();
    (void)unquote_user(*response);
    (void)is_for_uri(*response, "sip:p2psip.org");
  }
  if (auto challenge = parse_digest_challenge(text)) {
    const std::string answer = answer_challenge(*challenge, "a\"b", "secret", "REGISTER", "sip:h", "c", 1);
    // The user and what was quoted in the challenge can be quoted again.
    const auto again = parse_digest_response(answer);
    if (again && unquote_user(*again) != "a\"b") std::abort();
  }
  return 0;
}
