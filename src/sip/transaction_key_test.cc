#include "sip/transaction_key.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "sip/scan.h"

namespace causeway::sip {
namespace {

TransactionKey key_of(const std::string& host, const std::string& branch) {
  TransactionKeys keys({1, 2});
  Via via;
  via.host = host;
  via.branch = branch;
  return keys.make(via, Method::invite).value();
}

// RFC 3261 7.3.1. Lengths around the eight characters that are taken at a time.
TEST(TransactionKeys, LettersOfEitherCaseAreTheSameAndNothingElseIs) {
  for (std::size_t at = 0; at < 20; ++at)
    for (int a = 1; a < 256; ++a)
      for (int b : {a, a ^ 0x20, a ^ 0x80, int{'k'}}) {
        std::string one = "z9hG4bK" + std::string(20, 'x'), other = one;
        one[7 + at] = static_cast<char>(a);
        other[7 + at] = static_cast<char>(b);
        const bool same = scan::lower(static_cast<char>(a)) == scan::lower(static_cast<char>(b));
        EXPECT_EQ(key_of("h", one) == key_of("H", other), same) << at << " " << a << " " << b;
      }
}

TEST(TransactionKeys, ByTheViaAloneAndByTheRequestAreOne) {
  const std::string text =
      "INVITE sip:bob@p2psip.org SIP/2.0\r\nVia: SIP/2.0/UDP Phone.example.com:5062;branch=z9hG4bKa\r\n"
      "To: <sip:bob@p2psip.org>\r\nFrom: <sip:a@b>;tag=1\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n";
  Message message;
  ASSERT_TRUE(message.parse(text));
  auto via = parse_via(message.value(HeaderName::via)).value();
  TransactionKeys keys({1, 2});
  EXPECT_EQ(keys.make(message, via, Method::invite), keys.make(via, Method::invite));
  EXPECT_EQ(keys.make(message, via, Method::ack), keys.make(via, Method::invite));
  EXPECT_NE(keys.make(message, via, Method::bye), keys.make(via, Method::invite));
  EXPECT_FALSE(keys.make(via, Method::other));
  via.branch = "x1";  // RFC 2543
  EXPECT_FALSE(keys.make(via, Method::invite));
}

}  // namespace
}  // namespace causeway::sip
