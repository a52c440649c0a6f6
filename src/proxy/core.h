// What all parts of the proxy share: its configuration, what it works with, its counters.
#pragma once

#include "proxy/flow_tokens.h"
#include "proxy/overlay_uri.h"
#include "proxy/proxy.h"
#include "proxy/public_registration.h"

namespace causeway::proxy {

struct ProxyMetrics {
  explicit ProxyMetrics(base::Metrics& m);
  base::Counter& requests;     // that came to the proxy
  base::Counter& forwarded;    // client transactions begun
  base::Counter& acks;         // ACKs sent on
  base::Counter& refused;      // answered with an error by this peer
  base::Counter& challenged;   // 407
  base::Counter& not_a_relay;  // 403, other host asked by an outsider
  base::Counter& forged;       // 403, From or P-Asserted-Identity of D without proof
  base::Counter& looped;       // 482
  base::Counter& spiralled;    // 483, too many passes
  base::Counter& failovers;    // next place tried after a failure
  base::Counter& found_again;  // a phone whose peer was gone, found at another
  base::Counter& timer_c;      // branches ended by Timer C
  base::Counter& acks_dropped;
  base::Counter& strays;  // responses to nothing we sent
  base::Counter& unsent;  // requests that could not be rewritten
  base::Counter& public_registrations;
  base::Counter& own_routes;         // 400, too many
  base::Counter& forks_left_out;     // targets beyond max_forks
  base::Counter& publics_forgotten;  // public registrations for which there was no room
};

struct Core {
  Core(ProxyConfig c, ProxyParts p);

  // The link to a member that is reached through this peer.
  std::optional<sip::Flow> attached(const identity::PeerId& member) const {
    return parts.attached ? parts.attached->find(member) : std::nullopt;
  }
  bool has_attached() const { return parts.attached && parts.attached->size() > 0; }
  const registrar::Bindings* bindings() const {
    return parts.registrar ? &parts.registrar->bindings() : nullptr;
  }
  // Whether such a request of, or to, a phone of this user is the hook's to see.
  bool is_for_hook(sip::Method method, std::string_view user) const {
    return parts.phones && is_shown(method) && parts.phones->stands_for(user);
  }
  // Answers, unless it is an ACK (then `transaction` is null).
  void answer(sip::ServerTransaction* transaction, const sip::Message& request, int status,
              std::string_view reason, std::span<const sip::ExtraHeader> extra = {});

  ProxyConfig config;
  ProxyParts parts;
  OverlayNames names;
  ProxyMetrics metrics;
  PublicRegistrations publics;
  FlowTokens tokens;
  std::uint64_t seed;  // of loop hashes
  bool site = false;   // this peer is behind a NAT with its phones
};

}  // namespace causeway::proxy
