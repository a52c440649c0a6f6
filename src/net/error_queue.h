// What ICMP has said about datagrams of a socket that asks for it (ip(7), IP_RECVERR, IPV6_RECVERR).
#pragma once

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "base/limits.h"
#include "net/address.h"

namespace causeway::net {

// Empties the queue, kBatch messages at most: f(to, error) for each, with the address that the datagram was
// for.
template <class F>
void for_each_socket_error(int fd, F&& f) {
  for (std::size_t i = 0; i < limits::kBatch; ++i) {
    sockaddr_storage to{};
    alignas(cmsghdr) std::array<char, 512> control;
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = sizeof to;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
      const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
      const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
      if (!v4 && !v6) continue;
      sock_extended_err error;
      std::memcpy(&error, CMSG_DATA(c), sizeof error);
      f(Address::from_sockaddr(reinterpret_cast<const sockaddr&>(to)), error);
    }
  }
}

}  // namespace causeway::net
