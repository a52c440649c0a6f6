#include "base/siphash.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <memory>
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

// The first two of the reference implementation's vectors for 128 bits.
TEST(SipHash, WideAgreesWithTheReference) {
  const SipHash::Key key{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
  EXPECT_EQ(SipHash::wide(key, ""), (SipHash::Wide{0xe6a825ba047f81a3u, 0x930255c71472f66du}));
  EXPECT_EQ(SipHash::wide(key, std::string_view("\0", 1)),
            (SipHash::Wide{0x44af996bd8c187dau, 0x45fc229b11597634u}));
}

TEST(SipHash, WideAgreesWithOpenSslAtAllLengths) {
  const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> mac(EVP_MAC_fetch(nullptr, "SIPHASH", nullptr),
                                                              EVP_MAC_free);
  ASSERT_TRUE(mac);
  const SipHash::Key key{0x0123456789abcdefu, 0xfedcba9876543210u};
  std::string text;
  for (; text.size() < 40; text += static_cast<char>('a' + text.size())) {
    const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(EVP_MAC_CTX_new(mac.get()),
                                                                            EVP_MAC_CTX_free);
    SipHash::Wide theirs{};
    std::size_t size = 0;
    ASSERT_EQ(
        EVP_MAC_init(context.get(), reinterpret_cast<const unsigned char*>(key.data()), sizeof key, nullptr),
        1);
    EVP_MAC_update(context.get(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
    EVP_MAC_final(context.get(), reinterpret_cast<unsigned char*>(theirs.data()), &size, sizeof theirs);
    EXPECT_EQ(size, sizeof theirs);
    EXPECT_EQ(SipHash::wide(key, text), theirs) << text;
  }
}

}  // namespace
}  // namespace causeway::base
