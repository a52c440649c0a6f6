// Host names by the system's resolver: what a program looks up once, at its start, before it has one of its
// own (dns/resolver.h). It blocks.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "net/address.h"

namespace causeway::net {

// "host:port", or an address and port. Never an empty list.
base::Result<std::vector<Address>> resolve_now(const std::string& host_port);

}  // namespace causeway::net
