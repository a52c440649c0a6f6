// A request refused by its first look: what comes out is a response, to the same request that the parser
// sees.
#include <cstdlib>

#include "sip/complete_via.h"
#include "sip/message.h"
#include "sip/refusal.h"

using namespace causeway;
using namespace causeway::sip;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const net::Address source{*net::Ip::parse("192.0.2.17"), 5060};
  static const base::SipHash::Key secret{1, 2};
  static Message request, response;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)acknowledges_stateless(text, source.ip, secret);
  const auto via = find_top_via(text);
  if (!via || size > limits::kMaxMessage) return 0;
  const auto refusal = write_refusal(text, *via, source, secret);
  if (!refusal) return 0;
  const bool answered = response.parse(refusal.view()) && response.status() == 503;
  // It repeats what it has not looked into: of a request that the parser refuses nothing else is asked.
  if (!request.parse(text)) return 0;
  if (!answered || !request.to_tag().empty() || request.call_id() != response.call_id() ||
      request.from_tag() != response.from_tag())
    std::abort();
  if (response.to_tag().empty() && parse_name_addr(request.value(HeaderName::to))) std::abort();
  return 0;
}
