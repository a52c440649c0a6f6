// The top Via of a request gets the address that the request came from (RFC 3261 18.2.1, RFC 3581 4).
//
// It is done before the message is parsed, while it is copied once: the common case (a phone that asks
// for rport) then costs one short scan and one copy of a few hundred bytes, and everything above sees
// a message that is complete and whose parts lie in one piece.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "net/address.h"
#include "sip/headers.h"

namespace causeway::sip {

// The first value of the first Via line of a message (start line first); none without one that is well
// formed. Reads no further than that line.
std::optional<Via> find_top_via(std::string_view message);

// True if the Via lacks something that `source` has to say, or says it wrongly.
bool needs_source(const Via& via, const net::Address& source);

// Room that complete_via may need beyond the message.
inline constexpr std::size_t kSourceRoom = 96;

// Copies `message` to `scratch` (at least kSourceRoom larger) with received and, if asked for, rport in
// `via`, which lies in `message`. What the sender has put there in their place is taken out.
std::string_view complete_via(std::string_view message, const Via& via, const net::Address& source,
                              std::span<char> scratch);

}  // namespace causeway::sip
