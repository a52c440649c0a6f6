// What a reader makes of all the valid records under one URI.
#include <algorithm>
#include <map>
#include <tuple>

#include "overlay/record.h"

namespace causeway::overlay {
namespace {

bool newer(const Record& a, const Record& b) {
  if (a.sequence != b.sequence) return a.sequence > b.sequence;
  if (a.is_tombstone() != b.is_tombstone()) return a.is_tombstone();
  return a.encoded > b.encoded;
}

bool newer(const UserContact& a, const UserContact& b) {
  if (a.registered != b.registered) return a.registered > b.registered;
  return a.home > b.home;
}

}  // namespace

std::vector<Record> newest_per_signer(std::vector<Record> records, base::UnixMs now) {
  std::map<identity::PeerId, std::size_t> newest;
  for (std::size_t i = 0; i < records.size(); ++i) {
    auto [at, first] = newest.emplace(records[i].signer(), i);
    if (!first && newer(records[i], records[at->second])) at->second = i;
  }
  std::vector<Record> out;
  for (const auto& [signer, i] : newest)
    if (!records[i].is_tombstone() && records[i].expiry > now) out.push_back(std::move(records[i]));
  return out;
}

std::vector<UserContact> contacts_of(const std::vector<Record>& records, base::UnixMs now) {
  std::map<std::uint64_t, UserContact> newest;  // by instance
  for (const Record& record : newest_per_signer(records, now)) {
    if (record.kind != Kind::user) continue;
    auto body = decode_user(record.body);
    if (!body) continue;  // cannot be: the one rule has read it before
    for (UserContact& contact : body->contacts) {
      if (contact.expiry <= now) continue;
      contact.vias = body->vias;
      auto [at, first] = newest.try_emplace(contact.instance, contact);
      if (!first && newer(contact, at->second)) at->second = std::move(contact);
    }
  }
  std::vector<UserContact> out;
  for (auto& [instance, contact] : newest) out.push_back(std::move(contact));
  std::ranges::stable_sort(
      out, [](const UserContact& a, const UserContact& b) { return a.q != b.q ? a.q > b.q : newer(a, b); });
  return out;
}

}  // namespace causeway::overlay
