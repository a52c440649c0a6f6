// The request as it leaves (RFC 3261 16.6 steps 2 to 8): the bytes that came, with a few splices.
//
//   Plan  what is the same for all branches of a request
//   Leg   what is this branch's own
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "proxy/core.h"

namespace causeway::proxy {

struct Plan {
  int pop = 0;            // own Route values at the top
  int pop_behind = 0;     // and behind the flow that it goes down
  int max_forwards = -1;  // as it came
  std::uint32_t loop_hash = 0;
  bool record_route = false;
  bool from_outside = false;  // it crosses the boundary inward here
  bool from_member = false;   // it came over a peer link
  bool from_user = false;     // ... of a user's, who speaks for himself only: no identity headers
  bool secure = false;        // SIPS
  std::string caller_flow;    // the caller's phone is here: "_P.TOKEN"
  sip::Flow from;             // whence
  bool stays_here = false;    // the caller's phone is to send everything of the dialogue through this peer

  void reset() {
    Plan fresh;
    fresh.caller_flow = std::move(caller_flow);  // keeps its room
    fresh.caller_flow.clear();
    *this = std::move(fresh);
  }
};

struct Leg {
  std::string_view uri;           // new Request-URI; empty: unchanged
  int pop = 0;                    // Route values beyond the plan's to take out
  std::string_view callee_token;  // it goes down to a phone: the token of its binding
  std::string_view callee_flow;   // ... or, without a binding, the flow URI's user part as it came
  std::string_view path;          // RFC 3327: values, topmost first; empty: none
  bool stays_here = false;        // the callee's phone is to send everything through this peer
  bool to_outside = false;        // it crosses the boundary outward here
  int breadth = 0;                // this branch's share (RFC 5393)
  std::string_view contact;       // Contact of a public registration; empty: unchanged
};

// Empty buffer: it cannot be done (too many headers that are ours to change).
base::Buffer splice_request(const sip::Message& request, const Plan& plan, const Leg& leg, const Core& core,
                            const sip::Flow& flow, std::string_view branch);

// The response as it goes back: our Via taken out. `status` may differ from what came (503 as 500).
base::Buffer splice_response(const sip::Message& response, int status, const PublicRegister* registration,
                             const Core& core);

}  // namespace causeway::proxy
