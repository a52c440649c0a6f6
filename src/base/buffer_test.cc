#include "base/buffer.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace causeway::base {
namespace {

TEST(Buffer, EmptyBufferHasNoRoom) {
  Buffer none;
  EXPECT_FALSE(none);
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_EQ(none.capacity(), 0u);
  EXPECT_EQ(none.view(), "");
  none.append("");
  none.resize(0);
}

TEST(Buffer, CopiesShareOneBlock) {
  const std::size_t before = Buffer::in_use();
  {
    Buffer a = Buffer::copy_of("INVITE");
    Buffer b = a;
    EXPECT_EQ(a.data(), b.data());
    EXPECT_EQ(Buffer::in_use(), before + 1);
    a = Buffer();
    EXPECT_EQ(b.view(), "INVITE");
    Buffer c = std::move(b);
    EXPECT_FALSE(b);
    c = c;
    EXPECT_EQ(c.view(), "INVITE");
  }
  EXPECT_EQ(Buffer::in_use(), before);
}

TEST(Buffer, EveryCapacityCanBeFilled) {
  for (std::size_t n :
       {0u, 1u, 255u, 256u, 257u, 512u, 1025u, 4096u, 4097u, 16385u, 65536u, 65537u, 200000u}) {
    Buffer b = Buffer::with_room(n);
    ASSERT_GE(b.capacity(), n);
    const std::string bytes(n, 'x');
    b.append(bytes);
    EXPECT_EQ(b.view(), bytes);
  }
}

TEST(Buffer, PoolIsBoundedAndReusable) {
  for (int round = 0; round < 2; ++round) {
    std::vector<Buffer> many;
    for (int i = 0; i < 6000; ++i) many.push_back(Buffer::copy_of(std::to_string(i)));
    for (int i = 0; i < 6000; ++i) ASSERT_EQ(many[static_cast<std::size_t>(i)].view(), std::to_string(i));
  }
}

TEST(Buffer, AppendWritesBehindWhatIsThere) {
  Buffer b = Buffer::with_room(10);
  b.append("abc");
  b.append("def");
  EXPECT_EQ(b.view(), "abcdef");
  b.resize(2);
  b.append("X");
  EXPECT_EQ(b.view(), "abX");
}

TEST(BufferDeathTest, OverrunStopsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(Buffer::with_room(300).resize(600), "beyond the capacity");
  EXPECT_DEATH(Buffer::with_room(10).append(std::string(1000, 'x')), "beyond the capacity");
}

thread_local Buffer outlives_the_pool;

TEST(Buffer, ABufferMayOutliveItsThreadsPool) {
  std::thread([] {
    outlives_the_pool = Buffer::copy_of("late");  // constructed before the pool opens
    Buffer::copy_of("early");
  }).join();
}

}  // namespace
}  // namespace causeway::base
