#include "sip/ack_cancel.h"

#include <charconv>

#include "sip/headers.h"

namespace causeway::sip {

namespace {

void append_line(base::Buffer& to, std::string_view name, std::string_view value) {
  to.append(name);
  to.append(": ");
  to.append(value);
  to.append("\r\n");
}

// Request-URI, top Via, Route, From, Call-ID and CSeq number are those of the INVITE.
base::Buffer make_hop_request(const Message& invite, std::string_view method, std::string_view to_value) {
  constexpr std::size_t kFixedText = 256 + limits::kMaxHeaderFields;  // one more space in each Route
  auto out = base::Buffer::with_room(invite.headers_end() + to_value.size() + kFixedText);
  out.append(method);
  out.append(" ");
  out.append(invite.request_uri_text());
  out.append(" SIP/2.0\r\n");
  if (auto via = split_first(invite.value(HeaderName::via))) append_line(out, "Via", via->first);
  for (auto* route = invite.first(HeaderName::route); route; route = invite.next(*route))
    append_line(out, "Route", invite.value(*route));
  append_line(out, "Max-Forwards", "70");
  append_line(out, "From", invite.value(HeaderName::from));
  append_line(out, "To", to_value);
  append_line(out, "Call-ID", invite.call_id());
  char number[16];
  auto cseq = invite.cseq();
  const auto end = std::to_chars(number, number + sizeof number, cseq ? cseq->number : 0).ptr;
  out.append("CSeq: ");
  out.append({number, static_cast<std::size_t>(end - number)});
  out.append(" ");
  out.append(method);
  out.append("\r\nContent-Length: 0\r\n\r\n");
  return out;
}

}  // namespace

base::Buffer make_ack(const Message& invite, const Message& response) {
  return make_hop_request(invite, "ACK", response.value(HeaderName::to));
}

base::Buffer make_cancel(const Message& invite) {
  return make_hop_request(invite, "CANCEL", invite.value(HeaderName::to));
}

}  // namespace causeway::sip
