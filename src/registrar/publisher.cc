#include "registrar/publisher.h"
#include "base/limits.h"

#include <algorithm>

#include "registrar/registrar.h"

namespace causeway::registrar {

Publisher::Publisher(std::string domain, base::Loop& loop, base::Random& random, overlay::Overlay& overlay,
                     overlay::Users& users, const overlay::Signer& signer, base::Metrics& metrics)
    : domain_(std::move(domain)),
      loop_(loop),
      random_(random),
      overlay_(overlay),
      users_(users),
      signer_(signer),
      published_(metrics.counter("registrar_records_published_total",
                                 "user records signed and put into the overlay")),
      tombstones_(metrics.counter("registrar_tombstones_total", "user records withdrawn from the overlay")) {}

bool Publisher::set_links(std::vector<net::Address> links, std::vector<overlay::ViaPeer> vias) {
  if (links == links_ && vias == vias_) return false;
  links_ = std::move(links);
  vias_ = std::move(vias);
  return true;
}

void Publisher::publish(RegisteredUser& user) {
  // Up to a fifth earlier, by chance: a thousand phones that registered together after a power cut
  // should not be refreshed together for ever.
  auto early =
      base::Duration(random_.below(static_cast<std::uint64_t>(Registrar::kRecordRefresh.count()) / 5));
  user.refresh_at = loop_.now() + Registrar::kRecordRefresh - early;
  base::UnixMs now = loop_.unix_now();
  base::UnixMs expiry = now + base::Duration(Registrar::kRecordLife).count();
  base::Bytes body;
  if (!user.bindings.empty()) {
    overlay::UserBody contacts{.contacts = {}, .vias = vias_};
    for (const Binding& b : user.bindings) {
      if (contacts.contacts.size() == overlay::limits::kMaxContacts) break;
      contacts.contacts.push_back({.instance = b.instance_hash,
                                   .home = signer_.credential.key.peer_id(),
                                   .endpoints = links_,
                                   .token = std::string(b.token()),
                                   .q = b.q,
                                   .registered = b.registered,
                                   .expiry = expiry,
                                   .vias = {}});
    }
    body = overlay::encode(contacts);
    ++published_;
  } else if (user.published) {
    ++tombstones_;
  } else {
    return;
  }
  user.published = !body.empty();
  user.sequence = std::max(user.sequence + 1, now);
  std::string uri = "sip:" + user.name + "@" + domain_;
  overlay::Record record =
      signer_.sign(overlay::Kind::user, std::move(uri), user.sequence, expiry, std::move(body));
  overlay_.put(record);
  users_.learned(record);
}

}  // namespace causeway::registrar
