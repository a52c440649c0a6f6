// What the transport puts into the top Via must be what the parser finds there, whatever was there before.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "sip/complete_via.h"

using namespace causeway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > sip::limits::kMaxMessage - sip::kSourceRoom) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static auto message = std::make_unique<sip::Message>();
  const auto via = sip::find_top_via(bytes);
  if (!via || bytes.starts_with("\r\n")) return 0;
  const net::Address source{*net::Ip::parse("198.51.100.77"), 61234};
  if (message->parse(bytes)) {
    // Both must speak of the same Via.
    const auto first = sip::split_first(message->value(sip::HeaderName::via));
    if (!first || sip::parse_via(first->first)->text.data() != via->text.data()) abort();
  }
  if (!sip::needs_source(*via, source)) return 0;
  std::string scratch(size + sip::kSourceRoom, '\0');
  const auto out = sip::complete_via(bytes, *via, source, scratch);
  const auto again = sip::find_top_via(out);
  if (!again || again->host != via->host || again->branch != via->branch) abort();
  if (again->params.get("received") != "198.51.100.77") abort();
  if (via->has_rport && again->params.get("rport") != "61234") abort();
  return 0;
}
