// REGISTERs that say the same again: nearly all that come. A phone refreshes its binding a thousand times
// with the same Contact from the same place, and then nothing is new but the time, the CSeq and perhaps the
// Call-ID.
//
// So a binding remembers a hash of all that its REGISTER said, but those, and of the way it came. If it comes
// again, none of it needs to be read again.
#pragma once

#include <cstdint>
#include <string_view>

#include "sip/flow.h"
#include "sip/message.h"

namespace causeway::registrar {

// What decides how a binding is made and what the answer shows: Contact, Expires, Path, Supported, the
// sent-by of the top Via (a NAT shows there), and the flow. 0: nothing of which a single binding could come.
std::uint64_t what_is_asked(const sip::Message& request, const sip::Flow& flow, std::uint64_t seed);

// The user in a To as nearly all phones write it, <sip:alice@p2psip.org>; else empty, and it takes a parser.
// `domain` in lower case.
std::string_view usual_user(std::string_view to, std::string_view domain);

}  // namespace causeway::registrar
