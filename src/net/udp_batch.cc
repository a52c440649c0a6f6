#include "net/udp_batch.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace causeway::net {

UdpBatch::UdpBatch() {
  void* memory = ::mmap(nullptr, limits::kBatch * kStride, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();  // at start only
  memory_ = static_cast<char*>(memory);
  for (std::size_t i = 0; i < limits::kBatch; ++i) {
    receive_pieces_[i] = {slot(i), limits::kMaxDatagram};
    msghdr& in = receive_headers_[i].msg_hdr;
    in.msg_name = &addresses_[i];
    in.msg_iov = &receive_pieces_[i];
    in.msg_iovlen = 1;
    msghdr& out = send_headers_[i].msg_hdr;
    out.msg_name = &send_addresses_[i];
    out.msg_iov = &send_pieces_[i];
    out.msg_iovlen = 1;
  }
}

UdpBatch::~UdpBatch() { ::munmap(memory_, limits::kBatch * kStride); }

int UdpBatch::receive(int fd) {
  for (mmsghdr& header : receive_headers_) header.msg_hdr.msg_namelen = sizeof(SocketAddress);
  const int count = ::recvmmsg(fd, receive_headers_.data(), limits::kBatch, MSG_DONTWAIT, nullptr);
  for (int i = 0; i < count; ++i) {
    datagrams_[i].from = Address::from_sockaddr(addresses_[i].any);
    datagrams_[i].bytes = {slot(static_cast<std::size_t>(i)), receive_headers_[i].msg_len};
  }
  return count;
}

int UdpBatch::send(int fd, std::span<const Outgoing> queue) {
  const std::size_t count = std::min(queue.size(), limits::kBatch);
  for (std::size_t i = 0; i < count; ++i) {
    const base::Buffer& bytes = queue[i].bytes;
    send_pieces_[i] = {const_cast<char*>(bytes.data()), bytes.size()};
    sockaddr_storage storage;
    const std::uint32_t length = queue[i].to.to_sockaddr(storage);
    std::memcpy(&send_addresses_[i], &storage, length);
    send_headers_[i].msg_hdr.msg_namelen = length;
  }
  return ::sendmmsg(fd, send_headers_.data(), static_cast<unsigned>(count), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace causeway::net
