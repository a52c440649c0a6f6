#include "ua/sdp.h"

#include <cstdlib>

#include "base/encoding.h"

using namespace causeway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read = ua::parse_sdp(base::as_text({data, size}));
  if (!read) return 0;
  const auto again = ua::parse_sdp(ua::write(*read));
  if (!again || *again != *read) std::abort();
  for (const ua::MediaSection& section : read->media) {
    (void)read->connection_for(section);
    (void)read->value_for(section, "setup");
    if (section.has("candidate") != !section.values("candidate").empty()) std::abort();
  }
  return 0;
}
