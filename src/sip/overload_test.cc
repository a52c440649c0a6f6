// The judgement in front of a simulated server: one queue, first in first out, and a processor that reads it
// in batches, as net does. What it costs: a call 500 us in four pieces, a refusal a fiftieth of that.
#include "sip/overload.h"

#include <gtest/gtest.h>

#include <cmath>
#include <queue>

#include "base/random.h"
#include "base/sim_loop.h"

namespace causeway::sip {
namespace {

using namespace std::chrono_literals;
using us = std::chrono::microseconds;

constexpr us kInvite = 200us, kAnswer = 150us, kAck = 50us, kBye = 100us, kRefusal = 7us, kRefusalAck = 3us;
constexpr double kCapacity = 1e6 / 500;  // calls a second
constexpr std::size_t kBatch = 64;
constexpr us kRoundTrip = 2ms;

enum class What { invite, answer, ack, bye, refusal_ack };

struct Job {
  us at;
  What what;
  bool operator>(const Job& other) const { return at > other.at; }
};

class Plant {
 public:
  explicit Plant(base::Duration target = 20ms) { overload.set_target(target); }

  std::function<us()> hold = [] { return us(1s); };
  // New calls come at random.
  void offer(double per_second, us span) {
    const us end = now_ + span;
    for (us at = now_ + gap(per_second); at < end; at += gap(per_second)) arrivals_.push({at, What::invite});
    run_until(end);
  }
  void stand_still(us span) { now_ += span; }

  struct Seen {
    std::uint64_t offered = 0, refused = 0, completed = 0;
    us longest_wait{}, last_refused{};
  };
  // Since the last time it was asked.
  Seen take() { return std::exchange(seen_, {}); }
  us now() const { return now_; }

  base::SimLoop loop;
  base::Metrics metrics;
  Overload overload{loop, metrics};

 private:
  us gap(double per_second) {
    const double part = static_cast<double>(random_.below(1'000'000) + 1) / 1e6;
    return std::max(us(static_cast<std::int64_t>(-std::log(part) * 1e6 / per_second)), 1us);
  }
  void later(us in, What what) { arrivals_.push({now_ + in, what}); }
  void run_until(us end) {
    while (now_ < end) {
      const us began = std::chrono::floor<base::Duration>(now_);
      if (arrivals_.empty() || arrivals_.top().at > now_)
        now_ += 1ms;  // the loop's pace
      else
        read_batch();
      loop.run_for(std::chrono::floor<base::Duration>(now_) - std::chrono::floor<base::Duration>(began));
    }
  }
  void read_batch() {
    const us waited = now_ - arrivals_.top().at;
    seen_.longest_wait = std::max(seen_.longest_wait, waited);
    for (std::size_t i = 0; i < kBatch && !arrivals_.empty() && arrivals_.top().at <= now_; ++i) {
      const What what = arrivals_.top().what;
      arrivals_.pop();
      overload.on_read(waited);
      handle(what);
    }
  }
  void handle(What what) {
    switch (what) {
      case What::invite:
        ++seen_.offered;
        if (overload.refuses(Overload::Stage::first)) return refuse();
        if (overload.on()) overload.on_admitted();
        now_ += kInvite;
        return later(kRoundTrip, What::answer);
      case What::answer:
        now_ += kAnswer;
        return later(kRoundTrip, What::ack);
      case What::ack:
        now_ += kAck;
        return later(hold(), What::bye);
      case What::bye:
        now_ += kBye;
        ++seen_.completed;
        return;
      case What::refusal_ack:
        now_ += kRefusalAck;
        return;
    }
  }
  void refuse() {
    ++seen_.refused;
    seen_.last_refused = now_;
    EXPECT_TRUE(overload.has_budget());
    overload.on_refused(true);
    now_ += kRefusal;
    later(kRoundTrip, What::refusal_ack);
  }

