#include "base/mailbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/epoll_loop.h"
#include "base/sim_loop.h"

namespace causeway::base {
namespace {

using namespace std::chrono_literals;

struct Numbers {
  std::vector<int> all;
  bool empty() const { return all.empty(); }
  void clear() { all.clear(); }
  std::size_t bytes() const { return all.size() * sizeof(int); }
  void append(Numbers& other) { all.insert(all.end(), other.all.begin(), other.all.end()); }
};

TEST(Mailbox, WhatIsLeftBetweenTwoTurnsComesAtOnceAndInOrder) {
  SimLoop loop;
  std::vector<std::vector<int>> taken;
  Mailbox<Numbers> box(loop, 1 << 20, [&](Numbers& batch) { taken.push_back(batch.all); });
  Numbers first{{1, 2}}, second{{3}};
  EXPECT_TRUE(box.leave(first));
  EXPECT_TRUE(box.leave(second));
  EXPECT_TRUE(first.empty() && second.empty());
  EXPECT_TRUE(taken.empty()) << "never from inside leave()";
  loop.run_for(1ms);
  EXPECT_EQ(taken, (std::vector<std::vector<int>>{{1, 2, 3}}));
  Numbers third{{4}};
  box.leave(third);
  loop.run_for(1ms);
  EXPECT_EQ(taken.size(), 2u);
}

TEST(Mailbox, ABatchThatItsTakerLeavesForItselfComesInTheNextTurn) {
  SimLoop loop;
  int rounds = 0;
  Mailbox<Numbers>* self = nullptr;
  Mailbox<Numbers> box(loop, 1 << 20, [&](Numbers&) {
    Numbers again{{1}};
    if (++rounds < 3) self->leave(again);
  });
  self = &box;
  Numbers begin{{1}};
  box.leave(begin);
  loop.run_for(1ms);
  EXPECT_EQ(rounds, 3);
}

TEST(Mailbox, WhoDoesNotKeepUpIsLeftNoMore) {
  SimLoop loop;
  std::size_t got = 0;
  Mailbox<Numbers> box(loop, 8 * sizeof(int), [&](Numbers& batch) { got += batch.all.size(); });
  Numbers five{{1, 2, 3, 4, 5}};
  EXPECT_TRUE(box.leave(five));
  five.all = {6, 7, 8, 9, 10};
  EXPECT_FALSE(box.leave(five));
  EXPECT_TRUE(five.empty());
  loop.run_for(1ms);
  EXPECT_EQ(got, 5u);
  five.all = {6};
  EXPECT_TRUE(box.leave(five));
  loop.run_for(1ms);
  EXPECT_EQ(got, 6u);
}

TEST(Mailbox, ManyThreadsLoseNothingAndEachKeepsItsOrder) {
  constexpr int kThreads = 4, kEach = 20'000;
  const auto loop = make_epoll_loop();
  std::vector<int> last(kThreads, -1);
  int got = 0;
  bool in_order = true;
  Mailbox<Numbers> box(*loop, 1 << 24, [&](Numbers& batch) {
    for (int number : batch.all) {
      int& before = last[static_cast<std::size_t>(number % kThreads)];
      in_order &= number / kThreads == before + 1;
      before = number / kThreads;
      ++got;
    }
    if (got == kThreads * kEach) loop->stop();
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&box, t] {
      Numbers batch;
      for (int i = 0; i < kEach; ++i) {
        batch.all.push_back(i * kThreads + t);
        if (i % 7 == 6 || i + 1 == kEach) box.leave(batch);
      }
    });
  loop->run_for(20s);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(got, kThreads * kEach);
  EXPECT_TRUE(in_order);
}

TEST(CountedMutex, CountsWhoFindsItTaken) {
  CountedMutex mutex;
  mutex.lock();
  mutex.unlock();
  EXPECT_EQ(mutex.waits(), 0u);
  mutex.lock();
  std::thread other([&] {
    mutex.lock();
    mutex.unlock();
  });
  while (mutex.waits() == 0) std::this_thread::yield();
  mutex.unlock();
  other.join();
  EXPECT_EQ(mutex.waits(), 1u);
}

}  // namespace
}  // namespace causeway::base
