// Datagrams that go through a machine: read from many sockets, sent on from where they lie, without a copy.
//
//   for (auto& packet : batch.receive(fd, 64)) {
//     write a header in front of packet.data ...
//     batch.send(socket, to, {packet.data - 4, packet.size + 4});
//   }
//   batch.flush();                        every socket's in one sendmmsg; all packets are gone then
//
// Each packet has room in front and behind. One batch serves all sockets of a thread. Packets of one size
// that follow each other from one socket to one address leave as one piece, as in udp_batch.h.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "net/address.h"
#include "net/descriptor.h"
#include "net/segments.h"

namespace causeway::net {

// A socket that packets leave by.
struct PacketSocket {
  Descriptor fd;
  std::uint16_t first = UINT16_MAX, last = UINT16_MAX;  // of what waits for flush()
};

class PacketBatch {
 public:
  static constexpr std::size_t kHeadroom = 64;
  static constexpr std::size_t kTailroom = 64;
  static constexpr std::size_t kPackets = 2 * limits::kBatch;

  struct Packet {
    Address from;
    char* data;
    std::size_t size;
  };

  // What it does to be fast; bench/relay switches it off, to tell what it brings.
  struct Options {
    std::size_t most = kPackets;  // packets in one system call, in and out
    bool segments = true;         // several in one piece, in and out
  };

  explicit PacketBatch(const Options& options);
  PacketBatch() : PacketBatch(Options{}) {}
  ~PacketBatch();
  PacketBatch(const PacketBatch&) = delete;
  PacketBatch& operator=(const PacketBatch&) = delete;

  // From then on the kernel may hand over several packets of this socket in one piece. They have no room
  // around them: for sockets whose packets are sent on as they are, or less.
  void take_in_pieces(int fd) const;

  // Reads at most `most`, or some more if they come in pieces. Flushes first if there is no room for as many.
  // Empty, with errno set, if there is nothing or an error. The packets stay until the next receive(), and
  // those that were sent on until they have left.
  std::span<Packet> receive(int fd, std::size_t most);
  // The same for one packet, from a socket that does not take pieces: half the price for the kernel.
  std::span<Packet> receive_one(int fd);
  // Queues; the bytes must stay until flush(). `socket` too.
  void send(PacketSocket& socket, const Address& to, std::string_view bytes);
  void flush();

  struct Counts {
    std::uint64_t received = 0, sent = 0, refused = 0, receive_calls = 0, send_calls = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  // As in udp_batch.h: address space, touched page by page, and not all slots in the same sets of the caches.
  static constexpr std::size_t kStride = kHeadroom + limits::kMaxDatagram + kTailroom + 13 * 64;
  union SocketAddress {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };
  struct Outgoing {
    SocketAddress to;
    std::uint32_t to_size;
    std::uint16_t next;
    std::string_view bytes;
  };
  void make_room(std::size_t slots);
  void keep(std::size_t slot_number);
  bool send_alone(PacketSocket& socket);
  void send_all(PacketSocket& socket);
  std::size_t describe(std::size_t first, std::size_t end, std::size_t longest_run);
  char* slot(std::size_t i) { return memory_ + i * kStride + kHeadroom; }

  const std::size_t most_;
  std::size_t longest_run_;
  char* memory_;
  std::size_t used_ = 0;
  std::array<SocketAddress, kPackets> addresses_{};
  std::array<iovec, kPackets> pieces_{};
  std::array<mmsghdr, kPackets> headers_{};
  std::array<Control<sizeof(int)>, kPackets> controls_{};
  std::vector<Packet> packets_;  // of the last receive()
  std::vector<Outgoing> outgoing_;
  std::vector<PacketSocket*> waiting_;
  // Of one socket's packets: those that leave, in order, and how they are put into messages.
  std::array<std::uint16_t, kPackets> leaving_{};
  std::array<iovec, kPackets> send_pieces_{};
  std::array<mmsghdr, kPackets> send_headers_{};
  std::array<std::uint16_t, kPackets> runs_{};  // packets in each header
  std::array<Control<sizeof(std::uint16_t)>, kPackets> segment_sizes_{};
  Counts counts_;
};

// Sends one datagram now. False, with errno set.
bool send_packet(int fd, const Address& to, std::string_view bytes);

}  // namespace causeway::net
