#include "sip/branch.h"

#include <gtest/gtest.h>

namespace causeway::sip {
namespace {

TEST(Branch, ReadsWhatItWrites) {
  const Branch cases[] = {{0, 0, 1, 0},
                          {3, 0x1f, 0x123456789abcdef0u, 0xdeadbeef},
                          {UINT32_MAX, UINT32_MAX, UINT64_MAX, UINT32_MAX}};
  for (const Branch& branch : cases) {
    const auto text = write_branch(branch);
    const auto read = read_branch(text.view());
    ASSERT_TRUE(read) << text.view();
    EXPECT_EQ(read->worker, branch.worker);
    EXPECT_EQ(read->block, branch.block);
    EXPECT_EQ(read->nonce, branch.nonce);
    EXPECT_EQ(read->loop_hash, branch.loop_hash);
  }
  EXPECT_EQ(write_branch({1, 0x2a, 7, 0xabc}).view(), "z9hG4bK.1.2a.0000000000000007.00000abc");
}

TEST(Branch, RefusesEverythingElse) {
  for (const char* text :
       {"", "z9hG4bK", "z9hG4bK.", "z9hG4bK.0", "z9hG4bK.0.0.0", "z9hG4bK.0.0.0.", "z9hG4bK.0.0.0.0.0",
        "z9hG4bK.0.0.0.0 ", "z9hG4bK.0..0.0", "z9hG4bK.-1.0.0.0", "z9hG4bK.+1.0.0.0", "z9hG4bK.0x1.0.0.0",
        "z9hG4bK.000000000.0.0.0", "z9hG4bK.0.0.00000000000000000.0", "z9hG4bK.0.100000000.0.0",
        "z9hG4bK-0.0.0.0", "x9hG4bK.0.0.0.0", "z9hG4bK.g.0.0.0"})
    EXPECT_FALSE(read_branch(text)) << text;
  EXPECT_TRUE(read_branch("Z9HG4BK.0.0.A.B"));
}

TEST(Branch, CookieInEitherCase) {
  EXPECT_TRUE(has_magic_cookie("z9hG4bK1"));
  EXPECT_TRUE(has_magic_cookie("Z9hg4Bkabc"));
  EXPECT_FALSE(has_magic_cookie("z9hG4bK"));
  EXPECT_FALSE(has_magic_cookie("z9hG4b"));
  EXPECT_FALSE(has_magic_cookie(""));
}

}  // namespace
}  // namespace causeway::sip
