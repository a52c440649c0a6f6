// Durations of settings: what is read is written as text that is read as the same.
#include "base/time.h"

#include <cstdint>
#include <cstdlib>

using namespace causeway::base;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto span = parse_duration({reinterpret_cast<const char*>(data), size});
  if (span && (span->count() < 0 || parse_duration(format_duration(*span)) != *span)) std::abort();
  return 0;
}
