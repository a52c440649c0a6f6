// Where media and checks may go because somebody outside has named it: this peer sends them from the network
// that it stands in, where not everything is meant for him (RFC 8656 21.4 has the same of relays).
//
// Private networks are allowed: phones of a site call each other there, and who is asked by ICE has to answer
// before he gets media. Never, unless the operator has named a range for it: loopback, link-local addresses,
// IPv4 in IPv6 clothing (net/address_policy.h); and without ICE this machine itself. Where there is nobody at
// all (unspecified, multicast) was left out before (ua/candidate.h).
#pragma once

#include <vector>

#include "base/metrics.h"
#include "net/address_policy.h"
#include "ua/offer_answer.h"

namespace causeway::anchor {

class Destinations {
 public:
  // `refused` counts addresses.
  Destinations(std::vector<net::Range> allowed, base::Counter& refused)
      : allowed_(std::move(allowed)), refused_(refused) {}

  // Leaves out what may not be sent to. False if media has no address any more: it has named no other.
  bool narrow(ua::RemoteMedia& media) const;

 private:
  bool allows(const net::Ip& ip, bool own) const;

  const std::vector<net::Range> allowed_;
  base::Counter& refused_;
};

}  // namespace causeway::anchor
