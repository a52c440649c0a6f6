// The order in which SRV records are tried (RFC 2782): priorities ascending; within one, drawn by
// weight, anew for each call.
#pragma once

#include <vector>

#include "base/random.h"
#include "dns/resolver.h"

namespace causeway::dns {

// Records whose target is the root ("no such service here") are left out.
std::vector<Srv> in_order(std::vector<Srv> records, base::Random& random);

}  // namespace causeway::dns
