#include <gtest/gtest.h>

#include "base/encoding.h"
#include "stun/binding.h"
#include "stun/message.h"
#include "stun/vectors_for_test.h"
#include "stun/writer.h"

namespace causeway::stun {
namespace {

using namespace testing;
using net::Address;

constexpr std::string_view kTransaction = "abcdefghijkl";

// ---- the sample messages of the RFCs

TEST(Vectors, RequestOfRfc5769) {
  const auto m = Message::parse(kRequest);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->kind(), Class::request);
  EXPECT_EQ(m->method(), Method::binding);
  EXPECT_EQ(m->value(Attribute::software), "STUN test client");
  EXPECT_EQ(m->value(Attribute::username), "evtj:h6vY");
  ASSERT_EQ(m->unknown().size(), 1u);  // PRIORITY is ICE's
  EXPECT_EQ(m->unknown()[0], 0x24);
  EXPECT_TRUE(check_integrity(*m, Attribute::message_integrity, Key::short_term(kPassword)));
  EXPECT_FALSE(check_integrity(*m, Attribute::message_integrity, Key::short_term("another")));
  EXPECT_FALSE(check_integrity(*m, Attribute::message_integrity_sha256, Key::short_term(kPassword)));
  EXPECT_TRUE(m->has(Attribute::fingerprint));
}

TEST(Vectors, ResponsesOfRfc5769) {
  const auto v4 = Message::parse(kResponse4);
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->kind(), Class::success);
  EXPECT_EQ(v4->xor_address(Attribute::xor_mapped_address), Address::parse("192.0.2.1:32853").value());
  EXPECT_TRUE(check_integrity(*v4, Attribute::message_integrity, Key::short_term(kPassword)));
  const auto v6 = Message::parse(kResponse6);
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->xor_address(Attribute::xor_mapped_address),
            Address::parse("[2001:db8:1234:5678:11:2233:4455:6677]:32853").value());
  EXPECT_TRUE(check_integrity(*v6, Attribute::message_integrity, Key::short_term(kPassword)));
}

TEST(Vectors, LongTermCredentialsOfRfc5769) {
  const auto m = Message::parse(kLongTerm);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->value(Attribute::username), kUser);
  const Key key = Key::long_term(kUser, "example.org", "TheMatrIX");
  EXPECT_TRUE(check_integrity(*m, Attribute::message_integrity, key));
  // This one is padded with zeros, so the writer makes the same bytes.
  char room[256];
  Writer out(room, Class::request, Method::binding, m->transaction());
  out.text(Attribute::username, kUser);
  out.text(Attribute::nonce, "f//499k954d6OL34oL9FSTvy64sA");
  out.text(Attribute::realm, "example.org");
  out.integrity(Attribute::message_integrity, key);
  EXPECT_EQ(out.view(), kLongTerm);
}

TEST(Vectors, Sha256AndUserhashOfRfc8489) {
  const auto m = Message::parse(kSha256);
  ASSERT_TRUE(m);
  const auto hash = userhash_of(kUser, "example.org");
  EXPECT_EQ(m->value(Attribute::userhash), base::as_text(hash));
  EXPECT_EQ(m->password_algorithm(), PasswordAlgorithm::sha256);
  EXPECT_EQ(nonce_features(*m->value(Attribute::nonce)), 2u);
  const Key key = Key::long_term(kUser, "example.org", "TheMatrIX", PasswordAlgorithm::sha256);
  EXPECT_TRUE(check_integrity(*m, Attribute::message_integrity_sha256, key));
  char room[256];
  Writer out(room, Class::request, Method::binding, m->transaction());
  out.text(Attribute::userhash, base::as_text(hash));
  out.text(Attribute::nonce, *m->value(Attribute::nonce));
  out.text(Attribute::realm, "example.org");
  out.password_algorithm(PasswordAlgorithm::sha256);
  out.integrity(Attribute::message_integrity_sha256, key);
  EXPECT_EQ(out.view(), kSha256);
}

// ---- what is refused

TEST(Parse, AnyByteOfAFingerprintedMessageCounts) {
  for (std::size_t i = 0; i < kResponse4.size(); ++i) {
    std::string other = kResponse4;
    other[i] ^= 1;
    const auto m = Message::parse(other);
    // The type of the last attribute: then it is no FINGERPRINT, and another one that is optional.
    EXPECT_TRUE(!m || i == 72 || i == 73) << i;
  }
}

