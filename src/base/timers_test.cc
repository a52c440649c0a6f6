#include "base/timers.h"

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace causeway::base {
namespace {

Instant at(std::int64_t ms) { return Instant(Duration(ms)); }

TEST(Timers, FiresAtItsTimeAndNotBefore) {
  Timers timers(at(1000));
  int fired = 0;
  Timer t(timers, [&] { ++fired; });
  EXPECT_FALSE(timers.next_due());
  t.start(500ms);
  EXPECT_TRUE(t.pending());
  timers.advance(at(1499));
  EXPECT_EQ(fired, 0);
  EXPECT_EQ(timers.advance(at(1500)), 1u);
  EXPECT_EQ(fired, 1);
  EXPECT_FALSE(t.pending());
  EXPECT_FALSE(timers.next_due());
}

TEST(Timers, ZeroDelayFiresAtTheNextAdvanceEvenWithoutTimePassing) {
  Timers timers(at(0));
  int fired = 0;
  Timer* self = nullptr;
  Timer t(timers, [&] {
    ++fired;
    self->start(0ms);
  });
  self = &t;
  t.start(-5ms);
  EXPECT_EQ(timers.next_due(), at(0));
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(timers.advance(at(0)), 1u);
    EXPECT_EQ(fired, i);
  }
  timers.advance(at(70000));
  EXPECT_EQ(fired, 4);
}

TEST(Timers, DelaysCountFromSetNow) {
  Timers timers(at(0));
  std::vector<char> order;
  Timer old(timers, [&] { order.push_back('o'); });
  Timer zero(timers, [&] { order.push_back('z'); });
  Timer later(timers, [&] { order.push_back('l'); });
  old.start(300ms);
  timers.set_now(at(10000));
  zero.start(0ms);
  later.start(500ms);
  timers.advance(at(10000));
  EXPECT_EQ(order, (std::vector{'o', 'z'}));
  timers.advance(at(10499));
  EXPECT_EQ(order.size(), 2u);
  timers.advance(at(10500));
  EXPECT_EQ(order.size(), 3u);
  timers.set_now(at(5));
  EXPECT_EQ(timers.now(), at(10500));
}

TEST(Timers, DeadlinesBeyondTheWheelAreKept) {
  Timers timers(at(0));
  int fired = 0;
  Timer t(timers, [&] { ++fired; });
  const auto far = std::chrono::duration_cast<Duration>(std::chrono::hours(24 * 200));
  t.start(far);
  Timer farthest(timers, [&] { ++fired; });
  farthest.start(Duration::max());
  timers.advance(at(far.count() - 1));
  EXPECT_EQ(fired, 0);
  timers.advance(at(far.count()));
  EXPECT_EQ(fired, 1);
  EXPECT_TRUE(farthest.pending());
}

TEST(Timers, ATimerMayDestroyItselfAndOthers) {
  Timers timers(at(0));
  int fired = 0;
  std::vector<std::unique_ptr<Timer>> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back(std::make_unique<Timer>(timers, [&] {
      ++fired;
      all.clear();
    }));
    all.back()->start(10ms);
  }
  timers.advance(at(10));
  EXPECT_EQ(fired, 1);
}

TEST(Timers, NodesMayOutliveTheWheel) {
  auto timers = std::make_unique<Timers>(at(0));
  Timer soon(*timers, [] {}), now(*timers, [] {}), late(*timers, [] {});
  soon.start(3ms);
  now.start(0ms);
  late.start(1h);
  timers.reset();
  EXPECT_FALSE(soon.pending());
  EXPECT_FALSE(now.pending());
  EXPECT_FALSE(late.pending());
}

// The same starts, stops and advances on a wheel and on a sorted list of deadlines, with nodes that
// start and stop each other while they fire.
class Model {
 public:
  explicit Model(std::uint32_t seed) : random_(seed), now_(pick(0, 1 << 20)), timers_(at(now_)) {
    for (int i = 0; i < kNodes; ++i) nodes_.push_back(std::make_unique<Node>(*this, i));
  }

