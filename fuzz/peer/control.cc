// A line on the control socket, and the address that a lookup asks for.
#include <cstdlib>

#include "base/encoding.h"
#include "peer/control_request.h"
#include "peer/report.h"
#include "sip/uri.h"

using namespace causeway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = base::as_text({data, size});
  const auto asked = peer::parse_control(text);
  if (!asked) {
    (void)peer::report_error(asked.error().message);
  } else if (const auto key = peer::lookup_key(asked->uri, "p2psip.org"); !key) {
    (void)peer::report_error(key.error().message);
  }
  if (const auto key = peer::lookup_key(text, "p2psip.org"); key && key->starts_with("sip:"))
    if (const auto uri = sip::parse_uri(*key); !uri || !sip::same_text(uri->host, "p2psip.org")) std::abort();
  return 0;
}
