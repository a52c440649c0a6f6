// A whole peer but for its overlay engine: datagrams and a stream of strange bytes against transport,
// transactions, registrar and proxy, from a phone that is registered, from one that is not, and from outside.
// Whatever comes, it goes on, and after a while nothing is left of it.
//
// Input: pieces, each with two bytes of head: who sends (2 bits), length, how long until the next.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>

#include "base/sim_loop.h"
#include "dns/resolver.h"
#include "identity/authority.h"
#include "net/sim_network.h"
#include "overlay/memory_overlay.h"
#include "proxy/proxy.h"

using namespace causeway;

namespace {

constexpr std::string_view kDomain = "p2psip.org";

net::Address at(const char* text) { return *net::Address::parse(text); }

struct Nobody final : net::UdpHandler, net::StreamHandler {
  void on_datagrams(std::span<net::Datagram>) override {}
  void on_bytes(std::span<const char>) override {}
  void on_closed(const net::StreamClosed&) override {}
};

struct NoDns final : dns::Resolver {
  void naptr(const std::string&, dns::OnRecords<dns::Naptr> done) override { done({}); }
  void srv(const std::string&, dns::OnRecords<dns::Srv> done) override { done({}); }
  void addresses(const std::string& name, bool, bool, dns::OnRecords<net::Ip> done) override {
    std::vector<net::Ip> found;
    if (name.ends_with("example.com")) found.push_back(at("192.0.2.9:1").ip);
    done(std::move(found));
  }
};

// Keys cost a millisecond: made once.
struct Domain {
  base::Random random{7};
  identity::Authority authority = *identity::Authority::create(kDomain, random);
  identity::Bundle bundle = *authority.issue(
      {.roles = {identity::Role::registrar, identity::Role::proxy}, .now = base::SimLoop::kUnixStart},
      random);
};

struct Peer {
  explicit Peer(const Domain& domain)
      : network(world.host(address.ip)),
        overlay(records.join()),
        signer{domain.bundle.key, domain.bundle.credential} {
    transport.set_handler(transactions);
    registrar.set_links({{address.ip, 7400}});
    transactions.set_core(proxy);
    if (!transport.open({.locals = {{net::Transport::udp, address, ""}, {net::Transport::tcp, address, ""}}}))
      abort();
  }
  static const Domain& domain() {
    static const Domain one;
    return one;
  }

  base::SimLoop loop;
  base::Random random{1};
  base::Metrics metrics;
  net::SimNetwork world{loop, random};
  const net::Address address = at("10.0.0.1:5060");
  overlay::MemoryOverlayWorld records{loop, std::string(kDomain), domain().authority.key(), metrics};
  std::unique_ptr<net::Network> network;
  std::unique_ptr<overlay::Overlay> overlay;
  overlay::Users users{loop, *overlay, metrics};
  overlay::Signer signer;
  overlay::Directory directory{loop, *overlay, signer, random, metrics};
  identity::TokenSealer tokens{identity::NetworkKey{}};
  sip::DigestVerifier digest{std::string(kDomain), {}};
  NoDns zone;
  dns::Locator locator{zone, random, {}, metrics};
  sip::TransportLayer transport{loop, *network, metrics};
  sip::TransactionLayer transactions{loop, transport, random, metrics};
  // Open, so that a phone needs no digest that no mutation would get right.
  registrar::Registrar registrar{
      {.domain = std::string(kDomain), .open = true},
      {loop, random, metrics, transactions, *overlay, users, signer, tokens, digest}};
  proxy::Proxy proxy{
      {.domain = std::string(kDomain), .peer = domain().bundle.peer_id(), .is_proxy = true, .open = true},
      {loop, random, metrics, transport, transactions, users, directory, *overlay, &registrar, locator,
       tokens, digest}};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Peer peer(Peer::domain());
  Nobody nobody;
  std::vector<std::unique_ptr<net::Network>> hosts;
  std::vector<std::unique_ptr<net::UdpSocket>> sockets;
  for (const char* where : {"10.1.0.1:5060", "10.1.0.2:5060", "192.0.2.9:5060"}) {
    hosts.push_back(peer.world.host(at(where).ip));
    sockets.push_back(std::move(*hosts.back()->open_udp(at(where), nobody)));
  }
  auto stream = hosts[1]->connect(peer.address, {}, nobody);
  sockets[0]->send(
      peer.address,
      base::Buffer::copy_of(
          "REGISTER sip:p2psip.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.1:5060;branch=z9hG4bKreg\r\nFrom: "
          "<sip:bob@p2psip.org>;tag=1\r\nTo: <sip:bob@p2psip.org>\r\nCall-ID: reg\r\nCSeq: 1 "
          "REGISTER\r\nContact: "
          "<sip:bob@10.1.0.1:5060>\r\nContent-Length: 0\r\n\r\n"));
  peer.loop.run_for(base::Duration(100));
  if (peer.registrar.bindings().size() != 1) abort();
  while (size >= 2) {
    const std::size_t length = std::min<std::size_t>(size - 2, (data[0] & 0x3f) * 32u + data[1] / 8u);
    const auto piece = base::Buffer::copy_of({reinterpret_cast<const char*>(data + 2), length});
    const unsigned who = data[0] >> 6;
    if (who < sockets.size())
      sockets[who]->send(peer.address, piece);
    else
      stream->send(piece);
    peer.loop.run_for(base::Duration((data[1] & 7) * 100));
    data += 2 + length;
    size -= 2 + length;
  }
  peer.loop.run_for(std::chrono::minutes(12));  // Timer C, thrice
  if (peer.transactions.server_count() != 0 || peer.transactions.client_count() != 0) abort();
  if (peer.proxy.calls_in_setup() != 0) abort();
  return 0;
}
