#include "base/fatal.h"

#include <cstdio>
#include <cstdlib>

namespace causeway::base {

void fatal(std::string_view why) noexcept {
  std::fprintf(stderr, "causeway: internal error: %.*s\n", static_cast<int>(why.size()), why.data());
  std::abort();
}

}  // namespace causeway::base
