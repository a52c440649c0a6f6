#include "base/encoding.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace causeway::base {
namespace {

std::string text_of(const std::optional<Bytes>& bytes) {
  return bytes ? std::string(as_text(*bytes)) : "(none)";
}

// RFC 4648 section 10
TEST(Encoding, TestVectors) {
  const char* plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
  const char* in_base64[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
  const char* in_base32[] = {"", "my", "mzxq", "mzxw6", "mzxw6yq", "mzxw6ytb", "mzxw6ytboi"};
  const char* in_hex[] = {"", "66", "666f", "666f6f", "666f6f62", "666f6f6261", "666f6f626172"};
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(base64(as_bytes(plain[i])), in_base64[i]);
    EXPECT_EQ(text_of(from_base64(in_base64[i])), plain[i]);
    EXPECT_EQ(base32(as_bytes(plain[i])), in_base32[i]);
    EXPECT_EQ(text_of(from_base32(in_base32[i])), plain[i]);
    EXPECT_EQ(hex(as_bytes(plain[i])), in_hex[i]);
    EXPECT_EQ(text_of(from_hex(in_hex[i])), plain[i]);
  }
}

TEST(Encoding, EveryLengthComesBack) {
  Random random(7);
  for (std::size_t n = 0; n < 70; ++n) {
    Bytes bytes(n);
    random.fill(bytes);
    EXPECT_EQ(from_base32(base32(bytes)), bytes);
    EXPECT_EQ(from_base64(base64(bytes)), bytes);
    EXPECT_EQ(from_base64url(base64url(bytes)), bytes);
    EXPECT_EQ(from_hex(hex(bytes)), bytes);
  }
}

TEST(Encoding, PaddingIsOptionalInBase64) {
  EXPECT_EQ(text_of(from_base64("Zg")), "f");
  EXPECT_EQ(text_of(from_base64("Zm8")), "fo");
  EXPECT_EQ(text_of(from_base64url("Zg==")), "f");
}

TEST(Encoding, EitherCaseInBase32AndHex) {
  EXPECT_EQ(text_of(from_base32("MZXW6YTBOI")), "foobar");
  EXPECT_EQ(text_of(from_hex("666F")), "fo");
}

TEST(Encoding, WhatNoEncoderWritesIsRefused) {
  for (const char* bad : {"Z", "Zg=", "Zg===", "=", "==", "====", "Zm9v====", "Zm9v=", "Z=g=", "Zh==", "Zm9",
                          "Zm9v\n", "Zm 9v", "Zm-v"}) {
    EXPECT_FALSE(from_base64(bad)) << bad;
  }
  EXPECT_FALSE(from_base64url("a+b/"));
  for (const char* bad : {"m", "mz1", "mzx", "mzxw6y", "m8", "mz==", "mz"})
    EXPECT_FALSE(from_base32(bad)) << bad;
  for (const char* bad : {"6", "6g", "666", "0x66", "6 6 "}) EXPECT_FALSE(from_hex(bad)) << bad;
  EXPECT_FALSE(from_hex(std::string_view("6\0", 2)));
  EXPECT_FALSE(from_base64("Zm9\xff"));
}

}  // namespace
}  // namespace causeway::base
