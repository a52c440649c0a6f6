// The two requests that a client transaction makes itself, hop by hop, from the request it has sent.
#pragma once

#include "base/buffer.h"
#include "sip/message.h"

namespace causeway::sip {

// RFC 3261 17.1.1.3: the ACK for a final response other than 2xx.
base::Buffer make_ack(const Message& invite, const Message& response);

// RFC 3261 9.1.
base::Buffer make_cancel(const Message& invite);

}  // namespace causeway::sip
