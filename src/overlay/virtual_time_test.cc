#include "overlay/virtual_time.h"

#include <time.h>

#include <chrono>

#include <gtest/gtest.h>

namespace {

const causeway::base::SimLoop* shown = nullptr;

std::chrono::nanoseconds read_clock(clockid_t which) {
  timespec now;
  ::clock_gettime(which, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

// The program's own definitions come before those of the shared standard library, for every library
// that it loads.
std::chrono::steady_clock::time_point std::chrono::steady_clock::now() noexcept {
  return time_point(shown ? shown->now().time_since_epoch() : read_clock(CLOCK_MONOTONIC));
}

std::chrono::system_clock::time_point std::chrono::system_clock::now() noexcept {
  return time_point(shown ? std::chrono::milliseconds(shown->unix_now()) : read_clock(CLOCK_REALTIME));
}

namespace causeway::overlay {

VirtualTime::VirtualTime(const base::SimLoop& loop) { shown = &loop; }
VirtualTime::~VirtualTime() { shown = nullptr; }

namespace {

TEST(VirtualTime, StandardClocksShowTheLoopsTime) {
  base::SimLoop loop;
  auto real = std::chrono::steady_clock::now();
  {
    VirtualTime time(loop);
    EXPECT_EQ(std::chrono::steady_clock::now(), loop.now());
    loop.run_for(std::chrono::hours(1));
    EXPECT_EQ(std::chrono::steady_clock::now(), loop.now());
    EXPECT_EQ(std::chrono::system_clock::now().time_since_epoch(),
              std::chrono::milliseconds(loop.unix_now()));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - real, std::chrono::minutes(1));
}

}  // namespace
}  // namespace causeway::overlay
