// A file descriptor that closes itself, and the words for what the kernel refuses.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "net/address.h"
#include "net/port_sharing.h"

namespace causeway::net {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void close();

 private:
  int fd_ = -1;
};

// A non-blocking, close-on-exec socket of the family of `ip`; IPv6 ones speak IPv6 only. `type` is
// SOCK_DGRAM or SOCK_STREAM. On failure empty, with errno set.
Descriptor open_socket(const Ip& ip, int type);
bool set_option(int fd, int level, int option, int value);
bool bind_to(int fd, const Address& local, PortSharing sharing = PortSharing::none);
Address local_address(int fd);
// Asks for kernel buffers of limits::kUdpSocketBuffer, in and out: as root whatever the system's limit says.
void enlarge_buffers(int fd);

// "udp 0.0.0.0:5060: address in use; ...": what the operator can do about a bind that failed.
std::string explain_bind_error(std::string_view transport, const Address& local, int error);
std::string error_text(int error);

}  // namespace causeway::net
