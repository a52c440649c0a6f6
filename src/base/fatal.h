// The end of the program for a bug of its own: prints one sentence to standard error and aborts.
// Never for anything that bytes from the network, a user or the system can bring about.
#pragma once

#include <string_view>

namespace causeway::base {

[[noreturn]] void fatal(std::string_view why) noexcept;

}  // namespace causeway::base
