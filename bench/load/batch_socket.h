// A UDP socket of many phones: reads and writes in batches (recvmmsg, sendmmsg; what is of one length leaves
// as one piece, UDP_SEGMENT), so that the generator costs less than the server that it measures.
#pragma once

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace load {

struct Place {
  std::string ip = "127.0.0.1";
  std::uint16_t port = 5060;

  std::string text() const { return ip + ":" + std::to_string(port); }
  sockaddr_in address() const {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    if (inet_pton(AF_INET, ip.c_str(), &a.sin_addr) != 1) fail("not an IPv4 address: " + ip);
    return a;
  }
  [[noreturn]] static void fail(const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    std::exit(2);
  }
};

// In every Call-ID and branch: a server still knows those of the run before.
inline const std::string& run_id() {
  static const std::string id = std::to_string(getpid());
  return id;
}

class BatchSocket {
 public:
  // Sends to `server` and hears from it alone.
  BatchSocket(const Place& local, const Place& server)
      : local_(local), at_(local.text()), fd_(socket(AF_INET, SOCK_DGRAM, 0)) {
    for (int option : {SO_RCVBUFFORCE, SO_SNDBUFFORCE, SO_RCVBUF, SO_SNDBUF})
      if (setsockopt(fd_, SOL_SOCKET, option, &kKernelBuffer, sizeof kKernelBuffer) == 0 &&
          option == SO_SNDBUFFORCE)
        break;
    const sockaddr_in here = local.address(), there = server.address();
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0)
      Place::fail("bind " + local.text());
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0)
      Place::fail("connect " + server.text());
    const int on = 1;  // what the server sends as one piece is received as one
    setsockopt(fd_, SOL_UDP, UDP_GRO, &on, sizeof on);
  }
  ~BatchSocket() { close(fd_); }
  BatchSocket(const BatchSocket&) = delete;
  BatchSocket& operator=(const BatchSocket&) = delete;

  int fd() const { return fd_; }
  const Place& local() const { return local_; }
  const std::string& at() const { return at_; }  // "127.0.0.1:5080"

  // Leaves with the next flush, which comes by itself when a batch is full.
  void send(std::string_view message) {
    waiting_[count_++].assign(message);
    if (count_ == kWaiting) flush();
  }

  void flush() {
    std::size_t runs = 0;
    for (std::size_t first = 0; first < count_; ++runs) first += describe_run(runs, first);
    for (std::size_t sent = 0; sent < runs;) {
      const int n = sendmmsg(fd_, headers_.data() + sent, static_cast<unsigned>(runs - sent), 0);
      if (n > 0)
        sent += static_cast<std::size_t>(n);
      else if (errno != EINTR && errno != ECONNREFUSED)
        break;  // what is lost here is sent again by its timer
    }
    count_ = 0;
  }

  // Calls `f(std::string_view)` for every datagram that is there.
  template <class F>
  void receive(F&& f) {
    for (int got = kBatch; got == static_cast<int>(kBatch);) {
      static std::vector<char> room(kBatch * kLargest);  // of all sockets: nothing stays in it
      for (std::size_t i = 0; i < kBatch; ++i) {
        parts_[i] = {room.data() + i * kLargest, kLargest};
        msghdr& in = describe(i, i, 1);
        in.msg_control = segment_sizes_[i].bytes.data();
        in.msg_controllen = segment_sizes_[i].bytes.size();
      }
      got = recvmmsg(fd_, headers_.data(), kBatch, MSG_DONTWAIT, nullptr);
      pieces_.clear();
      for (int i = 0; i < got; ++i) {
        const auto at = static_cast<std::size_t>(i);
        cut({room.data() + at * kLargest, headers_[at].msg_len}, headers_[at].msg_hdr);
      }
      for (std::string_view piece : pieces_) f(piece);
    }
  }

 private:
  static constexpr std::size_t kBatch = 64, kWaiting = 256, kLargest = 65536;
  static constexpr std::size_t kMostBytes = 60000;  // in one piece; the kernel allows 65,507
  static constexpr std::size_t kMostSegment = 1400;
  static constexpr int kKernelBuffer = 32 << 20;
  struct alignas(cmsghdr) SegmentSize {
    std::array<char, CMSG_SPACE(sizeof(int))> bytes;
  };

  // The datagrams of one piece.
  void cut(std::string_view bytes, msghdr& header) {
    int size = 0;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c))
      if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) std::memcpy(&size, CMSG_DATA(c), sizeof size);
    for (; size > 0 && bytes.size() > static_cast<std::size_t>(size);
         bytes.remove_prefix(static_cast<std::size_t>(size)))
      pieces_.push_back(bytes.substr(0, static_cast<std::size_t>(size)));
    pieces_.push_back(bytes);
  }

  msghdr& describe(std::size_t header, std::size_t first_part, std::size_t parts) {
    headers_[header] = {};
    headers_[header].msg_hdr.msg_iov = &parts_[first_part];
    headers_[header].msg_hdr.msg_iovlen = parts;
    return headers_[header].msg_hdr;
  }

  // The message at `first` and those behind it that are as long; how many they are.
  std::size_t describe_run(std::size_t header, std::size_t first) {
    const std::size_t size = waiting_[first].size();
    std::size_t most = size <= kMostSegment ? std::min(kBatch, kMostBytes / size) : 1;
    most = std::min(most, count_ - first);
    std::size_t length = 0;
    for (; length < most && waiting_[first + length].size() == size; ++length)
      parts_[first + length] = {waiting_[first + length].data(), size};
    msghdr& out = describe(header, first, length);
    if (length == 1) return 1;
    out.msg_control = segment_sizes_[header].bytes.data();
    out.msg_controllen = CMSG_SPACE(sizeof(std::uint16_t));
    cmsghdr* segment = CMSG_FIRSTHDR(&out);
    segment->cmsg_level = SOL_UDP;
    segment->cmsg_type = UDP_SEGMENT;
    segment->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto segment_size = static_cast<std::uint16_t>(size);
    std::memcpy(CMSG_DATA(segment), &segment_size, sizeof segment_size);
    return length;
  }

  Place local_;
  std::string at_;
  int fd_;
  std::array<std::string, kWaiting> waiting_;
  std::array<iovec, kWaiting> parts_;
  std::array<mmsghdr, kWaiting> headers_;
  std::array<SegmentSize, kWaiting> segment_sizes_;
  std::vector<std::string_view> pieces_;
  std::size_t count_ = 0;
};

// Phones at several ports in a row: a server with several workers has something for each of them.
class Sockets {
 public:
  Sockets(const Place& first, const Place& server, std::uint16_t count) {
    for (std::uint16_t i = 0; i < count; ++i) {
      Place at = first;
      at.port = static_cast<std::uint16_t>(at.port + i);
      all_.push_back(std::make_unique<BatchSocket>(at, server));
    }
  }
  // That of the phone, or call, with this number.
  BatchSocket& of(std::uint32_t number) const { return *all_[number % all_.size()]; }
  std::size_t size() const { return all_.size(); }
  void flush() {
    for (auto& one : all_) one->flush();
  }
  // Calls `f(socket, message)` for every datagram that is there.
  template <class F>
  void receive(F&& f) {
    for (auto& one : all_) one->receive([&](std::string_view message) { f(*one, message); });
  }

 private:
  std::vector<std::unique_ptr<BatchSocket>> all_;
};

}  // namespace load
