#include "ua/jitter.h"

#include <gtest/gtest.h>

#include "ua/limits.h"

namespace causeway::ua {
namespace {

using namespace std::chrono_literals;

// A sender of 20 ms frames, whose payloads are their numbers, and a listener who asks every 20 ms.
struct Playing : ::testing::Test {
  base::Metrics counted;
  AudioMetrics metrics{counted};
  JitterBuffer buffer{8000, metrics};
  base::Instant now{1'000'000ms};

  void put(unsigned number, base::Duration jitter = 0ms) {
    buffer.put(1000 + number, {8, number * 160, now, std::to_string(number)}, jitter);
  }
  // "7", "-" for what is missing, "." for nothing.
  std::string take() {
    JitterBuffer::Packet packet;
    switch (buffer.take(now, 160, packet)) {
      case JitterBuffer::Due::packet:
        buffer.played(160);
        return packet.payload;
      case JitterBuffer::Due::missing:
        return "-";
      case JitterBuffer::Due::nothing:
        return ".";
    }
    return {};
  }
  std::string take_all(int frames) {
    std::string all;
    for (int i = 0; i < frames; ++i, now += 20ms) all += take();
    return all;
  }
};

TEST_F(Playing, InOrderAfterTheDelayWhateverOrderTheyCameIn) {
  put(2), put(0), put(1);
  EXPECT_EQ(take_all(3), "012");
}

TEST_F(Playing, TheFirstWaitsForTheDelay) {
  std::string all;
  for (unsigned i = 0; i < 6; ++i) {
    put(i);
    all += take_all(1);
  }
  EXPECT_EQ(all, ".01234");
}

TEST_F(Playing, WhatIsLostIsMissedAndWhatFollowsIsThere) {
  put(0), put(1), put(3), put(4);
  EXPECT_EQ(take_all(2), "01");
  EXPECT_EQ(take(), "-");
  ASSERT_TRUE(buffer.following());
  EXPECT_EQ(buffer.following()->payload, "3");
  EXPECT_EQ(take_all(2), "34");
}

TEST_F(Playing, APauseOfTheSenderIsNoLoss) {
  put(0), put(1);
  buffer.put(1002, {8, 160 * 4, now, "4"}, 0ms);
  buffer.put(1003, {8, 160 * 5, now, "5"}, 0ms);
  EXPECT_EQ(take_all(6), "01..45");
}

TEST_F(Playing, TooLateIsCountedAndMakesRoomForTheNext) {
  put(0), put(1), put(3);
  EXPECT_EQ(take_all(4), "01-3");
  put(2);
  EXPECT_EQ(metrics.late.value, 1U);
  take();
  EXPECT_EQ(buffer.delay(), 40ms);
}

// Every other packet comes a little after it was due: what has been played in its place costs time once.
TEST_F(Playing, WhatComesTooLateIsPlayedAllTheSameWhereNothingAfterItWas) {
  put(0), put(1);
  std::string all = take_all(3);
  for (unsigned i = 2; i < 12; i += 2) {
    put(i), put(i + 1);
    all += take_all(2);
  }
  EXPECT_EQ(all, "01-234567891011");
  EXPECT_EQ(metrics.late.value, 0U);
  EXPECT_EQ(buffer.delay(), 40ms);
}

TEST_F(Playing, TheDelayOfThosePlayedLateIsBounded) {
  put(0), put(1);
  take_all(2);
  for (unsigned i = 2; i < 100; ++i) {
    take_all(1);
    put(i);  // always a frame later than it was due
    take_all(1);
  }
  EXPECT_GT(metrics.late.value, 0U);
  EXPECT_LE(buffer.delay(), limits::kMaxPlayDelay);
}

TEST_F(Playing, WithNothingLeftItBeginsAnewWithTheDelay) {
  put(0), put(1);
  EXPECT_EQ(take_all(6), "01--..");
  put(2), put(3);
  EXPECT_EQ(take_all(2), "23");
}

TEST_F(Playing, TheDelayFollowsTheJitterWithinItsBounds) {
  put(0, 0ms);
  take_all(1);
  EXPECT_EQ(buffer.delay(), limits::kMinPlayDelay);
  put(1, 25ms);
  take_all(1);
  EXPECT_EQ(buffer.delay(), 120ms);
  put(2, 1000ms);
  take_all(1);
  EXPECT_EQ(buffer.delay(), limits::kMaxPlayDelay);
}

TEST_F(Playing, AClockThatIsTooFastIsFollowed) {
  for (unsigned i = 0; i < 12; ++i) put(i);
  EXPECT_EQ(take(), "0");
  now += 20ms;
  for (unsigned i = 12; i < 400; ++i) {  // 240 ms wait all the time
    put(i);
    take_all(1);
  }
  EXPECT_GE(metrics.skipped.value, 6U);  // one a second
  EXPECT_LE(metrics.skipped.value, 9U);
}

TEST_F(Playing, SoManyWaitAndTheOldestGoes) {
  for (unsigned i = 0; i < limits::kMaxWaitingPackets + 3; ++i) put(i);
  EXPECT_EQ(metrics.full.value, 3U);
}

TEST_F(Playing, AClockThatJumpsIsFollowed) {
  put(0), put(1);
  take_all(2);
  buffer.put(1002, {8, 80'000'000, now, "a"}, 0ms);
  buffer.put(1003, {8, 80'000'160, now, "b"}, 0ms);
  buffer.put(1004, {8, 80'000'320, now, "c"}, 0ms);
  EXPECT_EQ(take_all(4), ".abc");
}

}  // namespace
}  // namespace causeway::ua
