#include "net/descriptor.h"

#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/limits.h"

namespace causeway::net {

void Descriptor::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Descriptor open_socket(const Ip& ip, int type) {
  Descriptor fd(::socket(ip.is_v4() ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd && ip.is_v6()) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  return fd;
}

bool set_option(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// SO_REUSEPORT lets any program of this user join. Who sets it only after it has bound is refused where
// somebody listens already, joiners or not.
bool bind_to(int fd, const Address& local, PortSharing sharing) {
  if (sharing == PortSharing::further && !set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1)) return false;
  sockaddr_storage storage{};
  const socklen_t length = local.to_sockaddr(storage);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) != 0) return false;
  return sharing != PortSharing::first || set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

Address local_address(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return {};
  return Address::from_sockaddr(reinterpret_cast<const sockaddr&>(storage));
}

void enlarge_buffers(int fd) {
  for (const auto& [force, plain] :
       {std::pair{SO_RCVBUFFORCE, SO_RCVBUF}, std::pair{SO_SNDBUFFORCE, SO_SNDBUF}})
    if (!set_option(fd, SOL_SOCKET, force, limits::kUdpSocketBuffer))
      set_option(fd, SOL_SOCKET, plain, limits::kUdpSocketBuffer);
}

std::string explain_bind_error(std::string_view transport, const Address& local, int error) {
  const std::string where = fmt::format("{} {}", transport, local.text());
  switch (error) {
    case EADDRINUSE:
      return fmt::format(
          "{}: address in use; another program listens there, perhaps another peer (see: ss -lnp 'sport = "
          "{}'); stop it or choose another port",
          where, local.port);
    case EADDRNOTAVAIL:
      return fmt::format("{}: this machine has no such address; use one that `ip address` shows, or {}",
                         where, local.ip.is_v4() ? "0.0.0.0" : "[::]");
    case EACCES:
      return fmt::format("{}: not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE", where);
    case EAFNOSUPPORT:
      return fmt::format("{}: this machine has no {}; leave the address out", where,
                         local.ip.is_v4() ? "IPv4" : "IPv6");
    case EMFILE:
    case ENFILE:
      return fmt::format("{}: out of file descriptors; raise the limit (ulimit -n)", where);
    default:
      return fmt::format("{}: {}", where, error_text(error));
  }
}

std::string error_text(int error) { return std::generic_category().message(error); }

}  // namespace causeway::net
