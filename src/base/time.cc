#include "base/time.h"

#include <array>
#include <charconv>

namespace causeway::base {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t ms;
};
constexpr std::array<Unit, 5> kUnits{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};

// Keeps every product and sum of durations away from overflow: 10,000 years.
constexpr std::int64_t kLongest = 10'000 * 365 * std::int64_t{86'400'000};

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error == std::errc() && text[0] != '-') {
    for (const Unit& known : kUnits) {
      if (unit != known.name) continue;
      if (number > kLongest / known.ms)
        return fail("expected a duration of less than 10000 years, found '{}'", text);
      return Duration(number * known.ms);
    }
  }
  return fail("expected a duration such as 250ms, 30s, 10m, 1h or 7d, found '{}'", text);
}

std::string format_duration(Duration duration) {
  if (duration == Duration::zero()) return "0s";
  for (const Unit& unit : kUnits) {
    if (duration.count() % unit.ms == 0) return fmt::format("{}{}", duration.count() / unit.ms, unit.name);
  }
  return {};
}

}  // namespace causeway::base
