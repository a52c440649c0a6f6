// A request of this program's own (RFC 3261 8.1.1), beside make_response (rewrite.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "sip/flow.h"
#include "sip/rewrite.h"

namespace causeway::sip {

struct NewRequest {
  std::string_view method, uri;
  std::string_view from, to, call_id;  // whole values, with their tags
  std::uint32_t cseq = 1;
  int max_forwards = 70;
  std::span<const std::string> routes;  // values of Route, the first hop first
  std::span<const ExtraHeader> extra;   // a body's Content-Type among them
  std::string_view body;
};

// "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK...;rport" (RFC 3581 3).
std::string via_value(const Flow& flow, std::string_view sent_by, std::string_view branch);

// Control characters in what is given become spaces, so that no value can add a line.
base::Buffer make_request(const NewRequest& request, std::string_view via);

}  // namespace causeway::sip
