#include "sip/make_request.h"

#include <fmt/format.h>

namespace causeway::sip {

namespace {

void put(std::string& to, std::string_view text) {
  for (char c : text) to += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
}

void put_line(std::string& to, std::string_view name, std::string_view value) {
  put(to, name);
  to += ": ";
  put(to, value);
  to += "\r\n";
}

}  // namespace

std::string via_value(const Flow& flow, std::string_view sent_by, std::string_view branch) {
  return fmt::format("SIP/2.0/{} {};branch={};rport", net::transport_via_name(flow.transport), sent_by,
                     branch);
}

base::Buffer make_request(const NewRequest& request, std::string_view via) {
  std::string text;
  text.reserve(1024 + request.body.size());
  put(text, request.method);
  text += ' ';
  put(text, request.uri);
  text += " SIP/2.0\r\n";
  put_line(text, "Via", via);
  put_line(text, "Max-Forwards", std::to_string(request.max_forwards));
  for (const std::string& route : request.routes) put_line(text, "Route", route);
  put_line(text, "From", request.from);
  put_line(text, "To", request.to);
  put_line(text, "Call-ID", request.call_id);
  put_line(text, "CSeq", fmt::format("{} {}", request.cseq, request.method));
  for (const ExtraHeader& header : request.extra) put_line(text, header.name, header.value);
  put_line(text, "Content-Length", std::to_string(request.body.size()));
  text += "\r\n";
  text += request.body;
  return base::Buffer::copy_of(text);
}

}  // namespace causeway::sip
