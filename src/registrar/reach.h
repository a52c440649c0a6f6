// Which way leads back to a phone: down the flow that its REGISTER came on, or to its Contact.
#pragma once

#include <optional>

#include "net/address.h"
#include "registrar/register_request.h"
#include "sip/flow.h"

namespace causeway::registrar {

// True if the phone asks for its flow (RFC 5626), a NAT shows, or the Contact names the very stream that
// the request came on (a connection to a phone can seldom be made anew).
bool reach_by_flow(const sip::Message& request, const ContactChange& contact, const sip::Flow& flow);

// Where a URI with a numeric host leads without asking the DNS (RFC 3263 4.1 and 4.2), if it has one.
std::optional<net::Endpoint> numeric_endpoint(const sip::Uri& uri);

}  // namespace causeway::registrar
