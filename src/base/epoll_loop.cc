#include "base/epoll_loop.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/fatal.h"
#include "base/limits.h"
#include "base/turn_work.h"

namespace causeway::base {
namespace {

// The descriptors that are watched: who waits for what, and what the kernel has been told.
class Watched {
 public:
  // A place that was given up and is used again has another generation: what the kernel has said of the old
  // descriptor in this turn is not taken for the new one's.
  struct Ticket {
    std::uint32_t place = 0, generation = 0;
  };

  Watched() : set_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (set_ < 0) fatal(std::string("epoll: ") + std::strerror(errno));
  }
  ~Watched() { ::close(set_); }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  Ticket add(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) fail(fd);
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(places_.size()));
      places_.emplace_back();
    }
    const std::uint32_t place = free_.back();
    free_.pop_back();
    places_[place].fd = fd;
    return {place, places_[place].generation};
  }

  void remove(Ticket ticket) {
    Place& place = places_[ticket.place];
    tell(place, ticket, 0);
    std::erase_if(always_ready_, [ticket](Ticket other) { return other.place == ticket.place; });
    place = {.generation = place.generation + 1};
    free_.push_back(ticket.place);
  }

  void wait(Ticket ticket, Ready what, Task handler) {
    Place& place = places_[ticket.place];
    place.handlers[what == Ready::write] = std::move(handler);
    const std::uint32_t events = place.told | event_of(what);
    if (events != place.told && !place.always_ready) tell(place, ticket, events);
  }

  void cancel(Ticket ticket) {
    for (Task& handler : places_[ticket.place].handlers) handler = nullptr;
  }

  // Waits for at most so many milliseconds (-1: without end), and keeps what is ready.
  void poll(int timeout) {
    if (std::ranges::any_of(always_ready_, [this](Ticket t) { return is_awaited(t); })) timeout = 0;
    const int count = ::epoll_wait(set_, events_.data(), static_cast<int>(events_.size()), timeout);
    ready_ = static_cast<std::size_t>(std::max(count, 0));  // EINTR: a turn without work
  }
  // As many as a turn takes: there may be more.
  bool full() const { return ready_ == events_.size(); }

  // Calls who waits for what poll() found; how many.
  std::size_t run() {
    std::size_t done = 0;
    for (std::size_t i = 0; i < ready_; ++i) {
      const Ticket ticket{static_cast<std::uint32_t>(events_[i].data.u64),
                          static_cast<std::uint32_t>(events_[i].data.u64 >> 32)};
      const std::uint32_t events = events_[i].events;
      const bool ended = (events & (EPOLLHUP | EPOLLERR)) != 0;
      std::size_t called = 0;
      if (ended || (events & EPOLLIN)) called += call(ticket, Ready::read);
      if (ended || (events & EPOLLOUT)) called += call(ticket, Ready::write);
      // An end is told whether or not anybody has asked, so then the descriptor leaves the set.
      if (called == 0) forget(ticket, ended ? ~0u : events);
      done += called;
    }
    ready_ = 0;
    for (const Ticket ticket : std::vector(always_ready_))
      done += call(ticket, Ready::read) + call(ticket, Ready::write);
    return done;
  }

 private:
  struct Place {
    int fd = -1;
    std::uint32_t generation = 0;
    std::uint32_t told = 0;  // the events that the kernel watches for; 0: the descriptor is not in the set
    bool always_ready = false;
    std::array<Task, 2> handlers;
  };

  static std::uint32_t event_of(Ready what) { return what == Ready::read ? EPOLLIN : EPOLLOUT; }
  [[noreturn]] static void fail(int fd) {
    fatal("cannot watch descriptor " + std::to_string(fd) + ": " + std::strerror(errno));
  }
  bool is_awaited(Ticket ticket) const {
    return std::ranges::any_of(places_[ticket.place].handlers, [](const Task& handler) { return !!handler; });
  }
  bool is_there(Ticket ticket) const { return places_[ticket.place].generation == ticket.generation; }

  std::size_t call(Ticket ticket, Ready what) {
    if (!is_there(ticket)) return 0;
    Task handler = std::exchange(places_[ticket.place].handlers[what == Ready::write], nullptr);
    if (!handler) return 0;
    handler();  // may add and remove places
    return 1;
  }

  void forget(Ticket ticket, std::uint32_t events) {
    if (!is_there(ticket)) return;
    Place& place = places_[ticket.place];
    tell(place, ticket, place.told & ~events);
  }

  void tell(Place& place, Ticket ticket, std::uint32_t events) {
    if (events == place.told) return;
    const int operation = place.told == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    epoll_event event{.events = events,
                      .data = {.u64 = ticket.place | std::uint64_t{ticket.generation} << 32}};
    if (::epoll_ctl(set_, operation, place.fd, &event) == 0 || operation == EPOLL_CTL_DEL) {
      place.told = events;
    } else if (errno == EPERM) {  // a file, or /dev/null: never waited for
      place.always_ready = true;
      always_ready_.push_back(ticket);
    } else {
      fail(place.fd);
    }
  }

  int set_;
  std::vector<Place> places_;
  std::vector<std::uint32_t> free_;
  std::vector<Ticket> always_ready_;  // few: what epoll does not take
  std::array<epoll_event, limits::kMostReady> events_;
  std::size_t ready_ = 0;
};

