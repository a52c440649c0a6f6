// STUN as it is asked of everybody: "which address do you see me at?" Phones do it at SIP sockets to keep
// NATs open (RFC 5626 4.4.2), ICE agents at relays.
#pragma once

#include <string_view>

#include "base/buffer.h"
#include "net/address.h"

namespace causeway::stun {

// A Binding success response with XOR-MAPPED-ADDRESS, and FINGERPRINT if the request has one. No buffer for
// anything but a well-formed Binding request; 420 if it demands what is not understood (RFC 8489 6.3.1).
base::Buffer answer_binding(std::string_view datagram, const net::Address& from);

}  // namespace causeway::stun
