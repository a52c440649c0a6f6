// Limits of DNS lookups, each with its reason.
#pragma once

#include <cstddef>

#include "base/time.h"

namespace causeway::dns::limits {

using namespace std::chrono_literals;

// Records of one answer that are looked at. A domain with more servers than this has a name server of
// its own for them; a hostile one must not make us ask for hundreds of addresses.
inline constexpr std::size_t kMaxRecords = 16;

// Places to try for one request. Each may cost a timeout of seconds, and the caller does not wait longer.
inline constexpr std::size_t kMaxHops = 16;

// One lookup. An interactive caller gives up after about ten seconds, and RFC 3263 may take three lookups.
inline constexpr base::Duration kPatience = 4s;

// "There is no such name" is remembered this long, whatever the zone says: a new domain should be
// reachable soon, and a flood of calls to a name that is not there should not become a flood of queries.
inline constexpr base::Duration kNegative = 5s;

// Decoded answers kept beside libunbound's own cache, so that a call to a known domain needs no thread
// hop. About 200 bytes each.
inline constexpr std::size_t kMaxCached = 10'000;

}  // namespace causeway::dns::limits
