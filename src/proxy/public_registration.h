// Registration with a public network (draft 4.2), for phones that cannot write the overlay URL.
//
// alice@D also has a provider account, alice@example.org. Her phone registers that through us:
//
//   phone -> home peer      REGISTER sip:example.org, To: alice@example.org, Contact: <sip:alice@10.0.0.7>
//   home peer -> provider   the same, Contact: <sip:alice@D>          (through a proxy peer)
//   provider -> home peer   200, Contact: <sip:alice@D>;expires=600
//   home peer -> phone      200, Contact: <sip:alice@10.0.0.7>;expires=600
//
// so the provider sends calls for her to D, where any proxy peer takes them, and the phone recognises
// its own Contact. A phone that writes sip:alice@D itself passes unchanged. The digest between phone
// and provider (401, Authorization) passes untouched: it does not cover Contact.
//
// While it lasts, alice may call under that address (sender.h). This is remembered by the peer that the
// REGISTER went through, at most limits::kMaxPublicRegistrations, until the expiry that the provider has
// granted.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/time.h"
#include "sip/headers.h"
#include "sip/rewrite.h"

namespace causeway::proxy {

// One REGISTER on its way out; kept with its response context.
struct PublicRegister {
  std::string address;          // sip:alice@example.org
  std::string user;             // alice
  std::string phone_contact;    // <URI> that the phone gave; empty: nothing to turn back
  std::string new_contact;      // whole Contact value to send; empty: Contact stays
  std::int64_t expires = 3600;  // asked for
};

// What is known of one address, or that it has ended (`expires` is past).
struct PublicAddress {
  std::string address, user;
  base::Instant expires{};
};

class PublicRegistrations {
 public:
  explicit PublicRegistrations(std::string domain) : domain_(std::move(domain)) {}

  // What becomes of a REGISTER of `user` for another domain. False: To or Contact cannot be read.
  bool prepare(const sip::Message& request, std::string_view user, PublicRegister& result) const;

  // Turns the overlay URL in a 2xx's Contacts back into the phone's own. Texts must live until build.
  void restore(const sip::Message& response, const PublicRegister& registration, sip::Rewrite& edit) const;
  // Remembers (or forgets) what a 2xx says. no_room: nothing is remembered any more but what is there.
  enum class Learned { nothing, remembered, no_room };
  Learned learn(const sip::Message& response, const PublicRegister& registration, base::Instant now);
  // The same, learned by another worker of this peer, whom set_on_learned has told.
  Learned note(const PublicAddress& what, base::Instant now);
  void set_on_learned(std::function<void(const PublicAddress&)> tell) { on_learned_ = std::move(tell); }

  // Is this address registered through us, and by that user?
  bool belongs(const sip::Uri& address, std::string_view user, base::Instant now) const;
  // The user who has registered it; empty: nobody.
  std::string_view owner(const sip::Uri& address, base::Instant now) const;
  std::size_t size() const { return by_address_.size(); }

 private:
  struct Entry {
    std::string user;
    base::Instant expires;
  };
  const Entry* find(const sip::Uri& address, base::Instant now) const;
  bool is_overlay_url(const sip::Uri& uri, std::string_view user) const;
  void drop_expired(base::Instant now);

  std::string domain_;
  std::unordered_map<std::string, Entry> by_address_;
  std::function<void(const PublicAddress&)> on_learned_;
};

}  // namespace causeway::proxy
