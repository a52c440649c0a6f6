#include "base/time.h"

#include <gtest/gtest.h>

namespace causeway::base {
namespace {

TEST(Time, DurationsAreReadAndWritten) {
  const std::pair<const char*, Duration> both[] = {{"250ms", 250ms}, {"30s", 30s},      {"90s", 90s},
                                                   {"10m", 10min},   {"1h", 1h},        {"7d", 24h * 7},
                                                   {"0s", 0ms},      {"1500ms", 1500ms}};
  for (const auto& [text, duration] : both) {
    EXPECT_EQ(parse_duration(text).value(), duration);
    EXPECT_EQ(format_duration(duration), text);
  }
  EXPECT_EQ(parse_duration("60s").value(), 1min);
  EXPECT_EQ(format_duration(24h), "1d");
}

TEST(Time, OtherDurationsAreRefusedWithWhatCame) {
  for (const char* bad : {"", "s", "10", "10 s", "-5s", "+5s", "1.5s", "5sec", "5S", " 5s", "1h30m", "0x5s",
                          "99999999999999999999s", "9223372036854775807d", "4000000d"}) {
    const auto result = parse_duration(bad);
    ASSERT_FALSE(result) << bad;
    EXPECT_NE(result.error().message.find("expected a duration"), std::string::npos);
    EXPECT_NE(result.error().message.find("'" + std::string(bad) + "'"), std::string::npos);
  }
}

}  // namespace
}  // namespace causeway::base
