// Limits of the SIP core, in one place, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace causeway::sip::limits {

using namespace std::chrono_literals;

// One message. UDP allows no more; over a stream nobody needs more for signalling.
inline constexpr std::size_t kMaxMessage = 65535;

// Start line and headers, over a stream, before they are given up.
inline constexpr std::size_t kMaxHeaderBytes = 32 << 10;

// Header field lines. 70 hops of Via and Record-Route, one a line, and the rest.
inline constexpr std::size_t kMaxHeaderFields = 256;

// Splices for one forwarded message: Request-URI, Max-Forwards, Via, four Record-Routes, the Routes
// that are ours, identity headers. 24 is twice the most seen.
inline constexpr std::size_t kMaxEdits = 24;

// RFC 3261 17.1.1.1 (and table 4): the estimate of the round-trip time, and what follows from it.
inline constexpr base::Duration kT1 = 500ms;
inline constexpr base::Duration kT2 = 4s;
inline constexpr base::Duration kT4 = 5s;
inline constexpr base::Duration k64T1 = 64 * kT1;   // B, F, H, J, L, M
inline constexpr base::Duration kTimerD = 32s;      // 17.1.1.2: at least 32 s over UDP
inline constexpr base::Duration kTimerC = 180s + 1s;  // 16.6 step 11: MUST be larger than 3 minutes

// The 100 that a proxy owes a caller that would otherwise retransmit (17.2.1).
inline constexpr base::Duration kTryingDelay = 200ms;

// A request longer than this leaves over a stream if the target offers one (18.1.1).
inline constexpr std::size_t kMaxUdpRequest = 1300;

// Idle streams: longer than the longest keep-alive interval that RFC 5626 4.4.1 recommends (120 s
// for TCP), with room for a lost one.
inline constexpr base::Duration kStreamIdle = 300s;
// A message that has begun on a stream must be complete within this.
inline constexpr base::Duration kStreamMessage = 20s;

}  // namespace causeway::sip::limits
