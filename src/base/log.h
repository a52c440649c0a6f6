// Logging, on spdlog (hidden in log.cc, which is the only file that pays for its headers).
//
//   log::info("registrar", "{} registered from {}", aor, address);
//
// Off costs one comparison: arguments are not evaluated into text below the current level. What a
// stranger can provoke is logged at debug and counted (base/metrics.h), so that nobody can fill a
// disk; what an operator must act on is a warning or an error and says what to do.
#pragma once

#include <atomic>
#include <string_view>

#include <fmt/core.h>

#include "base/result.h"

namespace causeway::base::log {

enum class Level { trace, debug, info, warn, error, off };

// Process-wide. Lines go to standard error: "2026-11-22 10:00:00.123 info   registrar  text".
// One record is one line: control characters in it are written as \x0a. At start the level is info.
// Any thread.
void set_level(Level level);
Result<Level> parse_level(std::string_view name);

namespace detail {
extern std::atomic<Level> current;  // read often, written at start
void write(Level level, std::string_view component, fmt::string_view format, fmt::format_args args);
}  // namespace detail

inline bool enabled(Level level) { return level >= detail::current.load(std::memory_order_relaxed); }

#define CAUSEWAY_LOG_LEVEL(name)                                                                          \
  template <class... Args>                                                                                \
  void name(std::string_view component, fmt::format_string<Args...> format, Args&&... a) {                \
    if (enabled(Level::name)) detail::write(Level::name, component, format, fmt::make_format_args(a...)); \
  }
CAUSEWAY_LOG_LEVEL(trace)
CAUSEWAY_LOG_LEVEL(debug)
CAUSEWAY_LOG_LEVEL(info)
CAUSEWAY_LOG_LEVEL(warn)
CAUSEWAY_LOG_LEVEL(error)
#undef CAUSEWAY_LOG_LEVEL

}  // namespace causeway::base::log
