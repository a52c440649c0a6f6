// The data of DNS records, from the wire (RFC 1035 3.3, RFC 2782, RFC 3403 4.1). Names are
// uncompressed here (libunbound has undone that), in lower case, without the final dot.
#pragma once

#include <optional>
#include <span>

#include "dns/resolver.h"

namespace causeway::dns {

using Rdata = std::span<const std::uint8_t>;

std::optional<Naptr> decode_naptr(Rdata data);
std::optional<Srv> decode_srv(Rdata data);
std::optional<net::Ip> decode_a(Rdata data);
std::optional<net::Ip> decode_aaaa(Rdata data);

}  // namespace causeway::dns
