// Every parser of header values on the same bytes.
#include <cstdlib>

#include "sip/headers.h"

using namespace causeway::sip;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto via = parse_via(text); via && (!well_formed(via->params) || via->host.empty())) std::abort();
  if (auto address = parse_name_addr(text)) {
    if (address_params(text).text != address->params.text) std::abort();
    (void)address->params.get("tag");
  }
  (void)parse_contact(text);
  (void)parse_cseq(text);
  (void)parse_delta_seconds(text);
  if (auto q = parse_q(text); q && (*q < 0 || *q > 1000)) std::abort();
  (void)has_token(text, "path");
  if (unquote(quote(text)) != text) std::abort();
  std::size_t sum = 0;
  for_each_value(text, [&](std::string_view v) {
    if (v.empty()) std::abort();
    sum += v.size();
    return true;
  });
  if (sum > size) std::abort();
  return 0;
}
