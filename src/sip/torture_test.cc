// The messages of RFC 4475 and RFC 5118 at the parser. What must become of each stands in
// tests/torture/README.md; tests/lab/test_torture.py sends them to a running peer.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "sip/complete_via.h"
#include "sip/rewrite.h"
#include "sip/scan.h"

namespace causeway::sip {
namespace {

const std::string kFolder = CAUSEWAY_SOURCE_DIR "/tests/torture/";

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

struct Case {
  std::string name, bytes, parser;
};

// The rows of the tables that name a message: "| name | section | parser | ...". A heading names the folder.
std::vector<Case> cases() {
  std::vector<Case> found;
  std::istringstream table(contents(kFolder + "README.md"));
  std::string folder;
  for (std::string line; std::getline(table, line);) {
    if (line.starts_with("## RFC ")) folder = "rfc" + line.substr(7) + "/";
    if (!line.starts_with("| ") || line.starts_with("| message ")) continue;
    std::istringstream row(line.substr(1));
    std::string name, section, parser;
    std::getline(std::getline(std::getline(row, name, '|'), section, '|'), parser, '|');
    name = scan::trim(name);
    found.push_back({name, contents(kFolder + folder + name + ".dat"), std::string(scan::trim(parser))});
  }
  return found;
}

std::string outcome(const Message& message, const Parsed<void>& result, std::string_view bytes) {
  if (result) return "ok";
  if (!message.can_be_answered() || !find_top_via(bytes)) return "drop";
  return std::to_string(result.error().status);
}

// What is accepted can be forwarded, and the next server reads the same out of it.
void forward(const Message& m) {
  Rewrite edit(m);
  edit.prepend(HeaderName::via, "SIP/2.0/UDP proxy.example.net;branch=z9hG4bK.1");
  const base::Buffer out = edit.build();
  Message again;
  ASSERT_TRUE(out && again.parse(out.view()));
  EXPECT_EQ(again.body(), m.body());
  EXPECT_EQ(again.call_id(), m.call_id());
  EXPECT_EQ(again.to_tag(), m.to_tag());
  EXPECT_GT(again.fields().size(), m.fields().size());
}

TEST(Torture, EachMessageAsTheTableSays) {
  const auto all = cases();
  ASSERT_EQ(all.size(), 49u + 12u);
  for (const Case& c : all) {
    SCOPED_TRACE(c.name);
    Message message;
    const auto result = message.parse(c.bytes);
    EXPECT_EQ(outcome(message, result, c.bytes), c.parser) << (result ? "" : result.error().what);
    if (result) forward(message);
    if (!message.can_be_answered()) continue;
    Message answer;
    const base::Buffer response = make_response(message, 400, "", "tag");
    if (result) {
      EXPECT_TRUE(answer.parse(response.view()));
    } else {
      (void)answer.parse(response.view());  // lacks what the request lacked
    }
    EXPECT_EQ(answer.status(), 400);
  }
}

}  // namespace
}  // namespace causeway::sip
