#include "base/log.h"

#include <array>
#include <iterator>
#include <memory>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace causeway::base::log {
namespace {

constexpr std::array<std::string_view, 6> kNames{"trace", "debug", "info", "warn", "error", "off"};

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made =
        std::make_shared<spdlog::logger>("causeway", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(spdlog::level::trace);
    made->set_pattern("%Y-%m-%d %H:%M:%S.%e %v");
    return made;
  }();
  return *instance;
}

// One record is one line, whatever a stranger has put into a name: control characters are written
// as \x1b.
void append_printable(fmt::memory_buffer& to, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      to.push_back(c);
    } else {
      fmt::format_to(std::back_inserter(to), "\\x{:02x}", byte);
    }
  }
}

}  // namespace

void set_level(Level level) { detail::current.store(level, std::memory_order_relaxed); }

Result<Level> parse_level(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<Level>(i);
  }
  return fail("expected trace, debug, info, warn, error or off, found '{}'", name);
}

namespace detail {

std::atomic<Level> current = Level::info;

void write(Level level, std::string_view component, fmt::string_view format, fmt::format_args args) {
  fmt::memory_buffer text;
  fmt::vformat_to(std::back_inserter(text), format, args);
  fmt::memory_buffer line;
  fmt::format_to(std::back_inserter(line), "{:5}  {:9}  ", kNames[static_cast<std::size_t>(level)],
                 component);
  append_printable(line, {text.data(), text.size()});
  logger().log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace detail
}  // namespace causeway::base::log
