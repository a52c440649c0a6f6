// STUN as a keep-alive (RFC 5626 4.4.2): phones ask a SIP socket which address they are seen at.
#pragma once

#include <span>

#include "base/buffer.h"
#include "net/address.h"

namespace causeway::sip {

// RFC 5389 8: how STUN is told from SIP on one socket.
bool is_stun(std::span<const char> datagram);

// A Binding success response with XOR-MAPPED-ADDRESS (RFC 5389 15.2); no buffer for anything but a
// well-formed Binding request.
base::Buffer answer_binding(std::span<const char> datagram, const net::Address& from);

}  // namespace causeway::sip