TEST(Parse, EveryPrefixIsRefused) {
  for (std::size_t n = 0; n < kRequest.size(); ++n) EXPECT_FALSE(Message::parse(kRequest.substr(0, n))) << n;
}

TEST(Parse, SaysWhy) {
  EXPECT_EQ(Message::parse("").error(), Malformed::not_stun);
  std::string m = from_hex("00010000 2112a442") + std::string(kTransaction);
  EXPECT_TRUE(Message::parse(m));
  EXPECT_EQ(Message::parse(m + "    ").error(), Malformed::wrong_length);
  std::string cookie = m;
  cookie[7] ^= 1;
  EXPECT_EQ(Message::parse(cookie).error(), Malformed::not_stun);
  std::string high = m;
  high[0] = 0x40;
  EXPECT_EQ(Message::parse(high).error(), Malformed::not_stun);
  std::string beyond = from_hex("00010004 2112a442") + std::string(kTransaction) + from_hex("00060001");
  EXPECT_EQ(Message::parse(beyond).error(), Malformed::bad_attribute);
  std::string early =
      from_hex("0001000c 2112a442") + std::string(kTransaction) + from_hex("80280004 00000000 001a0000");
  EXPECT_EQ(Message::parse(early).error(), Malformed::bad_fingerprint);
}

TEST(Parse, TooManyAttributes) {
  for (const std::size_t more : {0u, 1u}) {
    const std::size_t count = limits::kMaxAttributes + more;
    std::string m(kHeaderSize, '\0');
    write_header(m.data(), Class::request, Method::binding, 4 * count, kTransaction);
    for (std::size_t i = 0; i < count; ++i) m += from_hex("001a0000");
    EXPECT_EQ(Message::parse(m).has_value(), more == 0);
  }
}

TEST(Parse, UnknownAttributesAreNamedAFewOfThem) {
  char room[256];
  Writer out(room, Class::request, Method::allocate, kTransaction);
  out.text(static_cast<Attribute>(0x8055), "optional");
  for (std::uint16_t type : {0x7001, 0x7002, 0x7003, 0x7004, 0x7005}) out.flag(static_cast<Attribute>(type));
  const auto m = Message::parse(out.view());
  ASSERT_TRUE(m);
  ASSERT_EQ(m->unknown().size(), limits::kMaxUnknownNamed);
  EXPECT_EQ(m->unknown()[0], 0x7001);
}

TEST(Parse, NothingIsSeenBehindTheIntegrity) {
  const Key key = Key::short_term("secret");
  char room[512];
  Writer out(room, Class::request, Method::create_permission, kTransaction);
  out.xor_address(Attribute::xor_peer_address, *Address::parse("192.0.2.1:1"));
  out.integrity(Attribute::message_integrity, key);
  out.xor_address(Attribute::xor_peer_address, *Address::parse("192.0.2.2:2"));
  out.number(Attribute::lifetime, 1);
  out.flag(static_cast<Attribute>(0x7001));
  out.integrity(Attribute::message_integrity_sha256, key);
  out.text(Attribute::username, "late");
  out.fingerprint();
  const auto m = Message::parse(out.view());
  ASSERT_TRUE(m);
  EXPECT_FALSE(m->has(Attribute::lifetime));
  EXPECT_FALSE(m->has(Attribute::username));
  EXPECT_TRUE(m->unknown().empty());
  EXPECT_TRUE(m->has(Attribute::fingerprint));
  EXPECT_TRUE(check_integrity(*m, Attribute::message_integrity, key));
  EXPECT_TRUE(check_integrity(*m, Attribute::message_integrity_sha256, key));
  std::size_t peers = 0;
  EXPECT_TRUE(m->peers([&](const Address&) { return ++peers > 0; }));
  EXPECT_EQ(peers, 1u);
}

// ---- every attribute there and back

