#include "base/sim_loop.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace causeway::base {
namespace {

TEST(SimLoop, TimeJumpsToTheTimersAndEndsAtTheSpan) {
  SimLoop loop;
  const Instant start = loop.now();
  const UnixMs unix_start = loop.unix_now();
  std::vector<std::int64_t> at;
  Timer t(loop.timers(), [&] {
    at.push_back((loop.now() - start).count());
    if (at.size() < 4) t.start(Duration(500 << at.size()));
  });
  t.start(500ms);
  loop.run_for(10s);
  EXPECT_EQ(at, (std::vector<std::int64_t>{500, 1500, 3500, 7500}));
  EXPECT_EQ(loop.now() - start, 10s);
  EXPECT_EQ(loop.unix_now() - unix_start, 10000);
}

TEST(SimLoop, TheEndOfTheSpanIsPartOfIt) {
  SimLoop loop;
  int fired = 0;
  Timer t(loop.timers(), [&] { ++fired; });
  t.start(2s);
  loop.run_for(1999ms);
  EXPECT_EQ(fired, 0);
  loop.run_for(1ms);
  EXPECT_EQ(fired, 1);
  t.start(0ms);
  loop.run_for(0ms);
  EXPECT_EQ(fired, 2);
  t.start(500ms);  // counts from the end of the span before
  loop.run_for(500ms);
  EXPECT_EQ(fired, 3);
}

TEST(SimLoop, TimersStartedOutsideATurnCountFromNow) {
  SimLoop loop;
  loop.run_for(10s);
  bool fired = false;
  Timer t(loop.timers(), [&] { fired = true; });
  t.start(1s);
  EXPECT_TRUE(loop.run_until([&] { return fired; }, 1s));
  EXPECT_EQ(loop.now(), SimLoop::kStart + 11s);
}

TEST(SimLoop, PostedTasksRunInTheNextTurnAndHooksAtTheEnd) {
  SimLoop loop;
  std::string order;
  loop.at_end_of_turn(&order, [&] { order += '|'; });
  loop.post([&] {
    order += 'a';
    loop.post([&] { order += 'c'; });
  });
  loop.post([&] { order += 'b'; });
  loop.run_for(0ms);
  EXPECT_EQ(order, "|ab|c|");  // what was queued before the run is flushed first
  loop.forget_end_of_turn(&order);
  loop.post([&] { order += 'd'; });
  loop.run_for(1s);
  EXPECT_EQ(order, "|ab|c|d");
}

TEST(SimLoop, HooksMayAddAndForgetEachOther) {
  SimLoop loop;
  std::string order;
  int first = 0, second = 0, third = 0;
  loop.at_end_of_turn(&first, [&] {
    order += '1';
    loop.forget_end_of_turn(&first);
    loop.forget_end_of_turn(&second);
    for (int i = 0; i < 20; ++i) loop.at_end_of_turn(&third, [&] { order += '3'; });
  });
  loop.at_end_of_turn(&second, [&] { order += '2'; });
  loop.run_for(0ms);
  EXPECT_EQ(order, "1" + std::string(20, '3'));
  loop.forget_end_of_turn(&third);
  loop.post([] {});
  loop.run_for(0ms);
  EXPECT_EQ(order.size(), 21u);
}

TEST(SimLoop, RunUntilStopsAtTheTurnOrTheLimit) {
  SimLoop loop;
  int ticks = 0;
  Timer t(loop.timers(), [&] {
    ++ticks;
    t.start(1s);
  });
  t.start(1s);
  EXPECT_TRUE(loop.run_until([&] { return ticks == 3; }, 1min));
  EXPECT_EQ(loop.now(), SimLoop::kStart + 3s);
  EXPECT_FALSE(loop.run_until([&] { return ticks == 100; }, 10s));
  EXPECT_EQ(ticks, 13);
  EXPECT_EQ(loop.now(), SimLoop::kStart + 13s);
  EXPECT_TRUE(loop.run_until([] { return true; }, 10s));
  EXPECT_EQ(loop.now(), SimLoop::kStart + 13s);
}

TEST(SimLoop, StopEndsTheRunWhereItStands) {
  SimLoop loop;
  Timer t(loop.timers(), [&] { loop.stop(); });
  t.start(5s);
  loop.run_for(1min);
  EXPECT_EQ(loop.now(), SimLoop::kStart + 5s);
  loop.run();  // nothing left: returns
  Timer daily(loop.timers(), [&] { loop.stop(); });
  daily.start(24h * 60);  // beyond the wheels
  loop.run();
  EXPECT_EQ(loop.now(), SimLoop::kStart + 5s + 24h * 60);
}

TEST(SimLoop, OtherThreadsMayPost) {
  SimLoop loop;
  int ran = 0;
  std::thread([&] {
    for (int i = 0; i < 100; ++i) loop.post_from_any_thread([&] { ++ran; });
  }).join();
  loop.run_for(0ms);
  EXPECT_EQ(ran, 100);
}

TEST(SimLoop, TheWallClockMayJump) {
  SimLoop loop;
  loop.set_unix(5000);
  loop.run_for(1s);
  EXPECT_EQ(loop.unix_now(), 6000);
  EXPECT_EQ(loop.now(), SimLoop::kStart + 1s);
}

TEST(SimLoopDeathTest, WhatCannotBeSimulatedSaysSo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  SimLoop loop;
  EXPECT_DEATH((void)loop.watch(0), "simulated network");
  Timer t(loop.timers(), [&] { t.start(0ms); });
  t.start(0ms);
  EXPECT_DEATH(loop.run_for(1s), "restarts itself at once");
}

}  // namespace
}  // namespace causeway::base
