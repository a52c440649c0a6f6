// What may be asked on the control socket: one line of JSON.
//
//   {"command": "status"}
//   {"command": "lookup", "uri": "sip:alice@p2psip.org"}
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace causeway::peer {

struct ControlRequest {
  enum class Command { status, lookup };
  Command command = Command::status;
  std::string uri;  // lookup
};

// The error is a sentence for who asked.
base::Result<ControlRequest> parse_control(std::string_view line);

}  // namespace causeway::peer
