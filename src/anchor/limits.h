// Limits of those media paths that a peer stands in, each with its reason, like those of base/limits.h.
#pragma once

#include <cstddef>

#include "base/time.h"

namespace causeway::anchor::limits {

using namespace std::chrono_literals;

// Calls at one time, and those of one user, unless the operator says otherwise. A user has a phone with two
// lines, or is a small office.
inline constexpr std::size_t kMaxCalls = 200;
inline constexpr std::size_t kMaxUserCalls = 32;

// Descriptors of a call: a libnice agent's, with sockets for each address of the machine and each relay, for
// RTP and for RTCP, and two towards the phone. On a machine with one address and two relays there are seven.
inline constexpr std::size_t kCallDescriptors = 12;

// So many are free when a call begins, or it is refused: GLib ends the process when it gets none.
inline constexpr std::size_t kFreeDescriptors = 64;

// Relays near this peer are waited for no longer: the caller hears nothing meanwhile. Measuring them takes a
// second, asking the overlay some more.
inline constexpr base::Duration kRelayPatience = 2s;

// A way to the world is looked for so long, by checks that begin anew when those before have found nothing:
// RFC 8863 wants no less than 39.5 s, since the other side may begin late.
inline constexpr base::Duration kSearch = 40s;

// A call from whose phone, and from whose other side, nothing has come for so long has ended without a word.
// Phones that are on hold send reports every few seconds, and a path with ICE is asked all the time.
inline constexpr base::Duration kSilence = 300s;

// A phone whose packets come from another port than before (its NAT has forgotten it) is followed after so
// long a silence of the old one: who shares its address cannot talk into a call that is talked in.
inline constexpr base::Duration kSourceSilence = 5s;

// Packets a second from a phone: as from the other side (ua/limits.h).
inline constexpr int kMaxFromPhone = 1000;

// Packets that are read from one socket before others have their turn.
inline constexpr int kMaxAtOnce = 32;

// Pairs of ports that are tried for one call before it is told that there is none.
inline constexpr int kMaxPortTries = 64;

}  // namespace causeway::anchor::limits