  void run() {
    for (int step = 0; step < 1500 && !::testing::Test::HasFailure(); ++step) {
      const int what = static_cast<int>(pick(0, 9));
      if (what < 5) {
        start(any());
      } else if (what < 6) {
        stop(any());
      } else if (what < 7) {
        set_now(now_ + pick(0, 300));
      } else {
        advance(now_ + span());
      }
    }
  }

 private:
  static constexpr int kNodes = 60;
  struct Node : TimerNode {
    Node(Model& m, int i)
        : TimerNode([](TimerNode& self) { static_cast<Node&>(self).fired(); }), model(m), id(i) {}
    void fired() { model.on_fire(id); }
    Model& model;
    int id;
  };

  std::int64_t pick(std::int64_t from, std::int64_t to) {
    return std::uniform_int_distribution<std::int64_t>(from, to)(random_);
  }
  int any() { return static_cast<int>(pick(0, kNodes - 1)); }
  std::int64_t span() {  // every wheel gets its turn, and the edges of the slots too
    const std::int64_t edge = std::int64_t{1} << (8 * pick(0, 4));
    return pick(0, 2) ? pick(0, edge) : std::max<std::int64_t>(0, edge + pick(-1, 1));
  }

  void start(int id) {
    const std::int64_t delay = span();
    timers_.start(*nodes_[static_cast<std::size_t>(id)], Duration(delay));
    due_[id] = {now_ + delay, advancing_ && delay == 0};
    EXPECT_TRUE(nodes_[static_cast<std::size_t>(id)]->pending());
  }
  void stop(int id) {
    nodes_[static_cast<std::size_t>(id)]->stop();
    due_.erase(id);
  }
  void set_now(std::int64_t now) { timers_.set_now(at(now_ = now)); }

  void advance(std::int64_t now) {
    std::int64_t earliest = std::numeric_limits<std::int64_t>::max();
    for (auto& [id, deadline] : due_) {
      deadline.deferred = false;
      earliest = std::min(earliest, deadline.at);
    }
    const auto next = timers_.next_due();
    ASSERT_EQ(next.has_value(), !due_.empty());
    if (next) {
      ASSERT_LE(*next, at(std::max(earliest, now_)));
    }
    now_ = now;
    advancing_ = true;
    last_ = 0;
    timers_.advance(at(now));
    advancing_ = false;
    for (const auto& [id, deadline] : due_) {
      EXPECT_TRUE(deadline.at > now_ || deadline.deferred) << "node " << id << " was not fired";
      EXPECT_TRUE(nodes_[static_cast<std::size_t>(id)]->pending());
    }
  }

  void on_fire(int id) {
    const auto it = due_.find(id);
    ASSERT_NE(it, due_.end()) << "node " << id << " fired but was not pending";
    EXPECT_FALSE(it->second.deferred);
    EXPECT_LE(it->second.at, now_);
    EXPECT_GE(it->second.at, last_) << "out of order";
    last_ = it->second.at;
    due_.erase(it);
    EXPECT_FALSE(nodes_[static_cast<std::size_t>(id)]->pending());
    if (pick(0, 2) == 0) start(id);
    if (pick(0, 3) == 0) start(any());
    if (pick(0, 3) == 0) stop(any());
  }

  struct Deadline {
    std::int64_t at;
    bool deferred;  // started with no delay while firing: due in the next advance
  };
  std::mt19937 random_;
  std::int64_t now_;
  Timers timers_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<int, Deadline> due_;
  std::int64_t last_ = 0;
  bool advancing_ = false;
};

TEST(Timers, BehavesLikeASortedListOfDeadlines) {
  for (std::uint32_t seed = 1; seed <= 150 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Model(seed).run();
  }
}

}  // namespace
}  // namespace causeway::base
