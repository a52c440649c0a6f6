// A TURN server, and what one needs to be let in.
#pragma once

#include <string>

#include "net/address.h"

namespace causeway::ua {

struct RelayServer {
  net::Endpoint endpoint;
  std::string user, password;
  std::string tls_name;  // that its certificate must bear; empty: its address
  bool operator==(const RelayServer&) const = default;
};

}  // namespace causeway::ua
