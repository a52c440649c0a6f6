// A Via is what its parts say: written anew from them, it is read as the same. The reader of the usual form
// says what the reader of any form says.
#include <cstdlib>
#include <string>

#include "sip/headers.h"

using namespace causeway::sip;

namespace {

void usual_form_is_as_any(std::string_view text) {
  const auto usual = usual_via(text);
  if (!usual) return;
  const auto any = parse_any_via(usual->text);
  if (!any || any->text != usual->text || any->host != usual->host || any->port != usual->port ||
      any->transport != usual->transport || any->transport_text != usual->transport_text ||
      any->params.text != usual->params.text || any->branch != usual->branch || any->maddr != usual->maddr ||
      any->has_rport != usual->has_rport || any->has_received != usual->has_received)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  usual_form_is_as_any(text);
  const auto via = parse_via(text);
  if (!via) return 0;
  if (!well_formed(via->params) || via->host.empty()) std::abort();
  std::string again = "SIP/2.0/" + std::string(via->transport_text) + " " + std::string(via->host);
  if (via->port) again += ":" + std::to_string(via->port);
  again += via->params.text;
  const auto same = parse_via(again);
  if (!same || same->transport != via->transport || same->host != via->host || same->port != via->port ||
      same->branch != via->branch || same->has_rport != via->has_rport)
    std::abort();
  // In a list it is one value, and no value holds another.
  const auto first = split_first(text);
  if (first && !parse_via(first->first)) std::abort();
  return 0;
}
