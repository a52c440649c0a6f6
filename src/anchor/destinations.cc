#include "anchor/destinations.h"

#include <algorithm>

namespace causeway::anchor {

namespace {

// Of this machine, or of a wire that it is on.
const std::vector<net::Range>& unroutable() {
  static const std::vector<net::Range> ranges = {*net::Range::parse("127.0.0.0/8"),
                                                 *net::Range::parse("169.254.0.0/16"),
                                                 *net::Range::parse("::1"), *net::Range::parse("fe80::/10")};
  return ranges;
}

}  // namespace

// `own`: this machine's addresses, too.
bool Destinations::allows(const net::Ip& ip, bool own) const {
  if (net::unwrap(ip)) return false;
  if (net::any_contains(allowed_, ip)) return true;
  if (net::any_contains(unroutable(), ip)) return false;
  if (own) return true;
  const auto here = net::interface_addresses();
  return std::ranges::find(here, ip) == here.end();
}

bool Destinations::narrow(ua::RemoteMedia& media) const {
  if (media.ice) {
    for (auto* candidates : {&media.candidates, &media.rtcp_candidates})
      refused_.add(std::erase_if(
          *candidates, [&](const ua::Candidate& candidate) { return !allows(candidate.address.ip, true); }));
    return true;
  }
  if (media.rtcp && !allows(media.rtcp->ip, false)) {
    ++refused_;
    media.rtcp.reset();
  }
  if (media.rtp.port == 0 || allows(media.rtp.ip, false)) return true;
  ++refused_;
  media.rtp = {};
  media.rtcp.reset();
  return false;
}

}  // namespace causeway::anchor
