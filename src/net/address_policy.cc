#include "net/address_policy.h"

#include <ifaddrs.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <span>

namespace causeway::net {
namespace {

// Of IANA's special-purpose address registries (RFC 6890, RFC 8190) the ones that hosts behind a NAT have,
constexpr std::string_view kSite[] = {
    "10.0.0.0/8",      // private (RFC 1918)
    "172.16.0.0/12",   // private
    "192.168.0.0/16",  // private
    "100.64.0.0/10",   // shared: carriers' NATs (RFC 6598)
    "fc00::/7",        // unique local (RFC 4193)
};

// the others, and multicast.
constexpr std::string_view kSpecial[] = {
    "0.0.0.0/8",          // this network (RFC 791)
    "127.0.0.0/8",        // loopback (RFC 1122)
    "169.254.0.0/16",     // link-local, and clouds' metadata services (RFC 3927)
    "192.0.0.0/24",       // protocol assignments (RFC 6890)
    "192.0.2.0/24",       // documentation (RFC 5737)
    "192.31.196.0/24",    // AS112 (RFC 7535)
    "192.52.193.0/24",    // AMT (RFC 7450)
    "192.88.99.0/24",     // 6to4 relays (RFC 7526)
    "192.175.48.0/24",    // AS112 (RFC 7534)
    "198.18.0.0/15",      // benchmarking (RFC 2544)
    "198.51.100.0/24",    // documentation
    "203.0.113.0/24",     // documentation
    "224.0.0.0/4",        // multicast
    "240.0.0.0/4",        // reserved, broadcast (RFC 1112, RFC 919)
    "::/8",               // unspecified, loopback, IPv4 in IPv6 (NAT64's 64:ff9b::/96 and 64:ff9b:1::/48 too)
    "100::/64",           // discard (RFC 6666)
    "2001::/23",          // protocol assignments: Teredo, benchmarking, ORCHID (RFC 2928)
    "2001:db8::/32",      // documentation (RFC 3849)
    "2002::/16",          // 6to4 (RFC 3056)
    "2620:4f:8000::/48",  // AS112
    "3fff::/20",          // documentation (RFC 9637)
    "5f00::/16",          // segment routing (RFC 9602)
    "fe80::/10",          // link-local
    "fec0::/10",          // site-local (RFC 3879)
    "ff00::/8",           // multicast
};

std::vector<Range> parse_all(std::span<const std::string_view> texts) {
  std::vector<Range> all;
  for (const std::string_view text : texts) all.push_back(Range::parse(text).value());
  return all;
}

const std::vector<Range>& special() {
  static const std::vector<Range> ranges = parse_all(kSpecial);
  return ranges;
}

const std::vector<Range>& site() {
  static const std::vector<Range> ranges = parse_all(kSite);
  return ranges;
}

Ip v4_at(const Ip& ip, std::size_t at, std::uint32_t mask = 0) {
  const auto& b = ip.bytes();
  return Ip::v4((std::uint32_t{b[at]} << 24 | std::uint32_t{b[at + 1]} << 16 | std::uint32_t{b[at + 2]} << 8 |
                 b[at + 3]) ^
                mask);
}

}  // namespace

base::Result<Range> Range::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto ip = Ip::parse(text.substr(0, slash));
  if (!ip)
    return base::fail("'{}': expected an address or a range such as 10.0.0.0/8 or 2001:db8::/32", text);
  const unsigned most = ip->is_v4() ? 32 : 128;
  unsigned bits = most;
  if (slash != text.npos) {
    const std::string_view number = text.substr(slash + 1);
    const char* end = number.data() + number.size();
    const auto [at, error] = std::from_chars(number.data(), end, bits);
    if (error != std::errc{} || at != end || bits > most)
      return base::fail("'{}': expected 0 to {} bits after '/', found '{}'", text, most, number);
  }
  return Range{*ip, static_cast<std::uint8_t>(bits)};
}

bool Range::contains(const Ip& other) const {
  if (other.is_v4() != ip.is_v4()) return false;
  const std::size_t whole = bits / 8;
  const auto& a = ip.bytes();
  const auto& b = other.bytes();
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) return false;
  return bits % 8 == 0 || ((a[whole] ^ b[whole]) >> (8 - bits % 8)) == 0;
}

bool any_contains(const std::vector<Range>& ranges, const Ip& ip) {
  return std::ranges::any_of(ranges, [&](const Range& range) { return range.contains(ip); });
}

std::optional<Ip> unwrap(const Ip& ip) {
  if (ip.is_v4()) return std::nullopt;
  static const Range kCompatible = *Range::parse("::/96"), kMapped = *Range::parse("::ffff:0:0/96"),
                     kTranslated = *Range::parse("::ffff:0:0:0/96"), kNat64 = *Range::parse("64:ff9b::/96"),
                     kLocalNat64 = *Range::parse("64:ff9b:1::/48"), kTeredo = *Range::parse("2001::/32"),
                     k6to4 = *Range::parse("2002::/16");
  if (kTeredo.contains(ip)) return v4_at(ip, 12, 0xffffffff);  // RFC 4380 4: the client's, inverted
  if (k6to4.contains(ip)) return v4_at(ip, 2);
  for (const Range& range : {kCompatible, kMapped, kTranslated, kNat64, kLocalNat64})
    if (range.contains(ip)) return v4_at(ip, 12);
  const auto& b = ip.bytes();
  if ((b[8] & 0xfd) == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe)
    return v4_at(ip, 12);  // ISATAP, RFC 5214
  return std::nullopt;
}

bool AddressPolicy::is_allowed_range(const Ip& ip) const { return any_contains(allowed_, ip); }

bool AddressPolicy::is_own(const Ip& ip) const { return std::ranges::find(own_, ip) != own_.end(); }

AddressPolicy::Verdict AddressPolicy::judge(const Ip& ip) const {
  if (unwrap(ip)) return Verdict::wrapped;
  if (is_allowed_range(ip)) return Verdict::allowed;
  if (is_own(ip) && !ip.is_loopback()) return Verdict::own;
  if (any_contains(site(), ip)) return Verdict::site;
  return any_contains(special(), ip) ? Verdict::special : Verdict::allowed;
}

std::vector<Ip> interface_addresses() {
  std::vector<Ip> all;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return all;
  for (const ifaddrs* one = list; one; one = one->ifa_next)
    if (one->ifa_addr && (one->ifa_addr->sa_family == AF_INET || one->ifa_addr->sa_family == AF_INET6))
      all.push_back(Address::from_sockaddr(*one->ifa_addr).ip);
  ::freeifaddrs(list);
  return all;
}

}  // namespace causeway::net
