#include "sip/message.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sip/headers.h"

namespace causeway::sip {
namespace {

using namespace std::string_literals;

const std::string kInvite =
    "INVITE sip:bob@biloxi.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds\r\n"
    "Max-Forwards: 70\r\n"
    "To: Bob <sip:bob@biloxi.com>\r\n"
    "From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n"
    "Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n"
    "CSeq: 314159 INVITE\r\n"
    "Contact: <sip:alice@pc33.atlanta.com>\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 4\r\n"
    "\r\n"
    "v=0\n";

// A request made of a start line, the mandatory headers and others.
std::string request(std::string_view start, std::string_view others = "",
                    std::string_view cseq = "1 OPTIONS") {
  return std::string(start) +
         "\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=f\r\nTo: <sip:c@d>\r\n" +
         "Call-ID: i\r\nCSeq: " + std::string(cseq) + "\r\n" + std::string(others) + "\r\n";
}
const std::string kOptions = "OPTIONS sip:c@d SIP/2.0";

class MessageTest : public ::testing::Test {
 protected:
  void accept(const std::string& bytes) {
    keep_ = bytes;
    auto result = m.parse(keep_);
    EXPECT_TRUE(result) << bytes << (result ? "" : result.error().what);
    EXPECT_TRUE(m.well_formed());
  }
  void refuse(const std::string& bytes, std::string_view what, bool answerable = true, int status = 400) {
    keep_ = bytes;
    auto result = m.parse(keep_);
    ASSERT_FALSE(result) << bytes;
    EXPECT_EQ(std::string_view(result.error().what), what) << bytes;
    EXPECT_EQ(result.error().status, status);
    EXPECT_LE(result.error().offset, keep_.size());
    EXPECT_EQ(m.can_be_answered(), answerable) << bytes;
    EXPECT_FALSE(m.well_formed());
  }
  std::string keep_;
  static Message m;
};
Message MessageTest::m;  // one for all, as in a worker: nothing may be left over from the last

TEST_F(MessageTest, Invite) {
  accept(kInvite);
  EXPECT_TRUE(m.is_request());
  EXPECT_EQ(m.method(), Method::invite);
  EXPECT_EQ(m.request_uri_text(), "sip:bob@biloxi.com");
  EXPECT_EQ(m.request_uri()->user, "bob");
  EXPECT_EQ(m.call_id(), "a84b4c76e66710@pc33.atlanta.com");
  EXPECT_EQ(m.from_tag(), "1928301774");
  EXPECT_EQ(m.to_tag(), "");
  EXPECT_EQ(m.cseq()->number, 314159u);
  EXPECT_EQ(m.max_forwards().value(), 70);
  EXPECT_EQ(m.body(), "v=0\n");
  EXPECT_EQ(m.fields().size(), 9u);
  EXPECT_EQ(m.bytes(), kInvite);
  EXPECT_EQ(m.name_text(m.fields()[0]), "Via");
  EXPECT_EQ(m.bytes().substr(m.headers_end(), 2), "\r\n");
  EXPECT_EQ(m.bytes().substr(m.headers_at(), 4), "Via:");
}

TEST_F(MessageTest, Response) {
  accept(
      "SIP/2.0 200 OK fine\r\nv: SIP/2.0/UDP a\r\nV:SIP/2.0/UDP b\r\nf: <sip:a@b>\r\nt:<sip:c@d>;tag=9\r\n"
      "i:x\r\nCSeq: 2 UPDATE\r\n\r\n");
  EXPECT_FALSE(m.is_request());
  EXPECT_EQ(m.status(), 200);
  EXPECT_EQ(m.reason(), "OK fine");
  EXPECT_EQ(m.method(), Method::update);
  EXPECT_EQ(m.to_tag(), "9");
  EXPECT_FALSE(m.can_be_answered());
  const HeaderField* via = m.first(HeaderName::via);
  ASSERT_TRUE(via);
  via = m.next(*via);
  ASSERT_TRUE(via);
  EXPECT_EQ(m.value(*via), "SIP/2.0/UDP b");
  EXPECT_FALSE(m.next(*via));
  std::vector<std::string_view> vias;
  EXPECT_TRUE(for_each_value(m, HeaderName::via, [&](std::string_view v) {
    vias.push_back(v);
    return true;
  }));
  EXPECT_EQ(vias.size(), 2u);
}

TEST_F(MessageTest, EveryMethod) {
  for (int i = 1; i <= static_cast<int>(Method::update); ++i) {
    const auto method = static_cast<Method>(i);
    EXPECT_EQ(parse_method(method_name(method)), method);
    EXPECT_EQ(parse_method(std::string(method_name(method)) + "X"), Method::other);
  }
  EXPECT_EQ(parse_method("invite"), Method::other);
  EXPECT_EQ(parse_method(""), Method::other);
  accept(request("NEWMETHOD sip:a SIP/2.0", "", "1 NEWMETHOD"));  // RFC 4475 3.3.1
  EXPECT_EQ(m.method(), Method::other);
  EXPECT_EQ(m.method_text(), "NEWMETHOD");
}

// RFC 4475 3.1.1.1
TEST_F(MessageTest, TortuousInvite) {
  accept(
      "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n"
      "TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n"
      "from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n"
      "MaX-fOrWaRdS: 0068\r\n"
      "Call-ID: wsinv.ndaksdj@192.0.2.1\r\n"
      "Content-Length   : 5\r\n"
      "cseq: 0009\r\n  INVITE\r\n"
      "Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n"
      "s :\r\n"
      "NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
      "UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n"
      "Content-Type: application/sdp\r\n"
      "Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n"
      "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
      " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
      "m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n"
      "  secondparam ; q = 0.33\r\n\r\nv=0\r\n");
  EXPECT_EQ(m.cseq()->number, 9u);
  EXPECT_EQ(m.max_forwards().value(), 68);
  EXPECT_EQ(m.to_tag(), "1918181833n");
  EXPECT_EQ(m.from_tag(), "98asjd8");
  EXPECT_EQ(m.value(*m.find("S")), "");
  EXPECT_EQ(m.value(*m.find("newfangledheader")), "newfangled value\r\n continued newfangled value");
  EXPECT_EQ(m.value(*m.find("UnknownHeaderWithUnusualValue")), ";;,,;;,;");
  EXPECT_EQ(m.body(), "v=0\r\n");
  std::vector<std::string> branches;
  EXPECT_TRUE(for_each_value(m, HeaderName::via, [&](std::string_view v) {
    branches.emplace_back(parse_via(v).value().branch);
    return true;
  }));
  EXPECT_EQ(branches, (std::vector<std::string>{"390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"}));
  EXPECT_EQ(parse_name_addr(m.value(HeaderName::contact))->params.get("q"), "0.33");
}

// RFC 4475 3.1.1.2: control characters, NUL among them, as quoted-pairs.
TEST_F(MessageTest, WideRangeOfCharacters) {
  const std::string method = "!interesting-Method0123456789_*+`.%indeed'~";
  accept(
      method +
      " sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
      "@example.com SIP/2.0\r\n"
      "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\r\n"
      "To: \"BEL:\\\x07 NUL:\\\0 DEL:\\\x7F\" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>\r\n"s
      "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\""
      "\xD1\x80\xD0\xB0\xD0\xB1\xD0\xBE\xD1\x82\xD0\xB0\xD1\x8E\xD1\x89\xD0\xB8\xD0\xB9\";tag=_token~1'+`*%!-"
      ".\r\n"
      "Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\n"
      "CSeq: 139122385 " +
      method +
      "\r\n"
      "Max-Forwards: 255\r\n"
      "extensionHeader-!.%*+_`'~:\xEF\xBB\xBF\xE5\xA4\xA7\xE5\x81\x9C\xE9\x9B\xBB\r\n"
      "Content-Length: 0\r\n\r\n");
  EXPECT_TRUE(parse_name_addr(m.value(HeaderName::to)));
  EXPECT_EQ(m.from_tag(), "_token~1'+`*%!-.");
  EXPECT_TRUE(m.find("extensionHeader-!.%*+_`'~"));
  EXPECT_TRUE(m.request_uri());
}

// RFC 4475 3.1.1.7
TEST_F(MessageTest, LongValues) {
  std::string others;
  for (int i = 34; i > 0; --i) others += "Via: SIP/2.0/TCP sip" + std::to_string(i) + ".example.com\r\n";
  others += "Unknown-" + std::string(3000, 'N') + ": " + std::string(5000, 'v') + "\r\n";
  accept(request(kOptions, others));
  EXPECT_EQ(m.value(*m.find("unknown-" + std::string(3000, 'n'))).size(), 5000u);
  int vias = 0;
  for (auto* f = m.first(HeaderName::via); f; f = m.next(*f)) ++vias;
  EXPECT_EQ(vias, 35);
}

// RFC 4475 3.1.1.8 (bytes after the body), 3.1.1.12, 3.1.1.13
TEST_F(MessageTest, Datagrams) {
  const std::string one = request(kOptions, "Content-Length: 0\r\n");
  accept(one + request("INVITE sip:x SIP/2.0"));
  EXPECT_EQ(m.bytes(), one);
  EXPECT_EQ(m.body(), "");
  accept("\r\n\r\n" + one);
  EXPECT_EQ(m.bytes(), one);
  EXPECT_EQ(m.headers_at(), kOptions.size() + 2);
  accept(request(kOptions) + "no length: the rest");
  EXPECT_EQ(m.body(), "no length: the rest");
  accept(request("SIP/2.0 100 "));
  EXPECT_EQ(m.reason(), "");
  accept(request("SIP/2.0 100"));
  accept(request("SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe \tx"));
  EXPECT_EQ(m.status(), 200);
  accept(request("sip/2.0 200 OK"));
  accept(request("OPTIONS sip:c@d sip/2.0"));
}

TEST_F(MessageTest, ContentLength) {
  accept(request(kOptions, "Content-Length: 2\r\nl: 2\r\n") + "abc");
  EXPECT_EQ(m.body(), "ab");
  accept(request(kOptions, "l:\r\n 0003\r\n") + "abc");
  refuse(request(kOptions, "Content-Length: 2\r\nl: 3\r\n") + "abc", "Content-Lengths that differ");  // 3.3.9
  refuse(request(kOptions, "l: 9999\r\n") + "abc", "Content-Length larger than the message");  // 3.1.2.2
  refuse(request(kOptions, "l: -999\r\n") + "abc", "Bad Content-Length");                      // 3.1.2.3
  refuse(request(kOptions, "l: 2, 2\r\n") + "abc", "Bad Content-Length");
  refuse(request(kOptions, "l: 2 2\r\n") + "abc", "Bad Content-Length");
  refuse(request(kOptions, "l: +2\r\n") + "abc", "Bad Content-Length");
  refuse(request(kOptions, "l:\r\n") + "abc", "Bad Content-Length");
  refuse(request(kOptions, "l: 18446744073709551618\r\n") + "abc", "Content-Length larger than the message");
}

// RFC 4475 3.1.2
TEST_F(MessageTest, StartLinesRefused) {
  refuse(request("OPTIONS <sip:c@d SIP/2.0 "), "Bad Request-Line");
  refuse(request("OPTIONS  sip:c@d  SIP/2.0"), "Bad Request-Line");
  refuse(request("OPTIONS sip:c@d; lr SIP/2.0"), "Bad Request-Line");
  refuse(request("OPTIONS sip:c@d SIP/2.0  "), "Bad Request-Line");
  refuse(request("OPTIONS\tsip:c@d SIP/2.0"), "Bad Request-Line");
  refuse(request("OPTIONS sip:c\t@d SIP/2.0"), "Bad Request-Line");
  refuse(request("OPTIONS SIP/2.0"), "Bad Request-Line");
  refuse(request("OPTIONS sip:c@d SIP/7.0"), "Version Not Supported", true, 505);
  refuse(request("OPTIONS sip:c@d SIP/2.00"), "Version Not Supported", true, 505);
  refuse(request("ACK  sip:c@d SIP/2.0", "", "1 ACK"), "Bad Request-Line", false);
  refuse(request("GET / HTTP/1.1"), "Not SIP", false);
  refuse(request("OPTI@NS sip:c@d SIP/2.0"), "Not SIP", false);
  refuse(request(""), "Not SIP", false);  // begins with "Via:"
  refuse(request("SIP/2.0 99 x"), "Bad status code", false);
  refuse(request("SIP/2.0 099 x"), "Bad status code", false);
  refuse(request("SIP/2.0 700 x"), "Bad status code", false);
  refuse(request("SIP/2.0 4294967301 better not break the receiver"), "Bad status code", false);
  refuse(request("SIP/2.0 2000"), "Bad status code", false);
  refuse(request("SIP/2.0 20"), "Bad status code", false);
  refuse(request("SIP/2.0  200 OK"), "Bad status code", false);
  refuse("", "Empty message", false);
  refuse("\r\n\r\n", "Empty message", false);
  refuse("x", "Line without CRLF", false);
  refuse("OPTIONS sip:c@d SIP/2.0", "Line without CRLF", false);
}

TEST_F(MessageTest, Mandatory) {
  refuse("OPTIONS sip:c@d SIP/2.0\r\n\r\n", "Missing Via", false);
  refuse("INVITE sip:c@d SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nCSeq: 1 INVITE\r\n\r\n",
         "Missing From");  // 3.3.1 insuf
  refuse("INVITE sip:c@d SIP/2.0\r\nVia: x\r\nf: x\r\n\r\n", "Missing To");
  refuse("INVITE sip:c@d SIP/2.0\r\nVia: x\r\nf: x\r\nt: x\r\n\r\n", "Missing Call-ID");
  refuse("INVITE sip:c@d SIP/2.0\r\nVia: x\r\nf: x\r\nt: x\r\ni: x\r\n\r\n", "Missing CSeq");
  refuse("INVITE sip:c@d SIP/2.0\r\nVia: x\r\nf: x\r\nt: x\r\ni:\r\nCSeq: 1 INVITE\r\n\r\n",
         "Mandatory header without a value");
  refuse(request(kOptions, "", "1 INVITE"), "CSeq and Request-Line have different methods");  // 3.1.2.17
  refuse(request("NEWMETHOD sip:c@d SIP/2.0", "", "1 OTHER"), "CSeq and Request-Line have different methods",
         true, 501);                                                          // 3.1.2.18
  refuse(request(kOptions, "", "36893488147419103232 OPTIONS"), "Bad CSeq");  // 3.1.2.4
  refuse(request(kOptions, "", ""), "Bad CSeq");
}

// RFC 4475 3.3.8: two of what must be single.
TEST_F(MessageTest, Twice) {
  for (std::string_view line : {"CSeq: 1 OPTIONS", "i: other", "t: <sip:x@y>", "FROM: <sip:x@y>"})
    refuse(request(kOptions, std::string(line) + "\r\n"), "Header that must be single came twice");
  refuse(request(kOptions, "Max-Forwards: 7\r\nMax-forwards: 7\r\n"),
         "Header that must be single came twice");
  accept(request(kOptions, "Contact: <sip:a>\r\nm: <sip:b>\r\nRoute: <sip:a>\r\nRoute: <sip:b>\r\n"));
}

// What could let two parsers read different messages.
TEST_F(MessageTest, Smuggling) {
  refuse(request(kOptions, "X: a\nVia: SIP/2.0/UDP evil\r\n"), "LF without CR");
  refuse(request(kOptions, "X: a\rVia: SIP/2.0/UDP evil\r\n"), "CR without LF");
  refuse(request(kOptions, "X: a\r\r\n"), "CR without LF");
  refuse(request(kOptions, "X: a\\\rb\r\n"), "CR without LF");
  refuse(request(kOptions, "X: a\0b\r\n"s), "Control character in header");
  refuse(request(kOptions, "X: a\\\\\0b\r\n"s), "Control character in header");
  refuse(request(kOptions, "X: a\x1b[2J\r\n"), "Control character in header");
  refuse(request("OPTIONS sip:c@d\nX: SIP/2.0"), "LF without CR", false);
  refuse(request("OPTIONS sip:c\0@d SIP/2.0"s), "Control character in header");
  refuse(request(kOptions, "no colon\r\n"), "Header line without a colon");
  refuse(request(kOptions, "two words: x\r\n"), "Bad header name");
  refuse(request(kOptions, ": x\r\n"), "Bad header name");
  refuse(request(kOptions, "Via\r\n : x\r\n"), "Header line without a colon");
  refuse("OPTIONS sip:c@d SIP/2.0\r\n folded start line\r\n" + request("X: y"),
         "Header line without a colon");
  refuse("OPTIONS sip:c@d SIP/2.0\r\n X: fold\r\n" + request("X: y"), "Bad header name");
  accept(request(kOptions, "X\t : a\tb\r\n\tc\r\n"));
  EXPECT_EQ(m.value(*m.find("x")), "a\tb\r\n\tc");
  accept(request(kOptions) + "body with \r and \n and \0"s);
  // All lines by LF: refused, but enough is understood to say so.
  refuse(
      "OPTIONS sip:c@d SIP/2.0\nVia: SIP/2.0/UDP h;branch=b\nf: <sip:a>\nt: <sip:c>\ni: x\nCSeq: 1 "
      "OPTIONS\n\nbody",
      "LF without CR");
  EXPECT_EQ(m.call_id(), "x");
  EXPECT_EQ(m.body(), "body");
}

TEST_F(MessageTest, NoEnd) {
  const std::string whole = request(kOptions);
  refuse(whole.substr(0, whole.size() - 2), "No empty line after the headers");
  refuse(whole.substr(0, whole.size() - 1), "CR without LF");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    keep_ = whole.substr(0, i);
    EXPECT_FALSE(m.parse(keep_)) << i;
  }
}

TEST_F(MessageTest, Limits) {
  std::string others;
  for (int i = 0; i < 251; ++i) others += "X: y\r\n";
  accept(request(kOptions, others));
  EXPECT_EQ(m.fields().size(), 256u);
  refuse(request(kOptions, others + "X: y\r\n"), "Too many header fields", true, 513);
  refuse(request(kOptions) + std::string(65536, 'x'), "Message too large", true, 513);
  accept(request(kOptions));  // nothing left of the others
  EXPECT_EQ(m.fields().size(), 5u);
  EXPECT_FALSE(m.find("X"));
  EXPECT_FALSE(m.has(HeaderName::content_length));
}

TEST_F(MessageTest, MaxForwards) {
  accept(request(kOptions));
  EXPECT_EQ(m.max_forwards().value(), std::nullopt);
  accept(request(kOptions, "Max-Forwards: 0\r\n"));
  EXPECT_EQ(m.max_forwards().value(), 0);
  accept(request(kOptions, "Max-Forwards: 300\r\n"));
  EXPECT_EQ(m.max_forwards().value(), 255);
  for (std::string_view bad : {"", "-1", "7 0", "x"}) {
    accept(request(kOptions, "Max-Forwards: " + std::string(bad) + "\r\n"));
    EXPECT_FALSE(m.max_forwards()) << bad;
  }
}

}  // namespace
}  // namespace causeway::sip
