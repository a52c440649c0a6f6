// Two kinds of time. `Instant` is monotonic and is what timers and timeouts use; `UnixMs` is the
// wall clock (milliseconds since 1970 UTC) and is what stands in credentials and records. Both are
// read from the Loop (base/loop.h), never from the system, so that a test can hold them still.
#pragma once

#include <chrono>
#include <cstdint>

namespace causeway::base {

using Duration = std::chrono::milliseconds;
using Instant = std::chrono::time_point<std::chrono::steady_clock, std::chrono::milliseconds>;
using UnixMs = std::int64_t;

using namespace std::chrono_literals;

}  // namespace causeway::base
