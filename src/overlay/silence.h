// Who has fallen silent. The library below asks a member three times, a second apart, before it believes
// that it is gone; after many have died at once a lookup would wait for several of them. Here a request
// that is repeated (the same bytes again) to a member that used to answer, and was silent since the first
// time, tells that it is gone: after one second instead of three. So does an ICMP error.
//
// It is only told where there are enough others to ask; the library forgives as soon as it is heard again.
#pragma once

#include <deque>
#include <span>
#include <unordered_map>

#include "base/time.h"
#include "net/address.h"

namespace causeway::overlay {

class Silence {
 public:
  void heard(const net::Address& from, base::Instant now);
  void unreachable(const net::Address& to, base::Instant now);
  // Notes that these bytes are sent to the address. True if it has fallen silent.
  bool sent(const net::Address& to, std::span<const std::uint8_t> bytes, base::Instant now);

  std::size_t watched() const { return heard_.size() + unreachable_.size(); }

 private:
  struct Sent {
    base::Instant at;
    std::size_t what;  // hash of address and bytes
  };
  void forget_old(base::Instant now);

  std::unordered_map<std::size_t, base::Instant> first_sent_;
  std::deque<Sent> order_;  // of first_sent_
  std::unordered_map<net::Address, base::Instant> heard_, unreachable_;
};

}  // namespace causeway::overlay