TEST(Attributes, RoundTrip) {
  char room[1024];
  Writer out(room, Class::error, Method::allocate, kTransaction);
  const Address v4 = *Address::parse("192.0.2.7:3478"), v6 = *Address::parse("[2001:db8::7]:3478");
  out.address(Attribute::mapped_address, v4);
  out.address(Attribute::alternate_server, v6);
  out.xor_address(Attribute::xor_peer_address, v6);
  out.xor_address(Attribute::xor_peer_address, v4);
  out.xor_address(Attribute::xor_relayed_address, v4);
  out.number(Attribute::lifetime, 600);
  out.channel(0x4001);
  out.octet(Attribute::requested_transport, 17);
  out.octet(Attribute::requested_address_family, 2);
  out.octet(Attribute::additional_address_family, 2);
  out.even_port(true);
  out.text(Attribute::reservation_token, "12345678");
  out.flag(Attribute::dont_fragment);
  out.error(Error::allocation_mismatch);
  out.address_error(Family::ipv6, Error::insufficient_capacity);
  out.icmp(3, 4, 1400);
  out.text(Attribute::alternate_domain, "p2psip.org");
  out.text(Attribute::data, "abc");
  out.password_algorithms({PasswordAlgorithm::sha256, PasswordAlgorithm::md5});
  const std::uint16_t unknown[] = {0x7001, 0x7002};
  out.unknown_attributes(unknown);
  out.fingerprint();
  const auto m = Message::parse(out.view());
  ASSERT_TRUE(m);
  EXPECT_EQ(m->kind(), Class::error);
  EXPECT_EQ(m->method(), Method::allocate);
  EXPECT_EQ(m->transaction(), kTransaction);
  EXPECT_EQ(m->address(Attribute::mapped_address), v4);
  EXPECT_EQ(m->address(Attribute::alternate_server), v6);
  EXPECT_EQ(m->xor_address(Attribute::xor_peer_address), v6);
  EXPECT_EQ(m->xor_address(Attribute::xor_relayed_address), v4);
  std::vector<Address> peers;
  EXPECT_TRUE(m->peers([&](const Address& peer) { return peers.push_back(peer), true; }));
  EXPECT_EQ(peers, (std::vector{v6, v4}));
  EXPECT_EQ(m->number(Attribute::lifetime), 600u);
  EXPECT_EQ(m->channel(), 0x4001);
  EXPECT_EQ(m->octet(Attribute::requested_transport), 17);
  EXPECT_EQ(m->family(Attribute::requested_address_family), Family::ipv6);
  EXPECT_EQ(m->octet(Attribute::even_port), 0x80);
  EXPECT_EQ(m->value(Attribute::reservation_token), "12345678");
  EXPECT_TRUE(m->has(Attribute::dont_fragment));
  EXPECT_EQ(m->error(), 437);
  EXPECT_EQ(m->error_reason(), "Allocation Mismatch");
  EXPECT_EQ(base::hex(base::as_bytes(m->value(Attribute::address_error_code)->substr(0, 4))), "02000508");
  EXPECT_EQ(base::hex(base::as_bytes(*m->value(Attribute::icmp))), "0000060400000578");
  EXPECT_EQ(m->value(Attribute::alternate_domain), "p2psip.org");
  EXPECT_EQ(m->value(Attribute::data), "abc");
  EXPECT_EQ(base::hex(base::as_bytes(*m->value(Attribute::password_algorithms))), "0002000000010000");
  EXPECT_EQ(base::hex(base::as_bytes(*m->value(Attribute::unknown_attributes))), "70017002");
}

TEST(Attributes, WrongFormsAreNothing) {
  char room[256];
  Writer out(room, Class::request, Method::allocate, kTransaction);
  out.text(Attribute::lifetime, "abc");
  out.text(Attribute::xor_peer_address, from_hex("0003000001020304"));
  out.text(Attribute::channel_number, "");
  out.text(Attribute::error_code, from_hex("00000763"));
  out.octet(Attribute::requested_address_family, 3);
  out.text(Attribute::password_algorithm, from_hex("00030000"));
  const auto m = Message::parse(out.view());
  ASSERT_TRUE(m);
  EXPECT_TRUE(m->has(Attribute::lifetime));
  EXPECT_FALSE(m->number(Attribute::lifetime));
  EXPECT_FALSE(m->xor_address(Attribute::xor_peer_address));
  EXPECT_FALSE(m->peers([](const Address&) { return true; }));
  EXPECT_FALSE(m->channel());
  EXPECT_FALSE(m->error());
  EXPECT_FALSE(m->family(Attribute::requested_address_family));
  EXPECT_FALSE(m->password_algorithm());
  EXPECT_FALSE(m->number(Attribute::icmp));
}

