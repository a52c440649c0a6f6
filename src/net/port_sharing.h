// Whether the sockets that are opened share their ports with those of other networks of this program: the
// kernel then gives each remote address and port to one of them (SO_REUSEPORT). The first to open a port
// finds out that no other program has it; the further ones join.
#pragma once

namespace causeway::net {

enum class PortSharing { none, first, further };

}  // namespace causeway::net