  us now_{};
  std::priority_queue<Job, std::vector<Job>, std::greater<>>
      arrivals_;  // the queue is what is not later than now
  base::Random random_{7};
  Seen seen_;
};

double per_second(std::uint64_t count, us span) {
  return static_cast<double>(count) * 1e6 / static_cast<double>(span.count());
}

TEST(Overload, NothingIsRefusedUpToTheCapacity) {
  Plant plant;
  plant.offer(0.9 * kCapacity, 20s);
  EXPECT_EQ(plant.take().refused, 0u);
  EXPECT_EQ(plant.metrics.value("sip_overload_total"), 0u);
}

TEST(Overload, WithoutItNothingWouldComeInTime) {
  Plant plant(0ms);
  plant.offer(5 * kCapacity, 10s);
  EXPECT_GT(plant.take().longest_wait, 4s);
}

// A machine that stood still finds a queue; it is no overload.
TEST(Overload, APauseIsNone) {
  Plant plant;
  for (int i = 0; i < 20; ++i) {
    plant.offer(0.3 * kCapacity, 1s);
    plant.stand_still(100ms);
  }
  EXPECT_GT(plant.take().longest_wait, 95ms);
  EXPECT_EQ(plant.metrics.value("sip_overload_total"), 0u);
}

// A standing queue seen once, and then nothing for a while.
TEST(Overload, OneLateReadIsNone) {
  base::SimLoop loop;
  base::Metrics metrics;
  Overload overload(loop, metrics);
  overload.set_target(20ms);
  for (int i = 0; i < 10; ++i) {
    overload.on_read(1s);
    loop.run_for(limits::kOverloadWindow * 2);
    EXPECT_FALSE(overload.on());
  }
}

TEST(Overload, StagesAndTheBudget) {
  base::SimLoop loop;
  base::Metrics metrics;
  Overload overload(loop, metrics);
  overload.set_target(20ms);
  for (int i = 0; i < 10; ++i) {
    overload.on_read(20ms);
    EXPECT_EQ(overload.refuses(Overload::Stage::first), overload.on());
    loop.run_for(10ms);
  }
  EXPECT_TRUE(overload.refuses(Overload::Stage::first));
  EXPECT_FALSE(overload.refuses(Overload::Stage::later));
  overload.on_read(limits::kLaterStage * 20ms);
  EXPECT_TRUE(overload.refuses(Overload::Stage::later));
  overload.on_read(19ms);
  EXPECT_FALSE(overload.refuses(Overload::Stage::first));

  loop.run_for(limits::kOverloadWindow);
  for (std::uint64_t i = 0; i < limits::kRefusalsPerWindow + 5; ++i) {
    EXPECT_EQ(overload.has_budget(), i < limits::kRefusalsPerWindow);
    overload.on_refused(overload.has_budget());
  }
  EXPECT_EQ(metrics.value("sip_overload_refused_total"), limits::kRefusalsPerWindow);
  EXPECT_EQ(metrics.value("sip_overload_dropped_total"), 5u);
  loop.run_for(limits::kOverloadWindow);
  EXPECT_TRUE(overload.has_budget());
}

// Strangers can provoke it, and must not fill a disk.
TEST(Overload, TheLogHasItOnceAMinute) {
  base::SimLoop loop;
  base::Metrics metrics;
  Overload overload(loop, metrics);
  overload.set_target(20ms);
  ::testing::internal::CaptureStderr();
  for (auto end = loop.now() + 2 * limits::kOverloadLogPause; loop.now() < end; loop.run_for(10ms)) {
    const bool late = loop.now().time_since_epoch() / 5s % 2 == 0;
    overload.on_read(late ? 30ms : 0ms);
  }
  const std::string log = ::testing::internal::GetCapturedStderr();
  std::size_t told = 0;
  for (std::size_t at = log.find("overload: "); at != log.npos; at = log.find("overload: ", at + 1)) ++told;
  EXPECT_EQ(metrics.value("sip_overload_total"), 12u);
  EXPECT_EQ(told, 2u) << log;
}

// Goodput, waiting and recovery, whatever the offer and however long the calls.
TEST(Overload, ManyTimesTheCapacity) {
  base::Random random(3);
  const std::function<us()> holds[] = {[] { return us(0); }, [] { return us(1s); },
                                       [&random] { return us(random.below(6'000'000)); }};
  for (const auto& hold : holds)
    for (double times : {1.2, 2.0, 5.0}) {
      SCOPED_TRACE(fmt::format("{} times, hold {}", times, hold().count()));
      Plant plant;
      plant.hold = hold;
      plant.offer(0.5 * kCapacity, 8s);
      plant.take();
      plant.offer(times * kCapacity, 1s);
      EXPECT_LT(plant.take().longest_wait, 100ms);
      EXPECT_TRUE(plant.overload.on());
      plant.offer(times * kCapacity, 8s);  // until the longest calls end, too
      EXPECT_LT(plant.take().longest_wait, 60ms);
      plant.offer(times * kCapacity, 8s);
      const auto in_overload = plant.take();
      EXPECT_GT(per_second(in_overload.completed, 8s), 0.9 * kCapacity);
      EXPECT_LT(in_overload.longest_wait, 60ms);
      EXPECT_GT(in_overload.refused, 0u);
      EXPECT_LT(plant.overload.state().admitted_percent, 100);

      const us normal_again = plant.now();
      plant.offer(0.5 * kCapacity, 2s);
      EXPECT_FALSE(plant.overload.on());
      const us last_refused = plant.take().last_refused;
      EXPECT_LT(last_refused, normal_again + 500ms);
      plant.offer(0.5 * kCapacity, 8s);
      EXPECT_EQ(plant.take().refused, 0u);
      EXPECT_EQ(plant.metrics.value("sip_overload_total"), 1u);
      EXPECT_EQ(plant.overload.state().admitted_percent, 100);
    }
}

}  // namespace
}  // namespace causeway::sip
