#include "base/siphash.h"

#include <gtest/gtest.h>

#include <string>

namespace causeway::base {
namespace {

// The key 00 01 ... 0f and the texts "", 00, 00 01, ... of the reference implementation.
TEST(SipHash, AgreesWithTheReference) {
  const SipHash::Key key{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
  std::string text;
  for (char c = 0; c < 63; ++c) text += c;
  const auto of = [&](std::size_t length) {
    return SipHash(key).add(std::string_view(text).substr(0, length)).value();
  };
  EXPECT_EQ(of(0), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(of(1), 0x74f839c593dc67fdu);
  EXPECT_EQ(of(8), 0x93f5f5799a932462u);
  EXPECT_EQ(of(15), 0xa129ca6149be45e5u);
  EXPECT_EQ(of(63), 0x958a324ceb064572u);
}

TEST(SipHash, PiecesAreOneText) {
  const SipHash::Key key{1, 2};
  EXPECT_EQ(SipHash(key).add("abc").add("").add("defghij").value(), SipHash(key).add("abcdefghij").value());
  EXPECT_NE(SipHash(key).add("a").value(), SipHash({1, 3}).add("a").value());
}

}  // namespace
}  // namespace causeway::base
