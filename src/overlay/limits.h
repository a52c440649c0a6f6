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

// Records that one member may have at one holder, under all keys together. A registrar with 100,000
// phones in a domain of 10 peers has 80,000 at each; in a larger domain fewer.
inline constexpr std::size_t kMaxRecordsPerSigner = 100'000;

// Bytes of records that a holder keeps: 100,000 users of 600 bytes.
inline constexpr std::size_t kMaxStored = 64 << 20;

// Requests that a node answers a second, from all members together and from one address. A lookup is
// about 20 requests over 8 to 11 nodes; many peers may stand behind one address.
inline constexpr int kMaxRequestsPerSecond = 16'384;
inline constexpr int kMaxRequestsPerSecondPerAddress = 8'192;

// Records whose check is remembered by a hash of their bytes, so that the eight copies that come for
// one lookup cost one signature. 64 bytes each.
inline constexpr std::size_t kMaxRememberedChecks = 4096;

// Searches (operations on one key) that the engine remembers. Each costs about 5 kB.
inline constexpr int kMaxSearches = 8192;

// Own records sent to the overlay per step when this peer meets the first other member, and the time
// between two steps: 100,000 records take 40 s and fill no queue.
inline constexpr std::size_t kRepublishBatch = 25;
inline constexpr base::Duration kRepublishStep = 10ms;

// Nodes kept in the file of saved nodes: enough that some are alive after a week.
inline constexpr std::size_t kMaxSavedNodes = 200;

}  // namespace causeway::overlay::limits
