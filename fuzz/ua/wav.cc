// A WAV file of anybody.
#include "ua/wav.h"

#include <cstdlib>

#include "base/encoding.h"

using namespace causeway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto layout = ua::parse_wav(base::as_text({data, size}));
  if (!layout) return 0;
  if (layout->offset > size || layout->offset < 12) std::abort();
  if (layout->channels != 1 && layout->channels != 2) std::abort();
  if (layout->rate != 8000 && layout->rate != 16000 && layout->rate != 48000) std::abort();
  return 0;
}
