#include "base/epoll_loop.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/signals.h"

namespace {
std::atomic<std::size_t> allocations = 0;
}

// The whole test program's: counts, and is otherwise the usual one.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace causeway::base {
namespace {

struct Pair {
  Pair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0); }
  ~Pair() {
    ::close(fd[0]);
    ::close(fd[1]);
  }
  void send(int from) const { EXPECT_EQ(::send(fd[from], "x", 1, 0), 1); }
  bool receive(int at) const {
    char c;
    return ::recv(fd[at], &c, 1, MSG_DONTWAIT) == 1;
  }
  int fd[2];
};

// Under load turns keep their distance, and each takes all that has come; after a pause nothing waits.
TEST(EpollLoop, TurnsKeepTheirPaceOnlyUnderLoad) {
  constexpr auto kPace = 50ms;
  auto loop = make_epoll_loop(kPace);
  Pair pairs[2];
  std::unique_ptr<Loop::Watch> watches[2];
  std::vector<std::chrono::steady_clock::time_point> served;
  const auto clock = [] { return std::chrono::steady_clock::now(); };
  for (int i = 0; i < 2; ++i) {
    watches[i] = loop->watch(pairs[i].fd[1]);
    watches[i]->wait(Ready::read, [&, i] {
      EXPECT_TRUE(pairs[i].receive(1));
      served.push_back(clock());
      if (served.size() == 1) {
        pairs[0].send(0);
        watches[0]->wait(Ready::read, [&] {
          served.push_back(clock());
          loop->stop();
        });
      }
    });
  }
  pairs[0].send(0);
  pairs[1].send(0);
  const auto began = clock();
  loop->run();
  ASSERT_EQ(served.size(), 3u);
  EXPECT_LT(served[1] - began, kPace / 2) << "the first events, in one turn";
  EXPECT_GE(served[2] - served[0], kPace - 1ms) << "what came right after them";
}

// What has come during a long turn is served at once.
TEST(EpollLoop, ALongTurnIsFollowedByTheNextAtOnce) {
  constexpr auto kPace = 400ms;
  auto loop = make_epoll_loop(kPace);
  Pair pair;
  const auto watch = loop->watch(pair.fd[1]);
  const auto began = std::chrono::steady_clock::now();
  watch->wait(Ready::read, [&] {
    EXPECT_TRUE(pair.receive(1));
    std::this_thread::sleep_for(kPace / 4);
    pair.send(0);
    watch->wait(Ready::read, [&] { loop->stop(); });
  });
  pair.send(0);
  loop->run();
  EXPECT_LT(std::chrono::steady_clock::now() - began, kPace - 100ms);
}

TEST(EpollLoop, TimersFireInTimeAndClocksAgree) {
  const auto loop = make_epoll_loop();
  const Instant start = loop->now();
  std::vector<int> order;
  Timer late(loop->timers(), [&] { order.push_back(2); });
  Timer soon(loop->timers(), [&] {
    order.push_back(1);
    EXPECT_GE(loop->now() - start, 5ms);
    EXPECT_EQ(loop->timers().now(), loop->now());
  });
  late.start(12ms);
  soon.start(5ms);
  loop->run_for(100ms);
  EXPECT_EQ(order, (std::vector{1, 2}));
  EXPECT_GE(loop->now() - start, 100ms);
  const auto system = std::chrono::system_clock::now().time_since_epoch();
  EXPECT_NEAR(static_cast<double>(loop->unix_now()),
              static_cast<double>(std::chrono::duration_cast<Duration>(system).count()), 1000.0);
}

TEST(EpollLoop, AWatchCallsOnceForEachWait) {
  const auto loop = make_epoll_loop();
  const Pair pair;
  int called = 0;
  const auto watch = loop->watch(pair.fd[0]);
  watch->wait(Ready::read, [&] { ++called; });
  loop->run_for(2ms);
  EXPECT_EQ(called, 0);
  pair.send(1);
  loop->run_for(2ms);
  pair.send(1);
  loop->run_for(2ms);
  EXPECT_EQ(called, 1);
  watch->wait(Ready::read, [&] { called += 10; });  // readable still: at once
  loop->run_for(2ms);
  EXPECT_EQ(called, 11);
}

