// Datagrams that leave as one piece, which the kernel cuts (UDP_SEGMENT), and what it has put together when
// it is received (UDP_GRO).
#pragma once

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include "base/limits.h"

namespace causeway::net {

// Room for one control message.
template <std::size_t kSize>
struct alignas(cmsghdr) Control {
  std::array<char, CMSG_SPACE(kSize)> bytes;
};

// How many of `count` datagrams, from the first on, may leave as one piece. `size` is the first one's;
// same(i): the i-th has this size too, and the same way to go.
template <class Same>
std::size_t run_length(std::size_t size, std::size_t count, std::size_t longest, Same&& same) {
  if (size == 0 || size > limits::kMaxSegment) return 1;
  longest = std::min({longest, count, limits::kMaxSegmented / size});
  std::size_t length = 1;
  while (length < longest && same(length)) ++length;
  return length;
}

// Has the message cut into datagrams of this size.
inline void set_segment_size(msghdr& message, Control<sizeof(std::uint16_t)>& control, std::size_t size) {
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  cmsghdr* segment = CMSG_FIRSTHDR(&message);
  segment->cmsg_level = SOL_UDP;
  segment->cmsg_type = UDP_SEGMENT;
  segment->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
  const auto value = static_cast<std::uint16_t>(size);
  std::memcpy(CMSG_DATA(segment), &value, sizeof value);
}

// Of a message that was received: what it is to be cut into; nothing if it is one datagram.
inline std::optional<std::size_t> segment_size(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      int size = 0;
      std::memcpy(&size, CMSG_DATA(c), sizeof size);
      if (size > 0) return static_cast<std::size_t>(size);
    }
  return std::nullopt;
}

}  // namespace causeway::net
