// Everything that a message says can be asked; what it shows survives being written again.
#include <cstdlib>

#include "stun/binding.h"
#include "stun/integrity.h"
#include "stun/writer.h"

using namespace causeway;
using namespace causeway::stun;

namespace {

constexpr Attribute kAll[] = {Attribute::mapped_address,
                              Attribute::username,
                              Attribute::message_integrity,
                              Attribute::error_code,
                              Attribute::unknown_attributes,
                              Attribute::channel_number,
                              Attribute::lifetime,
                              Attribute::xor_peer_address,
                              Attribute::data,
                              Attribute::realm,
                              Attribute::nonce,
                              Attribute::xor_relayed_address,
                              Attribute::requested_address_family,
                              Attribute::even_port,
                              Attribute::requested_transport,
                              Attribute::dont_fragment,
                              Attribute::message_integrity_sha256,
                              Attribute::password_algorithm,
                              Attribute::userhash,
                              Attribute::xor_mapped_address,
                              Attribute::reservation_token,
                              Attribute::additional_address_family,
                              Attribute::address_error_code,
                              Attribute::password_algorithms,
                              Attribute::alternate_domain,
                              Attribute::icmp,
                              Attribute::software,
                              Attribute::alternate_server,
                              Attribute::fingerprint};

bool is_proof(Attribute type) {
  return type == Attribute::fingerprint || type == Attribute::message_integrity ||
         type == Attribute::message_integrity_sha256;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)answer_binding(bytes, {});
  (void)nonce_features(bytes);
  const auto m = Message::parse(bytes);
  if (!m) return 0;
  static char room[70000];
  Writer out(room, m->kind(), m->method(), m->transaction());
  for (const Attribute type : kAll) {
    (void)m->number(type), (void)m->octet(type), (void)m->family(type), (void)m->address(type);
    const auto value = m->value(type);
    if (value.has_value() != m->has(type)) std::abort();
    if (is_proof(type)) continue;
    if (const auto address = m->xor_address(type))
      out.xor_address(type, *address);
    else if (value)
      out.text(type, *value);
  }
  (void)m->channel(), (void)m->error(), (void)m->error_reason(), (void)m->password_algorithm();
  std::size_t peers = 0;
  (void)m->peers([&](const net::Address&) { return ++peers < 1000; });
  const Key key = Key::short_term("secret");
  (void)check_integrity(*m, Attribute::message_integrity, key);
  (void)check_integrity(*m, Attribute::message_integrity_sha256, key);
  out.integrity(Attribute::message_integrity, key);
  out.fingerprint();
  if (!out.fits()) return 0;  // the largest, and more
  const auto again = Message::parse(out.view());
  if (!again || again->kind() != m->kind() || again->method() != m->method()) std::abort();
  if (!check_integrity(*again, Attribute::message_integrity, key)) std::abort();
  for (const Attribute type : kAll)
    if (!is_proof(type) && !m->xor_address(type) && m->value(type) != again->value(type)) std::abort();
  return 0;
}