TEST(Attributes, EveryMethodAndClassSurvives) {
  for (unsigned method = 0; method < 0x1000; ++method)
    for (unsigned kind = 0; kind < 4; ++kind) {
      char room[kHeaderSize];
      Writer out(room, static_cast<Class>(kind), static_cast<Method>(method), kTransaction);
      const auto m = Message::parse(out.view());
      ASSERT_TRUE(m) << method;
      ASSERT_EQ(m->method(), static_cast<Method>(method));
      ASSERT_EQ(m->kind(), static_cast<Class>(kind));
    }
}

TEST(Writer, WhatDoesNotFitIsNoMessage) {
  char room[64];
  for (std::size_t size = 0; size < sizeof room; ++size) {
    Writer out(std::span<char>(room, size), Class::success, Method::binding, kTransaction);
    out.number(Attribute::lifetime, 1);
    out.fingerprint();
    EXPECT_EQ(out.fits(), size >= 36) << size;
    EXPECT_EQ(out.view().size(), size >= 36 ? 36u : 0u);
  }
}

TEST(Nonce, Cookie) {
  EXPECT_EQ(nonce_cookie(kPasswordAlgorithms), "obMatJos2gAAA");
  EXPECT_EQ(nonce_features("obMatJos2gAAAxyz"), kPasswordAlgorithms);
  EXPECT_EQ(nonce_features(nonce_cookie(kUsernameAnonymity)), kUsernameAnonymity);
  EXPECT_FALSE(nonce_features("obMatJos2gAA"));
  EXPECT_FALSE(nonce_features("obMatJos2g=AA"));
  EXPECT_FALSE(nonce_features("abMatJos2gAAA"));
}

// ---- Binding

TEST(Binding, Ipv6IsXoredWithTheTransactionToo) {
  const std::string request = from_hex("00010000 2112a442") + std::string(kTransaction);
  const Address from = *Address::parse("[2001:db8::1]:5060");
  const auto answer = answer_binding(request, from);
  ASSERT_EQ(answer.size(), 44u);
  const std::string_view bytes = answer.view();
  EXPECT_EQ(base::hex(base::as_bytes(bytes.substr(0, 4))), "01010018");
  EXPECT_EQ(base::hex(base::as_bytes(bytes.substr(20, 6))), "002000140002");
  for (std::size_t i = 0; i < 16; ++i)
    EXPECT_EQ(static_cast<std::uint8_t>(bytes[28 + i] ^ request[4 + i]), from.ip.bytes()[i]);
}

TEST(Binding, FingerprintIsAnsweredWithOne) {
  char room[64];
  Writer out(room, Class::request, Method::binding, kTransaction);
  out.fingerprint();
  const auto buffer = answer_binding(out.view(), *Address::parse("192.0.2.1:9"));
  const auto answer = Message::parse(buffer.view());
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->has(Attribute::fingerprint));
  EXPECT_EQ(answer->xor_address(Attribute::xor_mapped_address), *Address::parse("192.0.2.1:9"));
}

TEST(Binding, WhatIsNotUnderstoodIsSaid) {
  const auto buffer = answer_binding(kRequest, *Address::parse("192.0.2.1:9"));
  const auto answer = Message::parse(buffer.view());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error(), 420);
  EXPECT_EQ(answer->value(Attribute::unknown_attributes), std::string_view("\0\x24", 2));
  EXPECT_LE(buffer.size(), 2 * kRequest.size());
}

TEST(Binding, NothingForOthers) {
  const std::string request = from_hex("00010000 2112a442") + std::string(kTransaction);
  for (std::size_t i : {0, 1, 2, 3, 4, 7}) {
    std::string other = request;
    other[i] ^= 0x40;
    EXPECT_FALSE(answer_binding(other, {})) << i;
  }
  for (std::size_t n = 0; n < request.size(); ++n) EXPECT_FALSE(answer_binding({request.data(), n}, {}));
  EXPECT_FALSE(answer_binding(kResponse4, {}));
}

}  // namespace
}  // namespace causeway::stun
