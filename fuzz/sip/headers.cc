// Every parser of header values on the same bytes.
#include <cstdlib>

#include "sip/headers.h"

using namespace causeway::sip;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto usual = usual_via(text)) {
    const auto any = parse_any_via(usual->text);
    if (!any || any->text != usual->text || any->host != usual->host || any->port != usual->port ||
        any->transport != usual->transport || any->transport_text != usual->transport_text ||
        any->params.text != usual->params.text || any->branch != usual->branch ||
        any->maddr != usual->maddr || any->has_rport != usual->has_rport ||
        any->has_received != usual->has_received)
      std::abort();
  }
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
