#include "ua/media_thread.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <vector>

#include "ua/thread_sanitizer_for_test.h"

namespace causeway::ua {
namespace {

using namespace std::chrono_literals;

TEST(MediaThread, RunsWhatIsPostedInItsOrder) {
  std::vector<int> ran;
  {
    MediaThread thread;
    EXPECT_FALSE(thread.is_this());
    for (int i = 0; i < 100; ++i) thread.post([&, i] { ran.push_back(i); });
    thread.run([&] {
      EXPECT_TRUE(thread.is_this());
      EXPECT_EQ(ran.size(), 100u);
    });
    for (int i = 100; i < 200; ++i) thread.post([&, i] { ran.push_back(i); });
  }
  ASSERT_EQ(ran.size(), 200u);  // what was posted before the end is run
  EXPECT_TRUE(std::ranges::is_sorted(ran));
}

TEST(MediaThread, ATimerRunsOnceAndNotIfItIsCancelled) {
  MediaThread thread;
  std::unique_ptr<MediaTimer> first, second;
  std::promise<base::Instant> done;
  int cancelled = 0, runs = 0;
  const base::Instant begun = MediaThread::now();
  thread.run([&] {
    first = std::make_unique<MediaTimer>(thread);
    second = std::make_unique<MediaTimer>(thread);
    first->start(5ms, [&] { ++cancelled; });
    first->start(10ms, [&] { ++cancelled; });
    first->cancel();
    second->start(1h, [&] { ++cancelled; });
    second->start(20ms, [&] {
      EXPECT_FALSE(second->is_running());
      if (++runs < 2) return second->start(20ms, [&] { done.set_value(MediaThread::now()); });
    });
    EXPECT_TRUE(second->is_running());
  });
  EXPECT_GE(done.get_future().get() - begun, 38ms);
  thread.run([&] {
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(cancelled, 0);
    first.reset();
    second.reset();
  });
}

TEST(MediaThread, ATimerMayDestroyItself) {
  MediaThread thread;
  std::promise<void> done;
  std::unique_ptr<MediaTimer> timer;
  thread.run([&] {
    timer = std::make_unique<MediaTimer>(thread);
    timer->start(1ms, [&] {
      timer.reset();
      done.set_value();
    });
  });
  done.get_future().wait();
}

}  // namespace
}  // namespace causeway::ua
