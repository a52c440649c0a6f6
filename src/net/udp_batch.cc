#include "net/udp_batch.h"

#include <netinet/udp.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "net/descriptor.h"

namespace causeway::net {

UdpBatch::UdpBatch() {
  void* memory = ::mmap(nullptr, limits::kBatch * kStride, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();  // at start only
  memory_ = static_cast<char*>(memory);
  datagrams_.reserve(limits::kBatch + limits::kMaxSegments);
  for (std::size_t i = 0; i < limits::kBatch; ++i) {
    receive_pieces_[i] = {slot(i), limits::kMaxDatagram};
    msghdr& in = receive_headers_[i].msg_hdr;
    in.msg_name = &addresses_[i];
    in.msg_iov = &receive_pieces_[i];
    in.msg_iovlen = 1;
    msghdr& out = send_headers_[i].msg_hdr;
    out.msg_name = &send_addresses_[i];
  }
}

UdpBatch::~UdpBatch() { ::munmap(memory_, limits::kBatch * kStride); }

void UdpBatch::prepare(int fd) {
  set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
  set_option(fd, SOL_UDP, UDP_GRO, 1);
}

int UdpBatch::receive(int fd) {
  for (std::size_t i = 0; i < limits::kBatch; ++i) {
    msghdr& in = receive_headers_[i].msg_hdr;
    in.msg_namelen = sizeof(SocketAddress);
    in.msg_control = &receive_controls_[i];
    in.msg_controllen = sizeof(Received);
  }
  const int count = ::recvmmsg(fd, receive_headers_.data(), limits::kBatch, MSG_DONTWAIT, nullptr);
  filled_ = static_cast<std::size_t>(std::max(count, 0));
  given_ = 0;
  return count;
}

std::span<Datagram> UdpBatch::next() {
  datagrams_.clear();
  waited_ = {};
  while (given_ < filled_ && datagrams_.size() < limits::kBatch) cut(given_++);
  return datagrams_;
}

namespace {

// The kernel stamps with the wall clock: what is negative was stamped before somebody set it back.
std::chrono::microseconds since(const timespec& stamp) {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  const auto waited =
      std::chrono::seconds(now.tv_sec - stamp.tv_sec) + std::chrono::nanoseconds(now.tv_nsec - stamp.tv_nsec);
  return std::max(std::chrono::floor<std::chrono::microseconds>(waited), std::chrono::microseconds{0});
}

}  // namespace

// The datagrams of one slot.
void UdpBatch::cut(std::size_t slot_number) {
  mmsghdr& header = receive_headers_[slot_number];
  int segment = 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header.msg_hdr); c; c = CMSG_NXTHDR(&header.msg_hdr, c)) {
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      std::memcpy(&segment, CMSG_DATA(c), sizeof segment);
    } else if (datagrams_.empty() && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
      timespec stamp;
      std::memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
      waited_ = since(stamp);
    }
  }
  const Address from = Address::from_sockaddr(addresses_[slot_number].any);
  std::span<char> bytes(slot(slot_number), header.msg_len);
  const std::size_t size = segment > 0 ? static_cast<std::size_t>(segment) : bytes.size();
  for (; bytes.size() > size; bytes = bytes.subspan(size)) datagrams_.push_back({from, bytes.first(size)});
  datagrams_.push_back({from, bytes});
}

namespace {

// How many from the front may leave as one piece.
std::size_t first_run(std::span<const UdpBatch::Outgoing> queue, std::size_t longest) {
  const std::size_t size = queue[0].bytes.size();
  return run_length(size, queue.size(), longest, [&](std::size_t i) {
    return queue[i].bytes.size() == size && queue[i].to == queue[0].to;
  });
}

}  // namespace

int UdpBatch::send(int fd, std::span<const Outgoing> queue) {
  const int count = send_runs(fd, queue, longest_run_);
  const bool refused = count < 0 && runs_[0] > 1 && (errno == EIO || errno == EINVAL);
  if (!refused) return count;
  // EIO: the way out cannot compute checksums, and never will. EINVAL: longer than this path's packets.
  if (errno == EIO) longest_run_ = 1;
  return send_runs(fd, queue.first(runs_[0]), 1);
}

int UdpBatch::send_runs(int fd, std::span<const Outgoing> queue, std::size_t longest_run) {
  queue = queue.first(std::min(queue.size(), limits::kUdpFlush));
  std::size_t headers = 0;
  for (std::size_t taken = 0; taken < queue.size() && headers < limits::kBatch; ++headers) {
    const std::size_t length = first_run(queue.subspan(taken), longest_run);
    describe(headers, taken, queue.subspan(taken, length));
    taken += length;
  }
  const int sent =
      ::sendmmsg(fd, send_headers_.data(), static_cast<unsigned>(headers), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) return sent;
  int datagrams = 0;
  for (int i = 0; i < sent; ++i) datagrams += runs_[static_cast<std::size_t>(i)];
  return datagrams;
}

void UdpBatch::describe(std::size_t header, std::size_t first_piece, std::span<const Outgoing> run) {
  for (std::size_t i = 0; i < run.size(); ++i)
    send_pieces_[first_piece + i] = {const_cast<char*>(run[i].bytes.data()), run[i].bytes.size()};
  runs_[header] = static_cast<std::uint16_t>(run.size());
  sockaddr_storage storage;
  const std::uint32_t length = run[0].to.to_sockaddr(storage);
  std::memcpy(&send_addresses_[header], &storage, length);
  msghdr& out = send_headers_[header].msg_hdr;
  out.msg_namelen = length;
  out.msg_iov = &send_pieces_[first_piece];
  out.msg_iovlen = run.size();
  out.msg_control = nullptr;
  out.msg_controllen = 0;
  if (run.size() > 1) set_segment_size(out, segment_sizes_[header], run[0].bytes.size());
}

}  // namespace causeway::net
