// Many descriptors under one watch of the loop: an epoll set inside the loop's. For those who have thousands
// of sockets, each of which has one datagram at a time: no system call is spent on waiting for one of them
// again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/loop.h"
#include "net/descriptor.h"

namespace causeway::net {

class ReadySet {
 public:
  // In a turn of the loop: `on_ready` for each descriptor that has something to read (or an error to tell),
  // then `after` once. What is not read is told again. The descriptors stay the caller's.
  ReadySet(base::Loop& loop, std::function<void(std::uint32_t tag)> on_ready, std::function<void()> after);

  // False, with errno set, if the kernel cannot.
  bool add(int fd, std::uint32_t tag);
  void remove(int fd);

 private:
  void wait();
  void on_some();
  Descriptor set_;
  std::unique_ptr<base::Loop::Watch> watch_;
  std::function<void(std::uint32_t)> on_ready_;
  std::function<void()> after_;
};

}  // namespace causeway::net