TEST(EpollLoop, ReadAndWriteAreAwaitedAtTheSameTime) {
  const auto loop = make_epoll_loop();
  const Pair pair;
  std::string seen;
  const auto watch = loop->watch(pair.fd[0]);
  watch->wait(Ready::read, [&] { seen += 'r'; });
  watch->wait(Ready::write, [&] { seen += 'w'; });
  loop->run_for(2ms);
  EXPECT_EQ(seen, "w");
  pair.send(1);
  loop->run_for(2ms);
  EXPECT_EQ(seen, "wr");
}

TEST(EpollLoop, CancelledAndDestroyedWatchesAreSilent) {
  const auto loop = make_epoll_loop();
  const Pair pair;
  auto watch = loop->watch(pair.fd[0]);
  watch->wait(Ready::read, [] { ADD_FAILURE() << "cancelled"; });
  watch->cancel();
  pair.send(1);
  loop->run_for(2ms);
  int called = 0;
  watch->wait(Ready::read, [] { ADD_FAILURE() << "replaced"; });
  watch->wait(Ready::read, [&] { ++called; });
  loop->run_for(2ms);
  EXPECT_EQ(called, 1);
  watch->wait(Ready::read, [] { ADD_FAILURE() << "destroyed"; });
  watch->wait(Ready::write, [] { ADD_FAILURE() << "destroyed"; });
  watch.reset();
  loop->run_for(2ms);
  EXPECT_TRUE(pair.receive(0)) << "the descriptor is still the caller's";
  watch = loop->watch(pair.fd[0]);  // and can be watched again
  watch->wait(Ready::write, [&] { ++called; });
  loop->run_for(2ms);
  EXPECT_EQ(called, 2);
}

TEST(EpollLoop, AHandlerMayDestroyItsWatchAndOthers) {
  const auto loop = make_epoll_loop();
  const Pair a, b;
  std::unique_ptr<Loop::Watch> first = loop->watch(a.fd[0]), second = loop->watch(b.fd[0]);
  int called = 0;
  const auto both_go = [&] {
    ++called;
    first.reset();
    second.reset();
  };
  first->wait(Ready::read, both_go);
  second->wait(Ready::read, both_go);
  a.send(1);
  b.send(1);
  loop->run_for(5ms);
  EXPECT_EQ(called, 1);
}

// Standard input may be anything.
TEST(EpollLoop, AFileIsAlwaysReady) {
  auto loop = make_epoll_loop();
  const int fd = ::open("/dev/null", O_RDWR);
  auto watch = loop->watch(fd);
  int reads = 0, writes = 0;
  std::function<void()> again = [&] {
    if (++reads < 3) watch->wait(Ready::read, again);
  };
  watch->wait(Ready::read, again);
  watch->wait(Ready::write, [&] { ++writes; });
  loop->run_for(20ms);
  EXPECT_EQ(reads, 3);
  EXPECT_EQ(writes, 1);
  watch->wait(Ready::read, [&] { ++reads; });
  watch.reset();
  loop->run_for(5ms);
  EXPECT_EQ(reads, 3);
  ::close(fd);
}

TEST(EpollLoop, AHungUpDescriptorIsReady) {
  const auto loop = make_epoll_loop();
  int fd[2];
  ASSERT_EQ(::pipe(fd), 0);
  bool ready = false;
  const auto watch = loop->watch(fd[0]);
  watch->wait(Ready::read, [&] { ready = true; });
  ::close(fd[1]);
  loop->run_for(5ms);
  EXPECT_TRUE(ready);
  ::close(fd[0]);
}

TEST(EpollLoop, ATurnIsDescriptorsTimersTasksHooks) {
  const auto loop = make_epoll_loop();
  const Pair pair;
  std::string order;
  const auto watch = loop->watch(pair.fd[0]);
  watch->wait(Ready::read, [&] {
    order += 'd';
    loop->post([&] {
      order += "n";
      loop->stop();
    });
  });
  pair.send(1);
  loop->post([&] { order += 'p'; });
  Timer t(loop->timers(), [&] { order += 't'; });
  t.start(0ms);
  loop->at_end_of_turn(&order, [&] { order += '|'; });
  loop->run();
  EXPECT_EQ(order, "|dtp|n|");
}

