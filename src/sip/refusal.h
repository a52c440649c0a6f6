// Refusing new work for next to nothing: 503 with Retry-After (RFC 3261 21.5.4), without state and, in the
// usual case, without parsing.
//
// The response is written while the lines of the request go by once: what must be repeated (8.2.6) is copied
// as it stands. Whatever is not quite usual (a folded line, a control character, a To that may have a tag) is
// left to the parser, and TransportLayer::respond_stateless says the same. The ACK is known by its To tag
// (stateless_tag.h).
//
// Refusals are as long as a multiple of kRefusalStep: those of one length for one address leave together
// (net::UdpSocket::send_unordered). The white space before a value may be of any length (7.3.1).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/buffer.h"
#include "base/siphash.h"
#include "net/address.h"
#include "sip/headers.h"

namespace causeway::sip {

// What a request would begin if it stood outside of a dialogue.
enum class Begins : std::uint8_t { nothing, registration, something };
Begins begins(Method method);
// The method in the first bytes of a request.
Method method_in(std::string_view request);

// "2" to "10": at random, but the same for the same request.
class RetryAfter {
 public:
  explicit RetryAfter(std::uint64_t hash);
  std::string_view text() const { return {digits_.data(), length_}; }

 private:
  std::array<char, 3> digits_;
  std::uint8_t length_;
};

// No buffer: not a request of the usual form outside of a dialogue. `top_via` lies in `request`; `secret` is
// that of the tags.
base::Buffer write_refusal(std::string_view request, const Via& top_via, const net::Address& source,
                           const base::SipHash::Key& secret);

// True for an ACK of the usual form to an answer without a transaction.
bool acknowledges_stateless(std::string_view ack, const net::Ip& source, const base::SipHash::Key& secret);

}  // namespace causeway::sip
