// Bindings: which phones of which users are registered at this peer (RFC 3261 10.3).
//
// A binding is small (at most 600 bytes with everything) and there may be a million of them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/loop.h"
#include "net/address.h"
#include "sip/flow.h"

namespace causeway::registrar {

class Binding {
 public:
  std::uint64_t instance_hash = 0;
  std::uint64_t call = 0;   // keyed hash of the Call-ID
  std::uint64_t asked = 0;  // what its last REGISTER asked for (refresh.h), or 0
  base::Instant expires;
  base::UnixMs registered = 0;  // when it was made or last renewed, for the user record
  sip::Flow flow;               // the one the REGISTER came on
  // The Contact's address if it is numeric (no lookup needed), else none.
  std::optional<net::Endpoint> contact_endpoint;
  std::uint32_t granted = 0;  // seconds
  std::uint32_t cseq = 0;
  std::uint32_t reg_id = 0;  // RFC 5626; 0: none
  std::uint16_t q = 1000;
  bool by_flow = false;  // reached down `flow`; else at the Contact

  std::string_view contact() const { return part(0, contact_size_); }  // the URI as the phone gave it
  // +sip.instance without quotes, or empty.
  std::string_view instance() const { return part(contact_size_, instance_size_); }
  // RFC 3327: the values, topmost first, with commas between them; or empty.
  std::string_view path() const { return part(contact_size_ + instance_size_, path_size_); }
  // Sealed flow token: user part of sip:_P.TOKEN@D. BindingTable::set_token gives it.
  std::string_view token() const { return part(token_at(), texts_.size() - token_at()); }

  // There is no token afterwards.
  void set_texts(std::string_view contact, std::string_view instance, std::string_view path);

 private:
  friend class BindingTable;
  void set_token(std::string_view token);
  std::size_t token_at() const { return std::size_t{contact_size_} + instance_size_ + path_size_; }
  std::string_view part(std::size_t at, std::size_t size) const { return {texts_.data() + at, size}; }

  std::string texts_;  // one after another, in one piece of memory
  std::uint16_t contact_size_ = 0, instance_size_ = 0, path_size_ = 0;
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
  // The binding that bears exactly this flow token, and whose it is, if this worker keeps it. As good as
  // opening the token: nobody but a member can have made it.
  struct Owned {
    std::string_view user;
    const Binding* binding = nullptr;
  };
  virtual Owned by_token(std::string_view token) const = 0;
  // How many this worker keeps.
  virtual std::size_t size() const = 0;
};

}  // namespace causeway::registrar