class EpollWatch final : public Loop::Watch {
 public:
  EpollWatch(Watched& watched, int fd) : watched_(watched), ticket_(watched.add(fd)) {}
  ~EpollWatch() override { watched_.remove(ticket_); }
  void wait(Ready what, Task handler) override { watched_.wait(ticket_, what, std::move(handler)); }
  void cancel() override { watched_.cancel(ticket_); }

 private:
  Watched& watched_;
  Watched::Ticket ticket_;
};

class EpollLoop final : public Loop {
 public:
  explicit EpollLoop(std::chrono::microseconds pace) : Loop(steady_now()), pace_(pace) {
    read_clocks();
    wake_fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake_fd_ < 0) fatal(std::string("eventfd: ") + std::strerror(errno));
    wake_watch_ = watch(wake_fd_);
    await_wake();
  }
  ~EpollLoop() override {
    wake_watch_.reset();
    ::close(wake_fd_);
  }

  Instant now() const override { return now_; }
  UnixMs unix_now() const override { return unix_now_; }

  void post(Task task) override { work_.post(std::move(task)); }
  void post_from_any_thread(Task task) override {
    if (!work_.post_from_any_thread(std::move(task))) return;
    const std::uint64_t one = 1;
    while (::write(wake_fd_, &one, sizeof one) < 0 && errno == EINTR) {
    }
  }

  std::uint64_t lock_waits() const override { return work_.lock_waits(); }

  void at_end_of_turn(const void* owner, Task hook) override { work_.add_hook(owner, std::move(hook)); }
  void forget_end_of_turn(const void* owner) override { work_.forget_hooks(owner); }

  std::unique_ptr<Watch> watch(int fd) override { return std::make_unique<EpollWatch>(watched_, fd); }

  void run() override {
    work_.run_hooks();
    while (!stopped_) turn(std::nullopt);
    stopped_ = false;
  }
  void run_for(Duration span) override {
    const Instant end = steady_now() + span;
    work_.run_hooks();
    do {
      turn(end);
    } while (!stopped_ && now_ < end);
    stopped_ = false;
  }
  void stop() override { stopped_ = true; }

 private:
  using Clock = std::chrono::steady_clock;
  static Instant steady_now() { return std::chrono::floor<Duration>(Clock::now()); }

  void read_clocks() {
    turn_began_ = Clock::now();
    now_ = std::chrono::floor<Duration>(turn_began_);
    unix_now_ = std::chrono::floor<Duration>(std::chrono::system_clock::now()).time_since_epoch().count();
    timers_.set_now(now_);
  }

  void turn(std::optional<Instant> end) {
    wait(end);
    read_clocks();
    work_.take_posted();
    const bool full = watched_.full();
    std::size_t done = watched_.run();
    done += timers_.advance(now_);
    done += work_.run_posted();
    if (done > 0) work_.run_hooks();
    gathers_ = done > 0 && !full;
  }

  // After a turn that had work: lets the rest of the pace go by, so that more of it comes together. Not after
  // one that took a quarter of it: as much may lie in the sockets again, of which a turn reads so much and no
  // more.
  void gather() const {
    if (!gathers_ || pace_ <= Clock::duration::zero() || work_.has_posted()) return;
    if (Clock::now() - turn_began_ >= pace_ / 4) return;
    const auto next_turn = turn_began_ + pace_;
    const auto since_epoch = std::chrono::nanoseconds(next_turn.time_since_epoch()).count();
    constexpr std::int64_t kSecond = 1'000'000'000;
    const timespec until{since_epoch / kSecond, since_epoch % kSecond};
    ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);  // a signal may end it early
  }

  void wait(std::optional<Instant> end) {
    gather();
    std::optional<Instant> until = timers_.next_due();
    if (end) until = until ? std::min(*until, *end) : *end;
    watched_.poll(work_.has_posted() ? 0 : until ? timeout(*until) : -1);
  }
  // Rounded up: a turn before the time would find nothing due.
  static int timeout(Instant until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
  }

  void await_wake() {
    wake_watch_->wait(Ready::read, [this] {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = ::read(wake_fd_, &count, sizeof count);
      await_wake();
    });
  }

  Watched watched_;
  TurnWork work_;
  const Clock::duration pace_;
  Clock::time_point turn_began_;
  bool gathers_ = false;  // the last turn had work, and left none
  Instant now_;
  UnixMs unix_now_ = 0;
  int wake_fd_ = -1;
  std::unique_ptr<Watch> wake_watch_;
  bool stopped_ = false;
};

}  // namespace

std::unique_ptr<Loop> make_epoll_loop(std::chrono::microseconds pace) {
  return std::make_unique<EpollLoop>(pace);
}

}  // namespace causeway::base
