// Lists with commas (Require, Supported, Proxy-Require, Allow, and all that may stand in one line), and
// quoted texts.
#include <cstdlib>

#include "sip/headers.h"

using namespace causeway::sip;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (unquote(quote(text)) != text) std::abort();
  std::size_t sum = 0;
  bool path = false;
  const char* at = text.data();
  const bool fine = for_each_value(text, [&](std::string_view v) {
    if (v.empty() || v.data() < at || v.data() + v.size() > text.data() + text.size()) std::abort();
    at = v.data() + v.size();  // in order, none overlaps another
    sum += v.size();
    path |= same_text(v, "path");
    return true;
  });
  if (sum > size) std::abort();
  if (fine && path && !has_token(text, "path")) std::abort();
  return 0;
}
