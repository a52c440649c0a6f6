#include "net/ready_set.h"

#include <sys/epoll.h>

#include <array>

#include "base/fatal.h"
#include "base/limits.h"

namespace causeway::net {

ReadySet::ReadySet(base::Loop& loop, std::function<void(std::uint32_t)> on_ready, std::function<void()> after)
    : set_(::epoll_create1(EPOLL_CLOEXEC)), on_ready_(std::move(on_ready)), after_(std::move(after)) {
  if (!set_) base::fatal("no descriptor for epoll; raise the limit (ulimit -n)");  // at start only
  watch_ = loop.watch(set_.get());
  wait();
}

void ReadySet::wait() {
  watch_->wait(base::Ready::read, [this] { on_some(); });
}

bool ReadySet::add(int fd, std::uint32_t tag) {
  epoll_event event{.events = EPOLLIN, .data = {.u32 = tag}};
  return ::epoll_ctl(set_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void ReadySet::remove(int fd) { ::epoll_ctl(set_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void ReadySet::on_some() {
  std::array<epoll_event, base::limits::kMostReady> events;
  for (int round = 0; round < limits::kReadRounds; ++round) {
    const int count = ::epoll_wait(set_.get(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) on_ready_(events[static_cast<std::size_t>(i)].data.u32);
    after_();
    if (count <= 0) break;
  }
  wait();
}

}  // namespace causeway::net
