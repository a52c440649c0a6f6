// What a request must be before it is forwarded (RFC 3261 16.3, RFC 5393).
//
// The loop hash covers everything that decides where this peer sends a request: Request-URI, Route set,
// Call-ID, tags, CSeq, credentials. It stands in the branch of our Via. A request that comes back with
// the same hash has looped (482); one that comes back with another Request-URI or Route spirals, and
// goes on. It is seeded for each start of each peer, so the Via of another peer never matches.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/limits.h"
#include "sip/message.h"

namespace causeway::proxy {

struct Refusal {
  int status = 0;  // 0: none
  std::string_view reason;
  explicit operator bool() const { return status != 0; }
};

struct Validated {
  sip::Uri uri;           // Request-URI
  int max_forwards = -1;  // as it came; -1: none. 0 goes no further, but may be for this peer itself
  int breadth = limits::kMaxBreadth;
  int passes = 0;  // of peers like this one, on its way here
  std::uint32_t loop_hash = 0;
};

Refusal validate(const sip::Message& request, Validated& result);
// Of a request that goes further: 482, or its loop hash.
Refusal check_loop(const sip::Message& request, std::uint64_t seed, Validated& result);

std::uint32_t loop_hash(const sip::Message& request, std::uint64_t seed);
// Is there a Via with that hash in its branch? Counts those that are of our making, up to it.
bool has_looped(const sip::Message& request, std::uint32_t hash, int& passes);

}  // namespace causeway::proxy
