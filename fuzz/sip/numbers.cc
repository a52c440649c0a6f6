// CSeq, Expires and its like, q.
#include <cstdlib>
#include <string>

#include "sip/headers.h"

using namespace causeway::sip;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto cseq = parse_cseq(text)) {
    const auto again = std::to_string(cseq->number) + " " + std::string(cseq->method_text);
    const auto same = parse_cseq(again);
    if (!same || same->number != cseq->number || same->method != cseq->method) std::abort();
    if (cseq->method != Method::other && method_name(cseq->method) != cseq->method_text) std::abort();
  }
  if (const auto seconds = parse_delta_seconds(text);
      seconds && parse_delta_seconds(std::to_string(*seconds)) != *seconds)
    std::abort();
  if (const auto q = parse_q(text); q && (*q < 0 || *q > 1000)) std::abort();
  (void)parse_method(text);
  return 0;
}