TEST(EpollLoop, ADelayCountsFromTheTurnThatStartsIt) {
  const auto loop = make_epoll_loop();
  const Pair pair;
  const auto watch = loop->watch(pair.fd[0]);
  Instant started{}, fired{};
  Timer t(loop->timers(), [&] {
    fired = loop->now();
    loop->stop();
  });
  watch->wait(Ready::read, [&] {
    started = loop->now();
    t.start(20ms);
  });
  std::thread late([&] {
    std::this_thread::sleep_for(30ms);
    pair.send(1);
  });
  loop->run();  // sleeps for 30 ms with the clocks of before
  late.join();
  EXPECT_GE(fired - started, 20ms);
}

TEST(EpollLoop, NeitherABusySocketNorABusyTimerStarvesTheOther) {
  const auto loop = make_epoll_loop();
  const Pair pair;
  pair.send(1);  // never read: always ready
  const auto watch = loop->watch(pair.fd[0]);
  int ready = 0, fired = 0;
  std::function<void()> again = [&] {
    ++ready;
    watch->wait(Ready::read, again);
  };
  again();
  Timer t(loop->timers(), [&] {
    ++fired;
    t.start(0ms);
  });
  t.start(0ms);
  loop->run_for(10ms);
  EXPECT_GT(ready, 100);
  EXPECT_GT(fired, 100);
}

TEST(EpollLoop, TimersThatAreAlwaysLateDoNotStarveDescriptors) {
  const auto loop = make_epoll_loop();
  const Pair pair;
  const auto watch = loop->watch(pair.fd[0]);
  bool ready = false;
  watch->wait(Ready::read, [&] { ready = true; });
  pair.send(1);
  Timer t(loop->timers(), [&] {
    const auto until = std::chrono::steady_clock::now() + 3ms;
    while (std::chrono::steady_clock::now() < until) {
    }
    t.start(1ms);
  });
  t.start(1ms);
  loop->run_for(30ms);
  EXPECT_TRUE(ready);
}

TEST(EpollLoop, OtherThreadsWakeTheLoop) {
  const auto loop = make_epoll_loop();
  int ran = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 500; ++k) {
        loop->post_from_any_thread([&] {
          if (++ran == 2000) loop->stop();
        });
      }
    });
  }
  loop->run();  // without a timer: only the tasks wake it
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ran, 2000);
}

TEST(EpollLoop, ATurnAllocatesNothing) {
  const auto loop = make_epoll_loop();
  const Pair pair;
  const auto watch = loop->watch(pair.fd[0]);
  struct State {
    const Pair& pair;
    Loop::Watch& watch;
    Loop& loop;
    int turns = 0;
    std::size_t before = 0;
    void wait() {
      watch.wait(Ready::read, [this] {
        pair.receive(0);
        if (++turns == 100) before = allocations;
        if (turns == 1100) return loop.stop();
        pair.send(1);
        loop.post([this] { wait(); });
      });
    }
  } state{pair, *watch, *loop};
  Timer t(loop->timers(), [&] { t.start(1ms); });
  t.start(1ms);
  state.wait();
  pair.send(1);
  loop->run();
  EXPECT_EQ(allocations - state.before, 0u);
}

TEST(EpollLoop, SignalsAreTurns) {
  const auto loop = make_epoll_loop();
  std::vector<int> seen;
  {
    const auto watch = on_signal(*loop, {SIGUSR1, SIGUSR2}, [&](int signal) { seen.push_back(signal); });
    ::kill(::getpid(), SIGUSR1);
    loop->run_for(3ms);
    ::kill(::getpid(), SIGUSR2);
    loop->run_for(3ms);
    EXPECT_EQ(seen, (std::vector{SIGUSR1, SIGUSR2}));
    ::kill(::getpid(), SIGUSR1);  // not handled any more, and does not kill
  }
  loop->run_for(3ms);
  EXPECT_EQ(seen.size(), 2u);
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_FALSE(::sigismember(&mask, SIGUSR1));
}

}  // namespace
}  // namespace causeway::base
