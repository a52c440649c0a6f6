// The memory of one recvmmsg or sendmmsg: 64 slots that every UDP socket of a network takes turns to
// use. Slots are address space, touched page by page as datagrams need it.
//
// Datagrams of one size that follow each other to one address leave as one piece, which the kernel cuts
// (UDP_SEGMENT): it goes down through the kernel once, not once for each, and that is most of what sending
// costs. The same the other way round: what a network card's driver or another program of this machine has
// put together (UDP_GRO) is received in one slot, and cut here.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "base/limits.h"
#include "net/address.h"
#include "net/network.h"
#include "net/segments.h"

namespace causeway::net {

class UdpBatch {
 public:
  UdpBatch();
  ~UdpBatch();
  UdpBatch(const UdpBatch&) = delete;
  UdpBatch& operator=(const UdpBatch&) = delete;

  // What a socket must be set to for the below.
  static void prepare(int fd);
  // Reads what is there: how many slots were filled (kBatch: there may be more), or -1 with errno set.
  int receive(int fd);
  // Some of the datagrams that were read, in order, about kBatch at a time; none when all have been given.
  // They stay valid until the next call.
  std::span<Datagram> next();
  // How long the first of those had lain in the kernel's queue.
  std::chrono::microseconds waited() const { return waited_; }

  struct Outgoing {
    Address to;
    base::Buffer bytes;
  };
  // Hands at most kUdpFlush of them to the kernel. The number it took, or -1 with errno set.
  int send(int fd, std::span<const Outgoing> queue);

 private:
  // Thirteen cache lines beyond the size: slots at a distance of exactly 64 kB would all compete for
  // the same few sets of the processor's caches.
  static constexpr std::size_t kStride = limits::kMaxDatagram + 13 * 64;
  union SocketAddress {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };
  char* slot(std::size_t i) { return memory_ + i * kStride; }
  void cut(std::size_t slot_number);
  int send_runs(int fd, std::span<const Outgoing> queue, std::size_t longest_run);
  void describe(std::size_t header, std::size_t first_piece, std::span<const Outgoing> run);

  char* memory_;
  std::array<SocketAddress, limits::kBatch> addresses_{};
  std::array<iovec, limits::kBatch> receive_pieces_{};
  std::array<mmsghdr, limits::kBatch> receive_headers_{};
  struct Received {
    Control<sizeof(timespec)> stamp;
    Control<sizeof(int)> segment_size;
  };
  std::array<Received, limits::kBatch> receive_controls_{};
  std::size_t filled_ = 0, given_ = 0;  // slots
  std::vector<Datagram> datagrams_;     // those of the slots that next() has given last
  std::chrono::microseconds waited_{};
  std::array<iovec, limits::kUdpFlush> send_pieces_{};
  std::array<mmsghdr, limits::kBatch> send_headers_{};
  std::array<SocketAddress, limits::kBatch> send_addresses_{};
  std::array<Control<sizeof(std::uint16_t)>, limits::kBatch> segment_sizes_{};
  std::array<std::uint16_t, limits::kBatch> runs_{};  // datagrams in each header
  std::size_t longest_run_ = limits::kMaxSegments;
};

}  // namespace causeway::net
