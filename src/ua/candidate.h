// ICE candidates as SDP writes them (RFC 8839 5.1). UDP alone: candidates of other transports (RFC 6544) and
// those that are names instead of addresses (mDNS) are not for us, and the rest goes on without them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/address.h"

namespace causeway::ua {

struct Candidate {
  enum class Type : std::uint8_t { host, server_reflexive, peer_reflexive, relayed };

  std::string foundation;      // 1 to 32 of ALPHA DIGIT + /
  unsigned component = 1;      // 1: RTP, and RTCP where they are multiplexed
  std::uint32_t priority = 1;  // 1 to 2^31 - 1
  net::Address address;
  Type type = Type::host;
  std::optional<net::Address> related;  // what it was found from (raddr, rport)
  bool operator==(const Candidate&) const = default;
};

// "host", "srflx", "prflx", "relay"
std::string_view candidate_type_name(Candidate::Type type);

// The value of a=candidate. Refused: what is not one, what is not over UDP, and addresses to which nobody
// has a reason to send (no port, unspecified, multicast, broadcast).
base::Result<Candidate> parse_candidate(std::string_view value);
// What follows "a=candidate:".
std::string write(const Candidate& candidate);

// Whether media and checks may go to such an address at all. It says nothing about whose it is.
bool is_destination(const net::Address& address);

}  // namespace causeway::ua
