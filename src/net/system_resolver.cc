#include "net/system_resolver.h"

#include <netdb.h>
#include <sys/socket.h>

namespace causeway::net {

base::Result<std::vector<Address>> resolve_now(const std::string& host_port) {
  if (auto numeric = Address::parse(host_port)) return std::vector{*numeric};
  const auto colon = host_port.rfind(':');
  if (colon == host_port.npos) return base::fail("expected HOST:PORT, found '{}'", host_port);
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_DGRAM;
  const int error =
      getaddrinfo(host_port.substr(0, colon).c_str(), host_port.substr(colon + 1).c_str(), &hints, &found);
  if (error != 0) return base::fail("{}: {}", host_port, gai_strerror(error));
  std::vector<Address> all;
  for (auto* one = found; one; one = one->ai_next) all.push_back(Address::from_sockaddr(*one->ai_addr));
  freeaddrinfo(found);
  return all;
}

}  // namespace causeway::net
