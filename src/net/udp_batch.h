// The memory of one recvmmsg or sendmmsg: 64 slots that every UDP socket of a network takes turns to
// use. Slots are address space, touched page by page as datagrams need it.
//
// Datagrams of one size that follow each other to one address leave as one piece, which the kernel cuts
// (UDP_SEGMENT): it goes down through the kernel once, not once for each, and that is most of what sending
// costs.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <span>

#include "base/buffer.h"
#include "base/limits.h"
#include "net/address.h"
#include "net/network.h"

namespace causeway::net {

class UdpBatch {
 public:
  UdpBatch();
  ~UdpBatch();
  UdpBatch(const UdpBatch&) = delete;
  UdpBatch& operator=(const UdpBatch&) = delete;

  // Reads what is there. The number of datagrams, or -1 with errno set. They stay valid until the
  // next receive.
  int receive(int fd);
  // How long the first of them had lain in the kernel's queue; zero if the socket has no SO_TIMESTAMPNS.
  std::chrono::microseconds waited() const { return waited_; }
  std::span<Datagram> received(int count) {
    return std::span(datagrams_).first(static_cast<std::size_t>(count));
  }

  struct Outgoing {
    Address to;
    base::Buffer bytes;
  };
  // Hands at most kUdpFlush of them to the kernel. The number it took, or -1 with errno set.
  int send(int fd, std::span<const Outgoing> queue);

 private:
  // Room for one control message.
  template <std::size_t kSize>
  struct alignas(cmsghdr) Control {
    std::array<char, CMSG_SPACE(kSize)> bytes;
  };
  // Thirteen cache lines beyond the size: slots at a distance of exactly 64 kB would all compete for
  // the same few sets of the processor's caches.
  static constexpr std::size_t kStride = limits::kMaxDatagram + 13 * 64;
  union SocketAddress {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };
  char* slot(std::size_t i) { return memory_ + i * kStride; }
  std::chrono::microseconds first_waited();
  int send_runs(int fd, std::span<const Outgoing> queue, std::size_t longest_run);
  void describe(std::size_t header, std::size_t first_piece, std::span<const Outgoing> run);

  char* memory_;
  std::array<SocketAddress, limits::kBatch> addresses_{};
  std::array<iovec, limits::kBatch> receive_pieces_{};
  std::array<mmsghdr, limits::kBatch> receive_headers_{};
  Control<sizeof(timespec)> stamp_{};
  std::chrono::microseconds waited_{};
  std::array<iovec, limits::kUdpFlush> send_pieces_{};
  std::array<mmsghdr, limits::kBatch> send_headers_{};
  std::array<SocketAddress, limits::kBatch> send_addresses_{};
  std::array<Control<sizeof(std::uint16_t)>, limits::kBatch> segment_sizes_{};
  std::array<std::uint16_t, limits::kBatch> runs_{};  // datagrams in each header
  std::size_t longest_run_ = limits::kMaxSegments;
  std::array<Datagram, limits::kBatch> datagrams_{};
};

}  // namespace causeway::net
