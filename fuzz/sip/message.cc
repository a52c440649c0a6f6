// Any datagram: parsed, looked into, forwarded with every kind of edit, answered. What we send on and
// what we answer must be a message again.
#include <cstdlib>
#include <string>

#include "sip/headers.h"
#include "sip/message.h"
#include "sip/rewrite.h"

using namespace causeway::sip;

namespace {

void must(bool fine) {
  if (!fine) std::abort();
}

void look(const Message& m) {
  (void)m.request_uri();
  (void)m.max_forwards();
  (void)m.from_tag();
  (void)m.to_tag();
  for (const HeaderField& f : m.fields()) {
    must(f.line_at < f.line_end && f.line_at <= f.value_at && f.value_at <= f.value_end &&
         f.value_end <= f.line_end);
    must(m.find(m.name_text(f)) != nullptr);
  }
  for_each_value(m, HeaderName::via, [](std::string_view v) { return parse_via(v).has_value(); });
  for_each_value(m, HeaderName::contact, [](std::string_view v) { return parse_contact(v).has_value(); });
}

void forward(const Message& m) {
  static Message again;
  Rewrite edit(m);
  if (m.is_request()) edit.replace_request_uri("sip:bob@192.0.2.1");
  edit.insert_after(m.value(HeaderName::via), ";received=192.0.2.1");
  edit.prepend(HeaderName::via, "SIP/2.0/UDP me;branch=z9hG4bK.1");
  edit.prepend(HeaderName::record_route, "<sip:me;lr>");
  edit.remove_first_value(HeaderName::route);
  edit.remove_first_value(HeaderName::route);
  edit.remove_all(HeaderName::p_asserted_identity);
  edit.append("X-Fuzz", "yes");
  causeway::base::Buffer out = edit.build();
  if (!out) return;
  const std::string bytes(out.view());
  must(again.parse(bytes).has_value());
  must(again.body() == m.body() && again.call_id() == m.call_id() && again.method_text() == m.method_text());
  must(again.has(HeaderName::content_length) && again.find("X-Fuzz"));
}

void answer(const Message& m) {
  static Message again;
  causeway::base::Buffer out = make_response(m, 400, "", "tag", {}, "", CopyRecordRoute::yes);
  const std::string bytes(out.view());
  const auto result = again.parse(bytes);
  // Headers that the request did not have, or had twice, are its own fault.
  if (m.well_formed()) must(result.has_value());
  must(again.status() == 400 && again.bytes().size() == bytes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Message m;
  const auto result = m.parse({reinterpret_cast<const char*>(data), size});
  must(result.has_value() == m.well_formed());
  look(m);
  if (result) forward(m);
  if (m.can_be_answered()) answer(m);
  return 0;
}
