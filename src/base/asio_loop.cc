#include "base/asio_loop.h"
#include "base/limits.h"

#include <utility>  // before Boost 1.74, which uses std::exchange without it

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#if defined(__SANITIZE_THREAD__)
#pragma GCC diagnostic ignored "-Wtsan"  // Asio's fences between threads, of which there is one here
#endif
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

#include "base/fatal.h"
#include "base/turn_work.h"

namespace causeway::base {
namespace {

namespace asio = boost::asio;

using Descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;

// Memory for the one operation that a direction of a watch has under way: Asio recycles memory only
// within one call of run(), and the loop makes many.
class OperationMemory {
 public:
  void* allocate(std::size_t size) {
    if (taken_ || size > sizeof bytes_) return ::operator new(size);
    taken_ = true;
    return bytes_;
  }
  void deallocate(void* memory) noexcept {
    if (memory == bytes_) {
      taken_ = false;
    } else {
      ::operator delete(memory);
    }
  }

 private:
  alignas(std::max_align_t) std::byte bytes_[160];
  bool taken_ = false;
};

template <class T>
struct OperationAllocator {
  using value_type = T;
  explicit OperationAllocator(OperationMemory& m) noexcept : memory(&m) {}
  template <class U>
  OperationAllocator(const OperationAllocator<U>& other) noexcept : memory(other.memory) {}
  T* allocate(std::size_t n) { return static_cast<T*>(memory->allocate(n * sizeof(T))); }
  void deallocate(T* p, std::size_t) noexcept { memory->deallocate(p); }
  friend bool operator==(const OperationAllocator& a, const OperationAllocator& b) = default;
  OperationMemory* memory;
};

// What a watch and its operations share. An operation that was under way when the watch went ends
// later and finds no handler.
struct WatchState {
  struct Direction {
    Task handler;
    bool armed = false;  // an operation is under way, also without a handler after cancel()
    OperationMemory memory;
  };
  WatchState(asio::io_context& context, int fd) : descriptor(context) {
    boost::system::error_code error;
    descriptor.assign(fd, error);
    if (error) fatal("cannot watch descriptor " + std::to_string(fd) + ": " + error.message());
  }
  ~WatchState() {
    if (descriptor.is_open()) descriptor.release();
  }
  Direction& direction(Ready what) { return directions[what == Ready::write]; }

  Descriptor descriptor;
  std::array<Direction, 2> directions;
  std::uint32_t references = 0;  // one thread
};
void intrusive_ptr_add_ref(WatchState* state) noexcept { ++state->references; }
void intrusive_ptr_release(WatchState* state) noexcept {
  if (--state->references == 0) delete state;
}
using WatchPointer = boost::intrusive_ptr<WatchState>;

// Collected while Asio runs, handled when the clocks have been read.
struct ReadyEntry {
  WatchPointer state;
  Ready what;
};

struct OnReady {
  using allocator_type = OperationAllocator<std::byte>;
  allocator_type get_allocator() const noexcept { return allocator_type(state->direction(what).memory); }
  void operator()(const boost::system::error_code& error) {
    state->direction(what).armed = false;
    if (error != asio::error::operation_aborted) ready->push_back({std::move(state), what});
  }
  WatchPointer state;
  Ready what;
  std::vector<ReadyEntry>* ready;
};

class AsioWatch final : public Loop::Watch {
 public:
  AsioWatch(asio::io_context& context, std::vector<ReadyEntry>& ready, int fd)
      : state_(new WatchState(context, fd)), ready_(ready) {}
  ~AsioWatch() override {
    cancel();
    state_->descriptor.release();
  }

  void wait(Ready what, Task handler) override {
    auto& direction = state_->direction(what);
    direction.handler = std::move(handler);
    if (direction.armed) return;
    direction.armed = true;
    state_->descriptor.async_wait(what == Ready::read ? Descriptor::wait_read : Descriptor::wait_write,
                                  OnReady{state_, what, &ready_});
  }

  void cancel() override {
    for (auto& direction : state_->directions) direction.handler = nullptr;
  }

 private:
  WatchPointer state_;
  std::vector<ReadyEntry>& ready_;
};

class AsioLoop final : public Loop {
 public:
  explicit AsioLoop(std::chrono::microseconds pace)
      : Loop(steady_now()),
        pace_(pace),
        context_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE),
        work_guard_(context_.get_executor()) {
    read_clocks();
    wake_fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake_fd_ < 0) fatal(std::string("eventfd: ") + std::strerror(errno));
    wake_watch_ = watch(wake_fd_);
    await_wake();
  }
  ~AsioLoop() override {
    wake_watch_.reset();
    ready_.clear();
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

  std::unique_ptr<Watch> watch(int fd) override { return std::make_unique<AsioWatch>(context_, ready_, fd); }

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
    const bool full = ready_.size() == limits::kMostReady;
    std::size_t done = run_ready();
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
    if (work_.has_posted() || (until && *until <= now_)) {
      context_.poll_one();
    } else if (!until) {
      context_.run_one();
    } else if (context_.run_one_until(*until) == 0) {
      // It does not look at the descriptors if the time is past already: timers that are always late
      // must not starve them.
      context_.poll_one();
    }
    while (!ready_.empty() && ready_.size() < limits::kMostReady && context_.poll_one() != 0) {
    }
  }

  std::size_t run_ready() {
    std::size_t done = 0;
    for (ReadyEntry& entry : ready_) {
      if (Task handler = std::exchange(entry.state->direction(entry.what).handler, nullptr)) {
        handler();
        ++done;
      }
    }
    ready_.clear();
    return done;
  }

  void await_wake() {
    wake_watch_->wait(Ready::read, [this] {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = ::read(wake_fd_, &count, sizeof count);
      await_wake();
    });
  }

  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_guard_;
  std::vector<ReadyEntry> ready_;
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

std::unique_ptr<Loop> make_asio_loop(std::chrono::microseconds pace) {
  return std::make_unique<AsioLoop>(pace);
}

}  // namespace causeway::base
