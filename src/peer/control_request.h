// What may be asked on the control socket: one line of JSON.
//
//   {"command": "status"}
//   {"command": "lookup", "uri": "sip:alice@p2psip.org"}
//   {"command": "relay_token", "user": "sip:alice@p2psip.org", "lifetime_s": 86400, "relays": 3}
//   {"command": "drain", "on": true}
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace causeway::peer {

struct ControlRequest {
  enum class Command { status, lookup, relay_token, drain };
  Command command = Command::status;
  std::string uri;                          // lookup; relay_token: the user
  std::int64_t lifetime_s = 0, relays = 0;  // relay_token
  bool on = false;                          // drain
};

// The error is a sentence for who asked.
base::Result<ControlRequest> parse_control(std::string_view line);

}  // namespace causeway::peer
