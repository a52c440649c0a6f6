#include "base/large_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace causeway::base {
namespace {

TEST(LargeMemory, ManyBytesLieInWholeHugePages) {
  const std::size_t before = large_in_use();
  void* few = take_large(1000);
  EXPECT_EQ(large_in_use(), before);
  constexpr std::size_t kMany = kHugePage + 1;
  auto* many = static_cast<char*>(take_large(kMany));
  EXPECT_EQ(large_in_use(), before + 2 * kHugePage);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(many) % kHugePage, 0u);
  many[0] = many[kMany - 1] = 'x';
  give_large(many, kMany);
  give_large(few, 1000);
  EXPECT_EQ(large_in_use(), before);
}

TEST(LargeMemory, VectorsGrowThroughIt) {
  std::vector<std::uint64_t, LargeAllocator<std::uint64_t>> numbers;
  for (std::uint64_t i = 0; i < 1'000'000; ++i) numbers.push_back(i);
  for (std::uint64_t i = 0; i < numbers.size(); ++i) ASSERT_EQ(numbers[i], i);
  const auto copy = numbers;
  EXPECT_EQ(copy, numbers);
}

}  // namespace
}  // namespace causeway::base
