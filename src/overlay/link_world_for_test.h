// For tests: members with transports on a simulated network. Public ones are members of an overlay in memory
// and serve; sheltered ones, to whom nobody gets through, have links.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/sim_loop.h"
#include "identity/bundle.h"
#include "net/tls.h"
#include "overlay/link_service.h"
#include "overlay/memory_overlay.h"
#include "overlay/remote_overlay.h"
#include "overlay/test_world.h"

namespace causeway::overlay {

class LinkWorld;

// Hands the requests of peer links on, as a peer's core does.
struct LinkCore final : sip::ServerUser {
  LinkRequests* to = nullptr;
  void on_request(sip::ServerTransaction& t, const sip::Message& m, const sip::Flow& f) override {
    if (to) to->on_link_request(t, m, f);
  }
  void on_ack(const sip::Message&, const sip::Flow&) override {}
  void on_cancel(sip::ServerTransaction&, const sip::Message&) override {}
  void on_stray_response(const sip::Message&, const sip::Flow&) override {}
  void on_gone(sip::ServerTransaction& t) override {
    if (to) to->on_link_gone(t);
  }
  void on_flow_closed(const sip::Flow& f) override {
    if (to) to->on_link_closed(f);
  }
};

struct LinkMember {
  LinkMember(LinkWorld& world, std::size_t n, std::vector<identity::Role> roles,
             std::vector<std::string> users);
  ~LinkMember();
  void serve(std::unique_ptr<Engine> engine);
  void dial(std::vector<net::Address> bootstrap);

  LinkWorld& world;
  identity::Bundle bundle;
  net::Ip ip;
  base::Metrics metrics;
  RecordChecker checker;
  Signer signer;
  std::unique_ptr<net::Network> network;
  std::unique_ptr<net::TlsContext> tls = net::TlsContext::simulated(net::TlsContext::Kind::member);
  std::unique_ptr<sip::TransportLayer> transport;
  std::unique_ptr<sip::TransactionLayer> transactions;
  LinkCore core;
  std::unique_ptr<LinkAsker> asker;
  std::unique_ptr<PublicLinks> links;
  std::unique_ptr<Engine> overlay;
  Attached attached;
  std::unique_ptr<LinkService> service;

  net::Address address() const { return {ip, 7400}; }
  identity::PeerId id() const { return bundle.peer_id(); }
  std::uint64_t count(std::string_view name) const { return metrics.value(name); }
};

class LinkWorld {
 public:
  LinkWorld() { net.set_delay(base::Duration(10), base::Duration(20)); }
  LinkMember& add(std::vector<identity::Role> roles, std::vector<std::string> users = {}) {
    members.push_back(
        std::make_unique<LinkMember>(*this, members.size(), std::move(roles), std::move(users)));
    return *members.back();
  }
  LinkMember& public_peer() {
    LinkMember& member = add({identity::Role::proxy});
    member.serve(records.join());
    return member;
  }
  LinkMember& sheltered(std::vector<net::Address> bootstrap) {
    LinkMember& member = add({identity::Role::registrar});
    net.shelter(member.ip);
    member.dial(std::move(bootstrap));
    return member;
  }
  Record user(const LinkMember& by, std::string name, std::string token = "token") {
    const base::UnixMs now = loop.unix_now();
    return by.signer.sign(Kind::user, "sip:" + name + "@p2psip.org", now, now + 600'000,
                          encode(body_at(by.id(), std::move(token), now)));
  }
  std::vector<Record> get(LinkMember& member, std::string_view uri,
                          base::Duration limit = std::chrono::seconds(5)) {
    std::vector<Record> found;
    done = false;
    member.overlay->get(uri, std::chrono::seconds(2), nullptr, [&](std::vector<Record> records_found) {
      found = std::move(records_found);
      done = true;
    });
    for (base::Duration spent{}; !done && spent < limit; spent += base::Duration(10))
      loop.run_for(base::Duration(10));
    return found;
  }

  base::SimLoop loop;
  base::Random random{7};
  net::SimNetwork net{loop, random};
  base::Metrics metrics;
  TestDomain domain;
  MemoryOverlayWorld records{loop, "p2psip.org", domain.authority.key(), metrics, base::Duration(30)};
  std::vector<std::unique_ptr<LinkMember>> members;
  bool done = false;
};

inline LinkMember::LinkMember(LinkWorld& w, std::size_t n, std::vector<identity::Role> roles,
                              std::vector<std::string> users)
    : world(w),
      bundle(w.domain.issue(std::move(roles), std::move(users), w.loop.unix_now())),
      ip(net::Ip::v4(0x0a000101u + static_cast<std::uint32_t>(n))),
      checker(bundle.domain, bundle.authority, metrics),
      signer{bundle.key, bundle.credential} {
  const std::string name = identity::peer_host(id(), bundle.domain);
  network = w.net.host(ip, {.member_name = name});
  transport = std::make_unique<sip::TransportLayer>(w.loop, *network, metrics);
  transactions = std::make_unique<sip::TransactionLayer>(w.loop, *transport, w.random, metrics);
  (void)transport->open({.locals = {},
                         .member_locals = {address()},
                         .member_tls = tls.get(),
                         .member_name = name,
                         .strangers = {}});
  transport->set_handler(*transactions);
  transactions->set_core(core);
  asker = std::make_unique<LinkAsker>(LinkAsker::Parts{w.loop, w.random, metrics, *transport, *transactions},
                                      bundle.domain, id());
}

inline LinkMember::~LinkMember() { core.to = nullptr; }

inline void LinkMember::serve(std::unique_ptr<Engine> engine) {
  overlay = std::move(engine);
  service = std::make_unique<LinkService>(
      LinkService::Parts{*asker, *network, tls.get(), *overlay, checker, attached});
  service->set_public(true);
  core.to = service.get();
}

inline void LinkMember::dial(std::vector<net::Address> bootstrap) {
  links = std::make_unique<PublicLinks>(
      *asker, PublicLinksConfig{.bootstrap = std::move(bootstrap), .nodes_file = {}});
  core.to = links.get();
  overlay = make_remote_overlay(world.loop, metrics, checker, *links);
  links->start();
}

}  // namespace causeway::overlay
