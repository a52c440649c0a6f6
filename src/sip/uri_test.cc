#include "sip/uri.h"

#include <gtest/gtest.h>

namespace causeway::sip {
namespace {

Uri ok(std::string_view text) {
  auto uri = parse_uri(text);
  EXPECT_TRUE(uri) << text << ": " << (uri ? "" : uri.error().what);
  return uri.value_or(Uri{});
}
bool same(std::string_view a, std::string_view b) {
  const bool forth = equivalent(ok(a), ok(b));
  EXPECT_EQ(forth, equivalent(ok(b), ok(a))) << a << " " << b;
  return forth;
}

TEST(Uri, AllParts) {
  Uri u = ok("SIPS:alice:secret@Atlanta.com:5061;transport=tcp;lr?subject=x&priority=urgent");
  EXPECT_EQ(u.scheme, "SIPS");
  EXPECT_TRUE(u.is_sip);
  EXPECT_TRUE(u.is_sips);
  EXPECT_EQ(u.user, "alice");
  EXPECT_EQ(u.password, "secret");
  EXPECT_EQ(u.host, "Atlanta.com");
  EXPECT_EQ(u.port, 5061);
  EXPECT_EQ(u.params, "transport=tcp;lr");
  EXPECT_EQ(u.headers, "subject=x&priority=urgent");
  EXPECT_EQ(u.param("TRANSPORT"), "tcp");
  EXPECT_EQ(u.param("lr"), "");
  EXPECT_FALSE(u.param("maddr"));
}

TEST(Uri, ShortForms) {
  Uri u = ok("sip:p2psip.org");
  EXPECT_FALSE(u.has_user);
  EXPECT_EQ(u.host, "p2psip.org");
  EXPECT_EQ(u.port, 0);
  EXPECT_EQ(ok("sip:h?a=b").headers, "a=b");
  EXPECT_EQ(ok("sip:[2001:db8::9:1]").host, "[2001:db8::9:1]");
  u = ok("sip:a@[::1]:5060;x");
  EXPECT_EQ(u.host, "[::1]");
  EXPECT_EQ(u.port, 5060);
  EXPECT_EQ(u.params, "x");
  EXPECT_EQ(ok("sip:h;;lr;").param("lr"), "");
  EXPECT_EQ(ok("sip:_peer.tok@d;x=").param("x"), "");
}

// RFC 4475 3.1.1.2, 3.1.1.3, 3.1.1.4, 3.1.1.9
TEST(Uri, TortureUsers) {
  Uri u =
      ok("sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/"
         ";;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com");
  EXPECT_EQ(u.user, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*");
  EXPECT_EQ(u.password, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)");
  EXPECT_EQ(u.host, "example.com");
  EXPECT_EQ(ok("sip:sips%3Auser%40example.com@example.net").user, "sips%3Auser%40example.com");
  EXPECT_EQ(ok("sip:user;par=u%40example.net@example.com").user, "user;par=u%40example.net");
  EXPECT_EQ(ok("sip:null-%00-null@example.com").user, "null-%00-null");
}

TEST(Uri, OtherSchemes) {
  Uri u = ok("tel:+1-201-555-0123;phone-context=example.com");
  EXPECT_FALSE(u.is_sip);
  EXPECT_EQ(u.user, "+1-201-555-0123");
  EXPECT_EQ(u.params, "phone-context=example.com");
  EXPECT_EQ(u.host, "");
  EXPECT_FALSE(ok("nobodyKnowsThisScheme:totallyopaquecontent").is_sip);
  EXPECT_FALSE(ok("soap.beep://192.0.2.103:3002").is_sip);
  EXPECT_EQ(ok("urn:service:sos").scheme, "urn");
}

TEST(Uri, Refused) {
  using namespace std::string_view_literals;
  for (std::string_view text : {""sv,
                                "sip"sv,
                                "sip:"sv,
                                ":a@b"sv,
                                "1sip:a@b"sv,
                                "sip:@host"sv,
                                "sip:a@"sv,
                                "sip:a b@host"sv,
                                "sip:a@ho st"sv,
                                "sip:a@host "sv,
                                " sip:a@host"sv,
                                "<sip:a@host>"sv,
                                "sip:a@host:"sv,
                                "sip:a@host:0"sv,
                                "sip:a@host:65536"sv,
                                "sip:a@host:99999999999999999999"sv,
                                "sip:a@host:5x"sv,
                                "sip:a%4@host"sv,
                                "sip:a%zz@host"sv,
                                "sip:a%"sv,
                                "sip:a@b@c"sv,
                                "sip:a@[::1"sv,
                                "sip:a@[]"sv,
                                "sip:a@[xyz:]"sv,
                                "sip:a@host;p=\"q\""sv,
                                "sip:a@host;p=%q1"sv,
                                "sip:a\0b@host"sv,
                                "sip:a@ho\0st"sv,
                                "sip:a@host\r\nVia: x"sv,
                                "sip:a@host\n"sv,
                                "sip:a\x7f@host"sv,
                                "sip:a@host?x=\x01"sv,
                                "tel:"sv,
                                "tel:1 2"sv,
                                "http:<x>"sv,
                                "sip:a@h\xc3\xb6st"sv}) {
    EXPECT_FALSE(parse_uri(text)) << text;
  }
  EXPECT_FALSE(parse_uri("sip:" + std::string(256, 'a')));
  EXPECT_TRUE(parse_uri("sip:" + std::string(255, 'a')));
  EXPECT_EQ(parse_uri("sip:a@ho st").error().offset, 8u);
}

// RFC 3261 19.1.4, its own examples.
TEST(Uri, Equivalent) {
  EXPECT_TRUE(same("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"));
  EXPECT_TRUE(same("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"));
  EXPECT_TRUE(same("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"));
  EXPECT_TRUE(same("sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                   "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"));
  EXPECT_TRUE(same("sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                   "sip:alice@atlanta.com?priority=urgent&subject=project%20x"));
  EXPECT_FALSE(same("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"));
  EXPECT_FALSE(same("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"));
  EXPECT_FALSE(same("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"));
  EXPECT_FALSE(same("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"));
  EXPECT_FALSE(same("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"));
  EXPECT_FALSE(same("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"));
  EXPECT_FALSE(same("sip:a@b", "sips:a@b"));
  EXPECT_FALSE(same("sip:a@b", "sip:a:pw@b"));
  EXPECT_FALSE(same("sip:a@b", "sip:b"));
  EXPECT_FALSE(same("sip:a@b;maddr=c", "sip:a@b"));
  EXPECT_FALSE(same("sip:a%40x@b", "sip:a@b"));
  EXPECT_FALSE(same("sip:a%2Bx@b", "sip:a+x@b"));  // '+' is reserved
  EXPECT_TRUE(same("sip:a%2bx@b", "sip:a%2Bx@b"));
  EXPECT_TRUE(same("tel:+1", "tel:+1"));
  EXPECT_FALSE(same("tel:+1", "tel:+2"));
}

TEST(Uri, AddressOfRecord) {
  EXPECT_EQ(address_of_record(ok("SIP:%61lice@P2PSIP.org:5060;x=y?h=v")), "sip:alice@p2psip.org");
  EXPECT_EQ(address_of_record(ok("sips:Alice:pw@P2PSIP.org")), "sip:Alice@p2psip.org");
  EXPECT_EQ(address_of_record(ok("sip:P2PSIP.org")), "sip:p2psip.org");
  EXPECT_EQ(address_of_record(ok("sip:a%40b%2f@h")), "sip:a%40b%2F@h");
  EXPECT_EQ(address_of_record(ok("sip:a+b@h")), "sip:a+b@h");
  EXPECT_EQ(address_of_record(ok("sip:a%00b%20c@h")), "sip:a%00b%20c@h");
  EXPECT_EQ(address_of_record(ok("sip:%5Fx@h")), "sip:_x@h");
  EXPECT_EQ(address_of_record(ok("tel:+1")), "tel:+1");
}

}  // namespace
}  // namespace causeway::sip
