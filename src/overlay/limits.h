// Limits of the overlay, in one place, each with its reason. (The size of one record is record.h's
// kMaxRecord.)
#pragma once

#include <cstddef>

#include "base/time.h"

namespace causeway::overlay::limits {

using namespace std::chrono_literals;

// Members whose records may stand under one key. A hundred records of 400 bytes still arrive within
// one round trip or two; a thousand take up to a second.
inline constexpr std::size_t kMaxSignersPerKey = 64;

// Bytes of records that a holder keeps (200,000 users of 500 bytes), and how many of them one member
// may have put: no member can crowd out all others, and one registrar may have 100,000 phones.
inline constexpr std::size_t kMaxStored = 100 << 20;
inline constexpr std::size_t kMaxStoredPerSigner = 50 << 20;

// Requests that a node answers a second, from all members together and from one address. A lookup is
// about 20 requests over 8 to 11 nodes; many peers may stand behind one address.
inline constexpr int kMaxRequestsPerSecond = 16'384;
inline constexpr int kMaxRequestsPerSecondPerAddress = 8'192;

// A sealed datagram. The engine sends values in parts of at most 1,280 bytes, with up to 60 bytes of
// its own, and 37 of the seal and what is in it: below Ethernet's 1,500 less the headers of IPv6 and UDP.
inline constexpr std::size_t kMaxDatagram = 1452;

// Records whose check is remembered by a hash of their bytes, so that the eight copies that come for
// one lookup cost one signature. About 3 kB each.
inline constexpr std::size_t kMaxRememberedChecks = 1024;

// Own records sent to the overlay per step when this peer meets the first other member, and the time
// between two steps: 100,000 records take 40 s and fill no queue.
inline constexpr std::size_t kRepublishBatch = 25;
inline constexpr base::Duration kRepublishStep = 10ms;

// Nodes kept in the file of saved nodes: enough that some are alive after a week.
inline constexpr std::size_t kMaxSavedNodes = 200;

}  // namespace causeway::overlay::limits
