// What this user agent says of itself.
#pragma once

#include <string_view>

namespace causeway::ua {

inline constexpr std::string_view kAllowed = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE";
inline constexpr std::string_view kSupported = "100rel, timer";
inline constexpr std::string_view kAccepted = "application/sdp";

}  // namespace causeway::ua
