#include "base/random.h"

#include <algorithm>
#include <array>
#include <set>

#include <gtest/gtest.h>

namespace causeway::base {
namespace {

TEST(Random, TheSameSeedReplays) {
  Random a(42), b(42), c(43);
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t value = a.u64();
    EXPECT_EQ(value, b.u64());
    EXPECT_NE(value, c.u64());
  }
}

TEST(Random, KernelStreamsDiffer) {
  Random a, b;
  EXPECT_NE(a.u64(), b.u64());
  std::set<std::string> tokens;
  for (int i = 0; i < 1000; ++i) tokens.insert(a.token(16));
  EXPECT_EQ(tokens.size(), 1000u);
}

TEST(Random, FillsAcrossChunks) {
  Random random(1);
  std::array<std::uint8_t, 2000> bytes{};
  random.fill({bytes.data() + 1, 1998});
  EXPECT_EQ(bytes.front(), 0);
  EXPECT_EQ(bytes.back(), 0);
  std::array<int, 256> seen{};
  for (const std::uint8_t byte : bytes) ++seen[byte];
  EXPECT_LT(*std::ranges::max_element(seen), 40);
}

TEST(Random, BelowIsUniformAndBelow) {
  Random random(5);
  std::array<int, 7> seen{};
  for (int i = 0; i < 70000; ++i) ++seen.at(random.below(7));
  for (const int n : seen) EXPECT_NEAR(n, 10000, 400);
  EXPECT_EQ(random.below(1), 0u);
  for (int i = 0; i < 100; ++i) EXPECT_LT(random.below((1ull << 63) + 1), (1ull << 63) + 1);
}

TEST(Random, TokensAreOfTheAlphabet) {
  Random random(9);
  const std::string token = random.token(5000);
  EXPECT_EQ(token.size(), 5000u);
  EXPECT_EQ(token.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567"), std::string::npos);
  EXPECT_EQ(std::set<char>(token.begin(), token.end()).size(), 32u);
  EXPECT_EQ(random.token(0), "");
}

}  // namespace
}  // namespace causeway::base
