#include "net/packet_batch.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <numeric>

namespace causeway::net {
namespace {

constexpr std::uint16_t kNone = UINT16_MAX;

// Errors that an ICMP message has caused: they say nothing about the datagram at hand, or
// that it is lost. A second try tells which.
bool is_news_of_another(int error) {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || error == EHOSTDOWN ||
         error == ENOPROTOOPT || error == EMSGSIZE || error == EPROTO || error == EACCES;
}

bool send_to(int fd, const sockaddr* to, socklen_t size, std::string_view bytes) {
  for (int i = 0; i < 2; ++i) {
    if (::sendto(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL, to, size) >= 0) return true;
    if (!is_news_of_another(errno) && errno != EINTR) return false;
  }
  return false;
}

}  // namespace

PacketBatch::PacketBatch(const Options& options)
    : most_(options.most), longest_run_(options.segments ? limits::kMaxSegments : 1) {
  void* memory = ::mmap(nullptr, kPackets * kStride, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();  // at start only
  memory_ = static_cast<char*>(memory);
  for (std::size_t i = 0; i < kPackets; ++i) {
    pieces_[i] = {slot(i), limits::kMaxDatagram};
    headers_[i].msg_hdr.msg_name = &addresses_[i];
    headers_[i].msg_hdr.msg_iov = &pieces_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
  }
  packets_.reserve(kPackets);
  outgoing_.reserve(kPackets);
}

PacketBatch::~PacketBatch() { ::munmap(memory_, kPackets * kStride); }

void PacketBatch::take_in_pieces(int fd) const {
  if (longest_run_ > 1) set_option(fd, SOL_UDP, UDP_GRO, 1);
}

void PacketBatch::make_room(std::size_t slots) {
  if (kPackets - used_ < slots) flush();
  if (outgoing_.empty()) used_ = 0;
  packets_.clear();
}

std::span<PacketBatch::Packet> PacketBatch::receive_one(int fd) {
  make_room(1);
  socklen_t size = sizeof(SocketAddress);
  const ssize_t length =
      ::recvfrom(fd, slot(used_), limits::kMaxDatagram, MSG_DONTWAIT, &addresses_[used_].any, &size);
  ++counts_.receive_calls;
  if (length < 0) return {};
  ++counts_.received;
  packets_.push_back(
      {Address::from_sockaddr(addresses_[used_].any), slot(used_), static_cast<std::size_t>(length)});
  ++used_;
  return packets_;
}

std::span<PacketBatch::Packet> PacketBatch::receive(int fd, std::size_t most) {
  most = std::min(most, most_);
  make_room(most);
  for (std::size_t i = used_; i < used_ + most; ++i) {
    msghdr& in = headers_[i].msg_hdr;
    in.msg_namelen = sizeof(SocketAddress);
    in.msg_control = controls_[i].bytes.data();
    in.msg_controllen = controls_[i].bytes.size();
  }
  const int count = ::recvmmsg(fd, &headers_[used_], static_cast<unsigned>(most), MSG_DONTWAIT, nullptr);
  ++counts_.receive_calls;
  for (int i = 0; i < count; ++i) keep(used_++);
  counts_.received += packets_.size();
  return packets_;
}

// The packets of one slot.
void PacketBatch::keep(std::size_t slot_number) {
  mmsghdr& header = headers_[slot_number];
  const Address from = Address::from_sockaddr(addresses_[slot_number].any);
  const std::size_t size = segment_size(header.msg_hdr).value_or(header.msg_len);
  std::size_t at = 0;
  for (; header.msg_len - at > size; at += size) packets_.push_back({from, slot(slot_number) + at, size});
  packets_.push_back({from, slot(slot_number) + at, header.msg_len - at});
}

void PacketBatch::send(PacketSocket& socket, const Address& to, std::string_view bytes) {
  if (outgoing_.size() == std::min(most_, kPackets)) flush();
  Outgoing& out = outgoing_.emplace_back();
  sockaddr_storage storage;
  out.to_size = to.to_sockaddr(storage);
  std::memcpy(&out.to, &storage, out.to_size);
  out.bytes = bytes;
  out.next = kNone;
  const auto index = static_cast<std::uint16_t>(outgoing_.size() - 1);
  if (socket.first == kNone) {
    socket.first = index;
    waiting_.push_back(&socket);
  } else {
    outgoing_[socket.last].next = index;
  }
  socket.last = index;
}

void PacketBatch::flush() {
  for (PacketSocket* socket : waiting_) send_all(*socket);
  waiting_.clear();
  outgoing_.clear();
}

// Puts the packets from `first` to `end` into messages; how many these are.
std::size_t PacketBatch::describe(std::size_t first, std::size_t end, std::size_t longest_run) {
  std::size_t messages = 0;
  for (std::size_t at = first; at < end; at += runs_[messages++]) {
    Outgoing& head = outgoing_[leaving_[at]];
    const std::size_t length = run_length(head.bytes.size(), end - at, longest_run, [&](std::size_t i) {
      const Outgoing& next = outgoing_[leaving_[at + i]];
      return next.bytes.size() == head.bytes.size() && next.to_size == head.to_size &&
             std::memcmp(&next.to, &head.to, head.to_size) == 0;
    });
    msghdr& out = send_headers_[messages].msg_hdr;
    out = {};
    out.msg_name = &head.to;
    out.msg_namelen = head.to_size;
    out.msg_iov = &send_pieces_[at];
    out.msg_iovlen = length;
    if (length > 1) set_segment_size(out, segment_sizes_[messages], head.bytes.size());
    runs_[messages] = static_cast<std::uint16_t>(length);
  }
  return messages;
}

// One packet needs no headers.
bool PacketBatch::send_alone(PacketSocket& socket) {
  if (socket.first != socket.last) return false;
  const Outgoing& out = outgoing_[std::exchange(socket.first, kNone)];
  ++counts_.send_calls;
  ++(send_to(socket.fd.get(), &out.to.any, out.to_size, out.bytes) ? counts_.sent : counts_.refused);
  return true;
}

void PacketBatch::send_all(PacketSocket& socket) {
  if (send_alone(socket)) return;
  std::size_t count = 0;
  for (std::uint16_t at = std::exchange(socket.first, kNone); at != kNone; at = outgoing_[at].next) {
    const std::string_view bytes = outgoing_[at].bytes;
    send_pieces_[count] = {const_cast<char*>(bytes.data()), bytes.size()};
    leaving_[count++] = at;
  }
  bool tried = false;
  std::size_t alone = 0;  // packets before this one leave one by one
  for (std::size_t sent = 0; sent < count;) {
    const std::size_t messages =
        sent < alone ? describe(sent, alone, 1) : describe(sent, count, longest_run_);
    const int n = ::sendmmsg(socket.fd.get(), send_headers_.data(), static_cast<unsigned>(messages),
                             MSG_DONTWAIT | MSG_NOSIGNAL);
    const int error = errno;
    ++counts_.send_calls;
    if (n < 0 && error == EINTR) continue;
    if (n < 0 && !tried && is_news_of_another(error)) {
      tried = true;
      continue;
    }
    tried = false;
    if (n < 0 && runs_[0] > 1 && error != EAGAIN) {
      // EIO: the way out cannot compute checksums, and never will. Otherwise longer than this path's packets.
      if (error == EIO) longest_run_ = 1;
      alone = sent + runs_[0];
      continue;
    }
    // What the kernel does not take now would come too late.
    const std::size_t packets = std::accumulate(&runs_[0], &runs_[std::max(n, 1)], std::size_t{0});
    (n > 0 ? counts_.sent : counts_.refused) += packets;
    sent += packets;
  }
}

bool send_packet(int fd, const Address& to, std::string_view bytes) {
  sockaddr_storage storage;
  const socklen_t size = to.to_sockaddr(storage);
  return send_to(fd, reinterpret_cast<const sockaddr*>(&storage), size, bytes);
}

}  // namespace causeway::net
