#include "sip/framing.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/limits.h"
#include "sip/message.h"

namespace causeway::sip {
namespace {

std::string message(std::string_view body = "", std::string_view extra = "") {
  return "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\n"
         "To: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n" +
         std::string(extra) + "l: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

// What comes out, as text: "M<bytes>", "ping", "pong", "error what".
std::vector<std::string> drain(StreamFramer& framer) {
  std::vector<std::string> out;
  for (;;) {
    Frame f = framer.next();
    switch (f.kind) {
      case FrameKind::more:
        return out;
      case FrameKind::message:
        out.push_back("M" + std::string(f.bytes));
        break;
      case FrameKind::ping:
        out.push_back("ping");
        break;
      case FrameKind::pong:
        out.push_back("pong");
        break;
      case FrameKind::error:
        out.push_back(std::string("error ") + f.error.what);
        return out;
    }
  }
}
std::vector<std::string> feed(StreamFramer& framer, const std::string& chunk) {
  framer.feed(chunk);
  return drain(framer);
}
using Out = std::vector<std::string>;

TEST(Framing, WholeMessagesAreNotCopied) {
  StreamFramer framer;
  const std::string a = message("hello"), b = message();
  const std::string chunk = a + "\r\n\r\n" + b + a;
  framer.feed(chunk);
  Frame f = framer.next();
  EXPECT_EQ(f.kind, FrameKind::message);
  EXPECT_EQ(f.bytes.data(), chunk.data());
  EXPECT_EQ(f.bytes, a);
  EXPECT_EQ(framer.next().kind, FrameKind::ping);
  EXPECT_EQ(framer.next().bytes, b);
  EXPECT_EQ(framer.next().bytes, a);
  EXPECT_EQ(framer.next().kind, FrameKind::more);
  EXPECT_FALSE(framer.in_message());
  EXPECT_EQ(base::Buffer::in_use(), 0u);
}

TEST(Framing, EveryCut) {
  const std::string a = message("one\r\n\r\nbody"), b = message("", "Content-Length:\r\n  0\r\n"),
                    all = a + b + a;
  for (std::size_t i = 0; i <= all.size(); ++i) {
    StreamFramer framer;
    const std::string head = all.substr(0, i), tail = all.substr(i);  // buffers that end where the cut is
    Out out = feed(framer, head);
    for (auto& frame : feed(framer, tail)) out.push_back(frame);
    ASSERT_EQ(out, (Out{"M" + a, "M" + b, "M" + a})) << i;
  }
}

TEST(Framing, ByteByByte) {
  const std::string a = message("body"), all = a + "\r\n\r\n" + a;
  StreamFramer framer;
  Out out;
  for (char c : all)
    for (auto& frame : feed(framer, std::string(1, c))) out.push_back(frame);
  EXPECT_EQ(out, (Out{"M" + a, "pong", "ping", "M" + a}));
  EXPECT_EQ(base::Buffer::in_use(), 0u);
}

TEST(Framing, KeepAlives) {
  StreamFramer framer;
  EXPECT_EQ(feed(framer, "\r\n\r\n"), Out{"ping"});
  EXPECT_EQ(feed(framer, "\r\n"), Out{"pong"});
  EXPECT_EQ(feed(framer, "\r\n"), Out{"ping"});  // the other half
  EXPECT_EQ(feed(framer, "\r"), Out{});
  EXPECT_EQ(feed(framer, "\n"), Out{"pong"});
  EXPECT_EQ(feed(framer, "\r\n\r"), Out{"ping"});
  EXPECT_EQ(feed(framer, "\n"), Out{"pong"});
  const std::string m = message();
  EXPECT_EQ(feed(framer, m), Out{"M" + m});
  EXPECT_EQ(feed(framer, "\r\n" + m), (Out{"pong", "M" + m}));  // 7.5
  EXPECT_EQ(feed(framer, "\r\n\r"), Out{});
  EXPECT_EQ(feed(framer, "\n\r\n"), (Out{"ping", "pong"}));
}

TEST(Framing, InMessage) {
  StreamFramer framer;
  feed(framer, "OPT");
  EXPECT_TRUE(framer.in_message());
}

void expect_error(const std::string& bytes, std::string_view what, int status = 400) {
  for (std::size_t step : {bytes.size(), std::size_t{1}, std::size_t{7}}) {
    StreamFramer framer;
    Frame frame;
    for (std::size_t i = 0; i < bytes.size() && frame.kind != FrameKind::error; i += step) {
      const std::string chunk = bytes.substr(i, step);
      framer.feed(chunk);
      while ((frame = framer.next()).kind != FrameKind::more && frame.kind != FrameKind::error) {
      }
    }
    EXPECT_EQ(frame.kind, FrameKind::error) << bytes.substr(0, 80);
    EXPECT_EQ(frame.error.what, what) << bytes.substr(0, 80);
    EXPECT_EQ(frame.error.status, status);
    framer.feed("OPTIONS");
    EXPECT_EQ(framer.next().kind, FrameKind::error);  // and so it stays
  }
}

TEST(Framing, Lies) {
  const std::string start = "OPTIONS sip:a SIP/2.0\r\n";
  expect_error(start + "Via: x\r\n\r\n", "Missing Content-Length");
  expect_error(start + "Content-Length: 1\r\nl: 2\r\n\r\nxx", "Content-Lengths that differ");
  expect_error(start + "Content-Length: -1\r\n\r\n", "Bad Content-Length");
  expect_error(start + "Content-Length: 0x1\r\n\r\n", "Bad Content-Length");
  expect_error(start + "Content-Length: 1, 1\r\n\r\n", "Bad Content-Length");
  expect_error(start + "Content-Length:\r\n\r\n", "Bad Content-Length");
  expect_error(start + "Content-Length: 1\r\n 1\r\n\r\n", "Bad Content-Length");
  expect_error(start + "L : +5\r\n\r\n", "Bad Content-Length");
  expect_error(start + "l: 65535\r\n\r\n", "Message too large", 413);
  expect_error(start + "l: 99999999999999999999999\r\n\r\n", "Message too large", 413);
}

TEST(Framing, LineEnds) {
  expect_error("OPTIONS sip:a SIP/2.0\nl: 0\n\n", "LF without CR");
  expect_error("OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\n", "LF without CR");
  expect_error("OPTIONS sip:a SIP/2.0\r\nX: a\rl: 0\r\n\r\n", "CR without LF");
  expect_error("\rx", "CR without LF");
  expect_error("\r\n\rx", "CR without LF");
  expect_error("\n", "Not SIP");
  expect_error(std::string("\0\1", 2), "Not SIP");
  expect_error("\x16\x03\x01", "Not SIP");  // a TLS hello on the wrong port
}

TEST(Framing, TooLarge) {
  expect_error("OPTIONS sip:a SIP/2.0\r\nX: " + std::string(limits::kMaxHeaderBytes, 'x'),
               "Headers too large", 513);
  std::string many = "OPTIONS sip:a SIP/2.0\r\n";
  while (many.size() <= limits::kMaxHeaderBytes) many += "X: y\r\n";
  expect_error(many, "Headers too large", 513);
}

TEST(Framing, LargestMessage) {
  const std::size_t head = message().size() + 4;  // "65xxx" instead of "0"
  const std::string m = message(std::string(limits::kMaxMessage - head, 'x'));
  ASSERT_EQ(m.size(), limits::kMaxMessage);
  StreamFramer framer;
  Out out;
  for (std::size_t i = 0; i < m.size(); i += 1000)
    for (auto& frame : feed(framer, m.substr(i, 1000))) out.push_back(frame);
  EXPECT_EQ(out, Out{"M" + m});
}

// What the framer lets through must be what Message reads.
TEST(Framing, AgreesWithMessage) {
  StreamFramer framer;
  const std::string chunk = message("ab", "content-length : 2\r\n") + message();
  framer.feed(chunk);
  static Message m;
  Frame f = framer.next();
  ASSERT_TRUE(m.parse(f.bytes));
  EXPECT_EQ(m.bytes(), f.bytes);
  EXPECT_EQ(m.body(), "ab");
  f = framer.next();
  ASSERT_TRUE(m.parse(f.bytes));
  EXPECT_EQ(m.body(), "");
}

}  // namespace
}  // namespace causeway::sip
