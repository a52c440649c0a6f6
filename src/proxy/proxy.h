// The stateful proxy (RFC 3261 16): where a request goes, and by which rule.
//
// A walk through the normal case. carol@example.com calls alice, whose phone is registered at this peer:
//   1. the transaction layer gives the INVITE to on_request;
//   2. validation (16.3: method, Max-Forwards, loops, Proxy-Require), own Routes removed (16.4);
//   3. route.h decides from Route set, Request-URI and who sent it, one rule of protocol.md per row;
//   4. the target set is found: alice's user record (overlay::Users), here her binding;
//   5. a ResponseContext forks to the targets by q, each with a client transaction; the request is
//      spliced: Request-URI, Via, Max-Forwards, Record-Route (record_route.h);
//   6. responses go back as 16.7 says; the best one wins; the context is gone with the final one.
//
// Who sent it decides what is allowed (sender.h): a member over its peer link, an own phone (digest, or
// the flow it registered on), or an outsider, who may only reach users of this domain.
//
// It keeps transaction state only: a request inside a dialogue finds its way by its Route set alone.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "base/random.h"
#include "dns/locator.h"
#include "identity/sealing.h"
#include "overlay/attached.h"
#include "overlay/directory.h"
#include "overlay/link_asker.h"
#include "overlay/users.h"
#include "proxy/phone_hook.h"
#include "registrar/registrar.h"
#include "sip/digest.h"
#include "sip/transaction.h"

namespace causeway::proxy {

struct ProxyConfig {
  std::string domain;
  identity::PeerId peer;                   // this one
  bool is_proxy = false;                   // role proxy: takes requests across the boundary
  bool open = false;                       // open registration: phones are not asked for digest either
  std::string route_host;                  // in place of D in Record-Route (overlay_uri.h); empty: D
  std::optional<std::uint64_t> loop_seed;  // the same for all workers of a peer (RFC 5393); none: drawn
  int max_forks = limits::kMaxForks;       // targets tried for one request, in parallel or one after another
};

struct ProxyParts {
  base::Loop& loop;
  base::Random& random;
  base::Metrics& metrics;
  sip::TransportLayer& transport;
  sip::TransactionLayer& transactions;
  overlay::Users& users;
  overlay::Directory& directory;
  overlay::Overlay& overlay;        // peer records, for sip:_PEERID@D
  registrar::Registrar* registrar;  // nullptr: this peer has no phones
  dns::Locator& locator;
  const identity::TokenSealer& tokens;
  const sip::DigestVerifier& digest;
  // Who takes what members ask over peer links (method OVERLAY), and the members that are reached through
  // this peer. Null: nobody.
  overlay::LinkRequests* links = nullptr;
  const overlay::Attached* attached = nullptr;
  // Who stands in for phones (phone_hook.h). Null: nobody.
  PhoneHook* phones = nullptr;
};

class PublicRegistrations;  // public_registration.h

class Proxy final : public sip::ServerUser {
 public:
  Proxy(ProxyConfig config, ProxyParts parts);
  ~Proxy();

  // sip::ServerUser
  void on_request(sip::ServerTransaction& transaction, const sip::Message& request,
                  const sip::Flow& flow) override;
  void on_ack(const sip::Message& ack, const sip::Flow& flow) override;
  void on_cancel(sip::ServerTransaction& invite, const sip::Message& cancel) override;
  void on_stray_response(const sip::Message& response, const sip::Flow& flow) override;
  void on_gone(sip::ServerTransaction& transaction) override;
  void on_flow_closed(const sip::Flow& flow) override;
  bool is_registered(const sip::Message& request) const override;  // here, or elsewhere through this peer

  // This peer is behind a NAT, and its phones with it: they are to send everything through it
  // (record_route.h).
  void set_site(bool on);

  std::size_t calls_in_setup() const;  // response contexts

  // Registrations with public networks (draft 4.2) that went through this worker, and through others.
  PublicRegistrations& public_registrations();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::proxy
