#include "stun/binding.h"

#include "stun/message.h"
#include "stun/writer.h"

namespace causeway::stun {

base::Buffer answer_binding(std::string_view datagram, const net::Address& from) {
  const auto request = Message::parse(datagram);
  if (!request || request->kind() != Class::request || request->method() != Method::binding) return {};
  char room[kHeaderSize + 64];
  const bool unknown = !request->unknown().empty();
  Writer out(room, unknown ? Class::error : Class::success, Method::binding, request->transaction());
  if (unknown) {
    out.error(Error::unknown_attribute, false);
    out.unknown_attributes(request->unknown());
  } else {
    out.xor_address(Attribute::xor_mapped_address, from);
  }
  if (request->has(Attribute::fingerprint)) out.fingerprint();
  return base::Buffer::copy_of(out.view());
}

}  // namespace causeway::stun
