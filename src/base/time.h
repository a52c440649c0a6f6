// Two kinds of time. `Instant` is monotonic and is what timers and timeouts use; `UnixMs` is the
// wall clock (milliseconds since 1970 UTC) and is what stands in credentials and records. Both are
// read from the Loop (base/loop.h), never from the system, so that a test can hold them still.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace causeway::base {

using Duration = std::chrono::milliseconds;
using Instant = std::chrono::time_point<std::chrono::steady_clock, std::chrono::milliseconds>;
using UnixMs = std::int64_t;

using namespace std::chrono_literals;

// How a duration is written in settings: digits and a unit, one of ms, s, m, h, d ("250ms", "30s",
// "1h"). The error says what was expected and what came.
Result<Duration> parse_duration(std::string_view text);

// The shortest such text with the same value: "90s", "1h"; nothing as "0s". Not negative.
std::string format_duration(Duration duration);

}  // namespace causeway::base
