// Addresses as they stand in records and on peer links: a byte string of IP (4 or 16) and port (2).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/msgpack.h"
#include "net/address.h"

namespace causeway::overlay {

// Into at least 18 bytes; gives how many were written.
std::size_t put_address(const net::Address& address, std::uint8_t* out);
// None: another length, port 0, or no address.
std::optional<net::Address> read_address(std::span<const std::uint8_t> in);

// At most limits::kMaxEndpoints of them, as an array of byte strings.
void write_addresses(base::MsgpackWriter& out, const std::vector<net::Address>& addresses);
bool read_addresses(base::MsgpackReader& in, std::vector<net::Address>& out);

}  // namespace causeway::overlay
