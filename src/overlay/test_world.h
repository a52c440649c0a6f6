// For tests: a domain with its authority, and members of it on a simulated network in virtual time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/sim_loop.h"
#include "identity/authority.h"
#include "net/sim_network.h"
#include "overlay/opendht_overlay.h"
#include "overlay/virtual_time.h"

namespace causeway::overlay {

// Sanitizers make everything about this much slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int kSlowness = 10;
#else
inline constexpr int kSlowness = 1;
#endif

struct TestDomain {
  identity::Authority authority = *identity::Authority::create("p2psip.org");

  identity::Bundle issue(std::vector<identity::Role> roles, std::vector<std::string> users,
                         base::UnixMs now) {
    return *authority.issue(
        {.roles = std::move(roles), .users = std::move(users), .bootstrap = {}, .now = now});
  }
};

inline UserBody body_at(const identity::PeerId& home, std::string token, base::UnixMs now) {
  UserContact contact;
  contact.instance = 7;
  contact.home = home;
  contact.endpoints = {*net::Address::parse("10.0.0.1:5061")};
  contact.token = std::move(token);
  contact.registered = now;
  contact.expiry = now + 600'000;
  return {{contact}};
}

// A member: a registrar unless said otherwise.
struct TestPeer {
  identity::Bundle bundle;
  net::Ip ip;
  base::Metrics metrics;
  std::unique_ptr<net::Network> network;
  RecordChecker checker;
  Signer signer;
  std::unique_ptr<Engine> overlay;

  TestPeer(identity::Bundle b, net::Ip at, std::unique_ptr<net::Network> n)
      : bundle(std::move(b)),
        ip(at),
        network(std::move(n)),
        checker(bundle.domain, bundle.authority, metrics),
        signer{bundle.key, bundle.credential} {}
};

class TestWorld {
 public:
  static constexpr std::uint16_t kPort = 7400;
  base::SimLoop loop;
  VirtualTime time{loop};
  base::Random random{1};
  net::SimNetwork network{loop, random};
  TestDomain domain;
  std::vector<std::unique_ptr<TestPeer>> peers;
  OpenDhtConfig defaults;

  TestWorld() { network.set_delay(base::Duration(20), base::Duration(30)); }

  net::Ip ip(std::size_t n) const { return net::Ip::v4(0x0a000001u + static_cast<std::uint32_t>(n)); }
  net::Address address(std::size_t n) const { return {ip(n), kPort}; }

  // A machine with a bundle, on which nothing runs yet.
  TestPeer& add(std::vector<identity::Role> roles = {identity::Role::registrar},
                std::vector<std::string> users = {}) {
    net::Ip at = ip(peers.size());
    peers.push_back(std::make_unique<TestPeer>(
        domain.issue(std::move(roles), std::move(users), loop.unix_now()), at, network.host(at)));
    return *peers.back();
  }
  OpenDhtConfig config(const TestPeer& peer, std::vector<net::Address> bootstrap) const {
    OpenDhtConfig c = defaults;
    c.domain = peer.bundle.domain;
    c.peer = peer.bundle.peer_id();
    c.network_key = peer.bundle.network_key;
    c.listen = {{peer.ip, kPort}};
    c.bootstrap = std::move(bootstrap);
    return c;
  }
  void run(TestPeer& peer, OpenDhtConfig config) {
    auto made =
        make_opendht_overlay(loop, *peer.network, random, peer.metrics, peer.checker, std::move(config));
    if (!made) throw std::runtime_error(made.error().message);
    peer.overlay = std::move(*made);
  }
  // ... and one that runs, and asks the first one.
  TestPeer& join() {
    TestPeer& peer = add();
    run(peer, config(peer, {address(0)}));
    return peer;
  }

  Record user(const TestPeer& by, std::string name, std::string token = "token") {
    base::UnixMs now = loop.unix_now();
    return by.signer.sign(Kind::user, "sip:" + name + "@p2psip.org", now, now + 600'000,
                          encode(body_at(by.bundle.peer_id(), std::move(token), now)));
  }
  // Everything that a get brings; runs the loop until it is done.
  std::vector<Record> get(TestPeer& peer, std::string_view uri,
                          base::Duration patience = base::Duration(2000)) {
    std::vector<Record> found;
    bool done = false;
    peer.overlay->get(uri, patience, nullptr, [&](std::vector<Record> records) {
      found = std::move(records);
      done = true;
    });
    loop.run_until([&] { return done; }, patience + base::Duration(100));
    return found;
  }
  void run_for(base::Duration span) { loop.run_for(span); }
};

}  // namespace causeway::overlay
