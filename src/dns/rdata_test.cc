#include "dns/rdata.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace causeway::dns {
namespace {

using namespace std::string_literals;

Rdata bytes(const std::string& text) { return base::as_bytes(text); }

TEST(Rdata, Naptr) {
  std::string data =
      "\0\x0a\0\x14\x01s\x07SIP+D2U\0\x04_sip\x04_udp\x07"
      "Example\x03"
      "com\0"s;
  auto record = decode_naptr(bytes(data));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->order, 10);
  EXPECT_EQ(record->preference, 20);
  EXPECT_EQ(record->flags, "s");
  EXPECT_EQ(record->service, "SIP+D2U");
  EXPECT_EQ(record->replacement, "_sip._udp.example.com");
  for (std::size_t n = 0; n < data.size(); ++n) EXPECT_FALSE(decode_naptr(bytes(data.substr(0, n)))) << n;
  EXPECT_FALSE(decode_naptr(bytes(data + "x")));
}

TEST(Rdata, Srv) {
  std::string data =
      "\0\x01\0\x02\x13\xc4\x01"
      "a\x02"
      "de\0"s;
  auto record = decode_srv(bytes(data));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->port, 5060);
  EXPECT_EQ(record->target, "a.de");
  EXPECT_EQ(decode_srv(bytes("\0\0\0\0\0\0\0"s))->target, "");
  for (std::size_t n = 0; n < data.size(); ++n) EXPECT_FALSE(decode_srv(bytes(data.substr(0, n)))) << n;
}

// A target is put into log lines and asked for again: nothing but host characters, no endless names.
TEST(Rdata, NamesAreHostNames) {
  EXPECT_FALSE(
      decode_srv(bytes("\0\1\0\2\x13\xc4\x03"
                       "a\nb\0"s)));
  EXPECT_FALSE(
      decode_srv(bytes("\0\1\0\2\x13\xc4\x03"
                       "a.b\0"s)));
  EXPECT_FALSE(decode_srv(bytes("\0\1\0\2\x13\xc4\xc0\x0c"s)));
  std::string endless = "\0\1\0\2\x13\xc4"s;
  for (int i = 0; i < 5; ++i) endless += '\x3f' + std::string(63, 'a');
  EXPECT_FALSE(decode_srv(bytes(endless + '\0')));
}

TEST(Rdata, Addresses) {
  EXPECT_EQ(decode_a(bytes("\xc0\0\2\1"s))->text(), "192.0.2.1");
  EXPECT_FALSE(decode_a(bytes("\xc0\0\2"s)));
  EXPECT_EQ(decode_aaaa(bytes("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"s))->text(), "2001:db8::1");
  EXPECT_FALSE(decode_aaaa(bytes("1234"s)));
}

}  // namespace
}  // namespace causeway::dns
