#include "sip/rewrite.h"

#include <gtest/gtest.h>

#include <string>

#include "sip/headers.h"

namespace causeway::sip {
namespace {

const std::string kStart = "INVITE sip:old@host SIP/2.0\r\n";
const std::string kVia = "v: SIP/2.0/UDP a;branch=1\r\n";
const std::string kRest = "f: <sip:a@b>;tag=f\r\nt : <sip:c@d>\r\ni: id\r\nCSeq: 1 INVITE\r\n";

class RewriteTest : public ::testing::Test {
 protected:
  void parse(const std::string& bytes) {
    keep_ = bytes;
    auto result = m.parse(keep_);
    ASSERT_TRUE(result) << result.error().what;
  }
  static std::string text(Rewrite& edit) {
    EXPECT_TRUE(edit.ok());
    base::Buffer out = edit.build();
    EXPECT_TRUE(out);
    return std::string(out.view());
  }
  std::string keep_;
  static Message m;
};
Message RewriteTest::m;

TEST_F(RewriteTest, Forward) {
  parse(kStart + kVia + "Max-Forwards: 70\r\n" + kRest + "l: 2\r\n\r\nab");
  Rewrite edit(m);
  edit.replace(m.value(HeaderName::max_forwards), "69");
  edit.prepend(HeaderName::record_route, "<sip:in;lr>");
  edit.prepend(HeaderName::record_route, "<sip:out;lr>");
  edit.prepend(HeaderName::via, "SIP/2.0/TLS me;branch=2");
  edit.insert_after(m.value(HeaderName::via), ";received=192.0.2.1");
  edit.insert_after(m.value(HeaderName::via), ";rport=5");
  edit.append("X-New", "yes");
  edit.replace_request_uri("sip:new@target;transport=tls");
  EXPECT_EQ(text(edit),
            "INVITE sip:new@target;transport=tls SIP/2.0\r\n"
            "Via: SIP/2.0/TLS me;branch=2\r\n"
            "Record-Route: <sip:out;lr>\r\nRecord-Route: <sip:in;lr>\r\n"
            "v: SIP/2.0/UDP a;branch=1;received=192.0.2.1;rport=5\r\n"
            "Max-Forwards: 69\r\n" +
                kRest + "l: 2\r\nX-New: yes\r\n\r\nab");
  EXPECT_EQ(base::Buffer::in_use(), 0u);
}

TEST_F(RewriteTest, NothingToDo) {
  parse(kStart + kVia + kRest + "l: 0\r\n\r\n");
  Rewrite edit(m);
  EXPECT_EQ(text(edit), keep_);
}

TEST_F(RewriteTest, ContentLengthAdded) {
  parse(kStart + kVia + kRest + "\r\nbody!");
  Rewrite edit(m);
  edit.append("X", "y");
  EXPECT_EQ(text(edit), kStart + kVia + kRest + "X: y\r\nContent-Length: 5\r\n\r\nbody!");
}

TEST_F(RewriteTest, BytesAfterTheBodyStayBehind) {
  parse("\r\n" + kStart + kVia + kRest + "l: 1\r\n\r\nbody!");
  Rewrite edit(m);
  EXPECT_EQ(text(edit), kStart + kVia + kRest + "l: 1\r\n\r\nb");
}

TEST_F(RewriteTest, RemoveValues) {
  const std::string a = "Route: <sip:1;x=\",\">,\r\n \"q,\" <sip:2,>  , <sip:3>\r\n", b = "route:<sip:4>\r\n";
  parse(kStart + kVia + a + kRest + b + "l: 0\r\n\r\n");
  const std::string expected[] = {
      "Route: \"q,\" <sip:2,>  , <sip:3>\r\n",
      "Route: <sip:3>\r\n",
      "",
  };
  for (int n = 1; n <= 5; ++n) {
    Rewrite edit(m);
    for (int i = 0; i < n; ++i) edit.remove_first_value(HeaderName::route);
    EXPECT_EQ(text(edit),
              kStart + kVia + (n < 4 ? expected[n - 1] : "") + kRest + (n < 4 ? b : "") + "l: 0\r\n\r\n");
  }
}

TEST_F(RewriteTest, RemoveAndPrepend) {
  parse(kStart + "Route: <sip:1>, <sip:2>\r\n" + kVia + kRest + "l: 0\r\n\r\n");
  Rewrite edit(m);
  edit.remove_first_value(HeaderName::route);
  edit.prepend(HeaderName::via, "new");
  edit.prepend(HeaderName::route, "<sip:0>");
  edit.remove_first_value(HeaderName::route);
  EXPECT_EQ(text(edit), kStart + "Route: <sip:0>\r\nVia: new\r\n" + kVia + kRest + "l: 0\r\n\r\n");
  Rewrite all(m);
  all.remove_all(HeaderName::route);
  all.remove_first_value(HeaderName::route);
  all.prepend(HeaderName::route, "<sip:0>");
  EXPECT_EQ(text(all), kStart + "Route: <sip:0>\r\n" + kVia + kRest + "l: 0\r\n\r\n");
}

TEST_F(RewriteTest, ResponseLosesItsTopVia) {
  const std::string head = "SIP/2.0 200 OK\r\n";
  parse(head + "Via: SIP/2.0/UDP me;branch=2, SIP/2.0/UDP a\r\n" + kRest + "l: 0\r\n\r\n");
  Rewrite edit(m);
  edit.remove_first_value(HeaderName::via);
  EXPECT_EQ(text(edit), head + "Via: SIP/2.0/UDP a\r\n" + kRest + "l: 0\r\n\r\n");
  Rewrite none(m);
  none.remove_first_value(HeaderName::route);  // there is none
  none.remove_all(HeaderName::record_route);
  EXPECT_EQ(text(none), keep_);
  Rewrite wrong(m);
  wrong.replace_request_uri("sip:x");
  EXPECT_FALSE(wrong.ok());
}

TEST_F(RewriteTest, ValuesInsideTheMessage) {
  parse(kStart + kVia + kRest + "m: <sip:10.0.0.1;a>;q=1,\r\n <sip:10.0.0.2>\r\nl: 0\r\n\r\n");
  Rewrite edit(m);
  ASSERT_TRUE(for_each_value(m, HeaderName::contact, [&](std::string_view v) {
    edit.replace(parse_name_addr(v)->uri.text, "sip:x");
    return true;
  }));
  edit.insert_after(m.value(HeaderName::to), ";tag=new");
  EXPECT_EQ(text(edit), kStart + kVia +
                            "f: <sip:a@b>;tag=f\r\nt : <sip:c@d>;tag=new\r\ni: id\r\nCSeq: 1 INVITE\r\n"
                            "m: <sip:x>;q=1,\r\n <sip:x>\r\nl: 0\r\n\r\n");
}

TEST_F(RewriteTest, Refused) {
  parse(kStart + kVia + "Route: <sip:1>,\r\nX: y\r\n" + kRest + "l: 0\r\n\r\n");
  auto refuse = [&](auto&& change) {
    Rewrite edit(m);
    change(edit);
    EXPECT_FALSE(edit.ok());
    EXPECT_FALSE(edit.build());
  };
  refuse([](Rewrite& e) { e.remove_first_value(HeaderName::route); });  // not a list
  refuse([](Rewrite& e) { e.replace("elsewhere", "x"); });
  refuse([](Rewrite& e) {
    e.remove_all(HeaderName::via);
    e.replace(m.value(HeaderName::via), "x");
  });
  refuse([](Rewrite& e) {
    e.replace(m.value(HeaderName::via), "x");
    e.remove_all(HeaderName::via);
  });
  refuse([](Rewrite& e) {
    for (std::size_t i = 0; i <= limits::kMaxEdits; ++i) e.append("X", "y");
  });
  refuse([](Rewrite& e) { e.prepend(HeaderName::other, "x"); });
  EXPECT_EQ(base::Buffer::in_use(), 0u);
}

std::string respond(const Message& m, int status, std::string_view tag,
                    CopyRecordRoute rr = CopyRecordRoute::no) {
  const ExtraHeader extra[] = {{"Allow", "INVITE"}};
  base::Buffer out = make_response(m, status, "", tag, extra, "", rr);
  return std::string(out.view());
}

TEST_F(RewriteTest, Responses) {
  parse(kStart + kVia +
        "Via: SIP/2.0/UDP b, SIP/2.0/UDP c;\r\n x=1\r\nTimestamp: 54\r\nRecord-Route: <sip:r;lr>\r\n" +
        kRest + "l: 0\r\n\r\n");
  const std::string vias = "Via: SIP/2.0/UDP a;branch=1\r\nVia: SIP/2.0/UDP b, SIP/2.0/UDP c;\r\n x=1\r\n";
  const std::string from = "From: <sip:a@b>;tag=f\r\n", end = "Allow: INVITE\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(respond(m, 100, "t"), "SIP/2.0 100 Trying\r\n" + vias + from +
                                      "To: <sip:c@d>\r\nCall-ID: id\r\nCSeq: 1 INVITE\r\nTimestamp: 54\r\n" +
                                      end);
  EXPECT_EQ(respond(m, 180, "t", CopyRecordRoute::yes),
            "SIP/2.0 180 Ringing\r\n" + vias + "Record-Route: <sip:r;lr>\r\n" + from +
                "To: <sip:c@d>;tag=t\r\nCall-ID: id\r\nCSeq: 1 INVITE\r\n" + end);
  base::Buffer out = make_response(m, 299, "Own words", "t", {}, "body");
  EXPECT_TRUE(out.view().starts_with("SIP/2.0 299 Own words\r\n"));
  EXPECT_TRUE(out.view().ends_with("Content-Length: 4\r\n\r\nbody"));
  parse(kStart + kVia + "f: <sip:a@b>\r\nt: <sip:c@d>;Tag=old\r\ni: x\r\nCSeq: 1 INVITE\r\n\r\n");
  EXPECT_NE(respond(m, 486, "new").find("\r\nTo: <sip:c@d>;Tag=old\r\n"), std::string::npos);
  static Message answer;
  const std::string text = respond(m, 486, "new");
  EXPECT_TRUE(answer.parse(text));
}

// Answers to messages that are not well formed are well formed.
TEST_F(RewriteTest, AnswersToNonsense) {
  for (const std::string& bytes :
       {kStart + kVia + "f: <sip:a@b>;tag=f\nt: <sip:c@d>\ni: id\nCSeq: 1 INVITE\n\n", kStart + kVia + kRest,
        kStart + kVia +
            "f: \"\x01\x02 <sip:a@b>;tag=f\r\nt: <sip:c@d\ri: x\r\ni: y\r\nCSeq: 1 INVITE\r\n\r\n",
        kStart + kVia +
            "f: \"x\r\n\ty <sip:a@b>;tag=f\r\nt: \"quote <sip:c@d>\r\ni: y\r\nCSeq: 1 INVITE\r\nl: 9\r\n\r\n",
        "INVITE  sip:a SIP/2.0\r\n" + kVia + kRest + "\r\n"}) {
    ASSERT_FALSE(m.parse(bytes));
    ASSERT_TRUE(m.can_be_answered());
    const std::string text = respond(m, 400, "t");
    static Message answer;
    auto result = answer.parse(text);
    EXPECT_TRUE(result) << text << result.error().what;
    EXPECT_EQ(answer.status(), 400);
    EXPECT_EQ(answer.value(HeaderName::via), "SIP/2.0/UDP a;branch=1");
  }
  const std::string insufficient = "INVITE sip:a SIP/2.0\r\n" + kVia + "\r\n";
  ASSERT_FALSE(m.parse(insufficient));
  EXPECT_EQ(
      respond(m, 400, "t"),
      "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP a;branch=1\r\nAllow: INVITE\r\nContent-Length: 0\r\n\r\n");
}

TEST_F(RewriteTest, ReasonPhrases) {
  EXPECT_EQ(reason_phrase(200), "OK");
  EXPECT_EQ(reason_phrase(423), "Interval Too Brief");
  EXPECT_EQ(reason_phrase(440), "Max-Breadth Exceeded");
  EXPECT_EQ(reason_phrase(499), "Bad Request");  // 8.1.3.2: the x00 of its class
}

}  // namespace
}  // namespace causeway::sip
