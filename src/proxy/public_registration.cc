#include "proxy/public_registration.h"
#include "base/limits.h"

#include <algorithm>

namespace causeway::proxy {
namespace {

using sip::HeaderName;
using sip::Message;

// Provider and phone agree on it where neither says anything (RFC 3261 10.2.1.1: the registrar's
// choice; one hour is what it suggests).
constexpr std::int64_t kUsualExpires = 3600;

std::int64_t expires_of(const Message& m, const sip::Params* params, std::int64_t otherwise) {
  if (params) {
    if (auto text = params->get("expires")) {
      if (auto seconds = sip::parse_delta_seconds(*text)) return *seconds;
    }
  }
  if (m.has(HeaderName::expires)) {
    if (auto seconds = sip::parse_delta_seconds(m.value(HeaderName::expires))) return *seconds;
  }
  return otherwise;
}

}  // namespace

bool PublicRegistrations::is_overlay_url(const sip::Uri& uri, std::string_view user) const {
  return uri.is_sip && sip::same_text(uri.host, domain_) &&
         sip::address_of_record(uri) == "sip:" + std::string(user) + "@" + domain_;
}

bool PublicRegistrations::prepare(const Message& request, std::string_view user,
                                  PublicRegister& result) const {
  auto to = sip::parse_name_addr(request.value(HeaderName::to));
  if (!to || !to->uri.is_sip) return false;
  result = {};
  result.address = sip::address_of_record(to->uri);
  result.user = user;
  result.expires = expires_of(request, nullptr, kUsualExpires);
  bool fine = true;
  bool theirs = false;  // some Contact is not the overlay URL already
  std::string kept;     // parameters that the registrar needs
  fine &= sip::for_each_value(request, HeaderName::contact, [&](std::string_view value) {
    auto contact = sip::parse_contact(value);
    if (!contact) {
      fine = false;
    } else if (!contact->is_star) {
      result.expires = expires_of(request, &contact->address.params, kUsualExpires);
      if (is_overlay_url(contact->address.uri, user)) return true;
      theirs = true;
      result.phone_contact.assign("<").append(contact->address.uri.text).append(">");
      for (const char* name : {"expires", "q"})
        if (auto text = contact->address.params.get(name))
          kept.append(";").append(name).append("=").append(*text);
    }
    // Several Contacts would all become the same URL: the first stands for all.
    return fine && !theirs;
  });
  if (theirs) result.new_contact = "<sip:" + result.user + "@" + domain_ + ">" + kept;
  return fine;
}

void PublicRegistrations::restore(const Message& response, const PublicRegister& registration,
                                  sip::Rewrite& edit) const {
  if (registration.phone_contact.empty()) return;
  sip::for_each_value(response, HeaderName::contact, [&](std::string_view value) {
    auto contact = sip::parse_contact(value);
    if (!contact) return false;
    if (!contact->is_star && is_overlay_url(contact->address.uri, registration.user)) {
      const std::string_view by = registration.phone_contact;
      edit.replace(contact->address.uri.text,
                   contact->address.in_brackets ? by.substr(1, by.size() - 2) : by);
      return false;  // one edit is enough: a registrar lists a URI once
    }
    return true;
  });
}

PublicRegistrations::Learned PublicRegistrations::learn(const Message& response,
                                                        const PublicRegister& registration,
                                                        base::Instant now) {
  std::int64_t granted = 0;
  sip::for_each_value(response, HeaderName::contact, [&](std::string_view value) {
    auto contact = sip::parse_contact(value);
    if (!contact || contact->is_star) return true;
    if (!is_overlay_url(contact->address.uri, registration.user)) return true;
    granted = expires_of(response, &contact->address.params, registration.expires);
    return false;
  });
  const PublicAddress learned{registration.address, registration.user,
                              now + std::chrono::seconds(std::max<std::int64_t>(granted, 0))};
  if (on_learned_) on_learned_(learned);
  return note(learned, now);
}

PublicRegistrations::Learned PublicRegistrations::note(const PublicAddress& what, base::Instant now) {
  if (what.expires <= now) {
    by_address_.erase(what.address);
    return Learned::nothing;
  }
  drop_expired(now);
  if (by_address_.size() >= limits::kMaxPublicRegistrations && !by_address_.contains(what.address))
    return Learned::no_room;
  by_address_[what.address] = {what.user, what.expires};
  return Learned::remembered;
}

void PublicRegistrations::drop_expired(base::Instant now) {
  if (by_address_.size() < limits::kMaxPublicRegistrations) return;
  std::erase_if(by_address_, [&](const auto& entry) { return entry.second.expires <= now; });
}

const PublicRegistrations::Entry* PublicRegistrations::find(const sip::Uri& address,
                                                            base::Instant now) const {
  if (by_address_.empty() || !address.is_sip) return nullptr;
  auto it = by_address_.find(sip::address_of_record(address));
  return it == by_address_.end() || it->second.expires <= now ? nullptr : &it->second;
}

bool PublicRegistrations::belongs(const sip::Uri& address, std::string_view user, base::Instant now) const {
  const auto* entry = find(address, now);
  return entry && entry->user == user;
}

std::string_view PublicRegistrations::owner(const sip::Uri& address, base::Instant now) const {
  const auto* entry = find(address, now);
  return entry ? std::string_view(entry->user) : std::string_view();
}

}  // namespace causeway::proxy
