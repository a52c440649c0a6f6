// Bindings: which phones of which users are registered at this peer (RFC 3261 10.3).
//
// A binding is small (at most 600 bytes with everything) and there may be a million of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "net/address.h"
#include "sip/flow.h"

namespace causeway::registrar {

struct Binding {
  std::string contact;   // the Contact URI as the phone gave it
  std::string instance;  // +sip.instance without quotes, or empty
  std::uint64_t instance_hash = 0;
  std::uint32_t reg_id = 0;  // RFC 5626; 0: none
  std::uint64_t call = 0;    // keyed hash of the Call-ID
  std::uint32_t cseq = 0;
  std::uint16_t q = 1000;
  base::Instant expires;
  base::UnixMs registered = 0;    // when it was made or last renewed, for the user record
  std::vector<std::string> path;  // RFC 3327, topmost first
  std::string token;              // sealed flow token: user part of sip:_P.TOKEN@D
  bool by_flow = false;           // reached down `flow`; else at the Contact
  sip::Flow flow;                 // the one the REGISTER came on
  // The Contact's address if it is numeric (no lookup needed), else none.
  std::optional<net::Endpoint> contact_endpoint;
};

class Bindings {
 public:
  virtual ~Bindings() = default;
  // All bindings of the user part of an address of record ("alice"), unexpired. Valid until the next
  // REGISTER, question or turn of the loop. Costs one hash lookup, allocates nothing.
  virtual std::span<const Binding> of(std::string_view user) const = 0;
  // The binding that a flow token names (the newest, if the instance has several flows), or nullptr.
  const Binding* find(std::string_view user, std::uint64_t instance_hash) const;
  // The binding of this user whose REGISTER came over exactly this flow, or nullptr. Many users may
  // share one flow (a PBX, a gateway), so a flow alone names nobody.
  const Binding* registered_over(std::string_view user, const sip::Flow& flow) const;
  // How many this worker keeps.
  virtual std::size_t size() const = 0;
};

}  // namespace causeway::registrar
