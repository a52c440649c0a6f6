#include "base/log.h"

#include <string>

#include <gtest/gtest.h>

namespace causeway::base {
namespace {

class Log : public ::testing::Test {
 protected:
  void TearDown() override { log::set_level(log::Level::info); }
  static std::string text_of(auto&& act) {
    ::testing::internal::CaptureStderr();
    act();
    return ::testing::internal::GetCapturedStderr();
  }
};

TEST_F(Log, ALineHasTimeLevelComponentAndText) {
  const std::string line = text_of([] { log::info("registrar", "{} registered {} times", "alice", 3); });
  EXPECT_TRUE(::testing::internal::RE::FullMatch(
      line,
      "[0-9]+-[0-9]+-[0-9]+ [0-9]+:[0-9]+:[0-9]+\\.[0-9]+ info   registrar  alice registered 3 times\n"))
      << line;
}

TEST_F(Log, BelowTheLevelNothingIsFormatted) {
  log::set_level(log::Level::warn);
  EXPECT_FALSE(log::enabled(log::Level::info));
  EXPECT_TRUE(log::enabled(log::Level::error));
  EXPECT_EQ(text_of([] {
              log::trace("x", "no");
              log::info("x", "no");
            }),
            "");
  EXPECT_NE(text_of([] { log::warn("x", "yes"); }), "");
  log::set_level(log::Level::off);
  EXPECT_EQ(text_of([] { log::error("x", "no"); }), "");
}

TEST_F(Log, ControlCharactersCannotForgeALine) {
  const std::string line = text_of([] { log::info("sip", "from {}", "a\r\n2026 error  x\x1b[2J"); });
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_NE(line.find("from a\\x0d\\x0a2026 error  x\\x1b[2J"), std::string::npos) << line;
}

TEST_F(Log, LevelsByName) {
  EXPECT_EQ(log::parse_level("debug"), log::Level::debug);
  EXPECT_EQ(log::parse_level("off"), log::Level::off);
  const auto bad = log::parse_level("loud");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "expected trace, debug, info, warn, error or off, found 'loud'");
}

}  // namespace
}  // namespace causeway::base
