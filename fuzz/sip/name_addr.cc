// From, To, Contact, Route, Record-Route, Path: what is read as an address has a URI and parameters that can
// be asked, and stands for itself when it is put in brackets.
#include <cstdlib>
#include <string>

#include "sip/headers.h"

using namespace causeway::sip;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto contact = parse_contact(text); contact && contact->is_star && parse_name_addr(text))
    std::abort();
  const auto address = parse_name_addr(text);
  if (!address) return 0;
  if (address_params(text).text != address->params.text || !well_formed(address->params)) std::abort();
  for (const char* name : {"tag", "expires", "q", "reg-id", "+sip.instance", "lr"}) {
    const auto value = address->params.get(name);
    if (value.has_value() != address->params.has(name)) std::abort();
  }
  const std::string again = std::string(address->display) + "<" + std::string(address->uri.text) + ">" +
                            std::string(address->params.text);
  const auto same = parse_name_addr(again);
  if (!same || same->uri.text != address->uri.text || same->params.text != address->params.text) std::abort();
  return 0;
}
