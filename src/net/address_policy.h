// Which addresses a peer may send a stranger's bytes to. One object decides for everything that ever relays,
// so that a relay is no way into the network that it stands in (RFC 8656 21.4, RFC 4380 5.4).
//
// An address is first unwrapped: IPv4 in IPv6 clothing (mapped, compatible, NAT64, 6to4, Teredo, ISATAP) is
// judged by what would be reached, and every such form is refused by itself as well, because routers unwrap
// them too. Refused by default is what is not globally reachable (RFC 6890 and IANA's special-purpose
// registries), multicast, and this machine's own addresses. An operator may allow ranges; that does not open
// the clothing: a range names the plain addresses.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/address.h"

namespace causeway::net {

// Addresses with the same first bits: "10.0.0.0/8", "2001:db8::/32", "192.0.2.1".
struct Range {
  Ip ip;
  std::uint8_t bits = 0;
  static base::Result<Range> parse(std::string_view text);
  bool contains(const Ip& other) const;
};
bool any_contains(const std::vector<Range>& ranges, const Ip& ip);

class AddressPolicy {
 public:
  enum class Verdict : std::uint8_t {
    allowed,
    wrapped,  // IPv4 in IPv6
    own,      // this machine's, but for loopback
    site,     // of the network that somebody stands in (RFC 1918, 6598, 4193): another one than this, mostly
    special,  // otherwise not globally reachable: loopback, link-local, documentation, ...
  };

  // Beyond what is globally reachable. Own addresses stay refused unless a range of these names them.
  void allow(std::vector<Range> ranges) { allowed_ = std::move(ranges); }
  void set_own(std::vector<Ip> addresses) { own_ = std::move(addresses); }

  Verdict judge(const Ip& ip) const;
  bool allows(const Ip& ip) const { return judge(ip) == Verdict::allowed; }
  bool is_own(const Ip& ip) const;

 private:
  bool is_allowed_range(const Ip& ip) const;
  std::vector<Range> allowed_;
  std::vector<Ip> own_;
};

// The IPv4 address that an IPv6 address carries, if it is of a form that some router or kernel unwraps.
std::optional<Ip> unwrap(const Ip& ip);

// The addresses of this machine's interfaces.
std::vector<Ip> interface_addresses();

}  // namespace causeway::net
