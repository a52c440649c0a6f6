// A URI is equivalent to itself, and its address of record is a URI with the same address of record.
#include <cstdlib>

#include "sip/uri.h"

using namespace causeway::sip;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto uri = parse_uri(text);
  if (!uri) return 0;
  (void)uri->param("transport");
  if (!equivalent(*uri, *uri)) std::abort();
  const std::string key = address_of_record(*uri);
  const auto again = parse_uri(key);
  if (!again || address_of_record(*again) != key) std::abort();
  return 0;
}
