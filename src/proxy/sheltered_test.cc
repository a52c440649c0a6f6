// Peers that cannot be reached, and are reached through others; members that are a user's own.
#include "proxy/world_test.h"

#include "identity/bundle.h"

namespace causeway::proxy::testing {
namespace {

class Sheltered : public ProxyTest {
 protected:
  Peer &first = world.peer({.proxy = true}), &second = world.peer({.proxy = true});
  Peer& home = world.peer({.sheltered = true});
  Peer& away = world.peer();
  Ua& alice = world.phone("alice", home);
  Ua& bob = world.phone("bob", away);

  void SetUp() override { ASSERT_EQ(home.links().up().size(), 2u); }
  static net::Ip ip_of(const Peer& peer) { return *net::Ip::parse(peer.ip()); }
  Peer& of_link(std::size_t n) { return home.links().up()[n].peer == first.id() ? first : second; }
};

TEST_F(Sheltered, CallsBothWaysAndWithTheOutside) {
  auto in = call(bob, alice, "sip:alice@p2psip.org");
  ASSERT_TRUE(in.up);
  EXPECT_TRUE(bye(alice, in.callee, bob));
  auto out = call(alice, bob, "sip:bob@p2psip.org");
  ASSERT_TRUE(out.up);
  EXPECT_TRUE(bye(bob, out.callee, alice));
  auto& carol = world.outsider("sip:carol@example.com", first);
  world.zone.hosts["example.com"] = {carol.address.ip.text()};
  EXPECT_TRUE(call(carol, alice, "sip:alice@p2psip.org").up);
  EXPECT_TRUE(call(alice, carol, "sip:carol@example.com").up);
}

TEST_F(Sheltered, APublicPeerThatWasKilledCostsNothing) {
  Peer& dead = of_link(0);
  dead.stop();
  bob.invite("sip:alice@p2psip.org");
  const auto in = alice.wait("INVITE", 500ms);
  ASSERT_FALSE(in.empty());
  alice.answer(in, 200);
  EXPECT_FALSE(bob.wait("SIP/2.0 200").empty());
}

TEST_F(Sheltered, ASilentOneCostsLittle) {
  call(bob, alice, "sip:alice@p2psip.org");  // the links are open
  for (Peer* silent : {&of_link(0), &of_link(1)}) {
    silent->kill();
    bob.invite("sip:alice@p2psip.org");
    const auto in = alice.wait("INVITE", 2500ms);
    ASSERT_FALSE(in.empty());
    alice.answer(in, 200);
    EXPECT_FALSE(bob.wait("SIP/2.0 200").empty());
    world.net.revive(ip_of(*silent));
    world.run(25s);
    ASSERT_EQ(home.links().up().size(), 2u);
    home.name_vias();
    world.run(1s);
    alice.inbox.clear();
  }
}

// The link from a public peer to the home is dead, and only that peer could know: it says so soon.
TEST_F(Sheltered, APeerWhoseLinkIsSilentGivesTheCallBack) {
  call(bob, alice, "sip:alice@p2psip.org");
  for (std::size_t n : {0u, 1u}) world.net.cut(ip_of(of_link(n)), ip_of(home));
  const auto start = world.loop.now();
  bob.invite("sip:alice@p2psip.org");
  EXPECT_FALSE(bob.wait("SIP/2.0 480", 8s).empty()) << "both were tried";
  EXPECT_LT(world.loop.now() - start, 4s);
  EXPECT_GT(first.count("proxy_failovers_total") + second.count("proxy_failovers_total"), 1u);
  for (Peer* peer : {&first, &second}) world.net.heal(ip_of(*peer), ip_of(home));
  world.run(25s);
  home.name_vias();
  world.run(1s);
  alice.inbox.clear();
  EXPECT_TRUE(call(bob, alice, "sip:alice@p2psip.org").up);
}

// It says so, and the other way is tried beside it. What was only late then comes twice to the phone, which
// refuses the second (RFC 3261 8.2.2.2); the first is answered, and its answer finds the way back.
TEST_F(Sheltered, WhatWasOnlyLateIsAnsweredAllTheSame) {
  call(bob, alice, "sip:alice@p2psip.org");
  int late = 0;
  for (std::size_t n : {0u, 1u}) {
    for (auto healed : {1400ms, 1600ms}) {  // it comes before the other one, or after it
      world.net.cut(ip_of(of_link(n)), ip_of(home));
      bob.invite("sip:alice@p2psip.org");
      world.run(healed);
      world.net.heal(ip_of(of_link(n)), ip_of(home));
      world.run(250ms);
      const auto one = alice.wait("INVITE"), two = alice.wait("INVITE", 100ms);
      if (!two.empty() && values(one, "Via")[0] != values(two, "Via")[0]) {
        alice.answer(two, 482);
        ++late;
      }
      alice.answer(one, 180);
      EXPECT_FALSE(bob.wait("SIP/2.0 180").empty());
      alice.answer(one, 200);
      EXPECT_FALSE(bob.wait("SIP/2.0 200").empty());
      world.run(1s);
      for (const auto& message : bob.inbox)
        EXPECT_TRUE(is(message, "SIP/2.0 200") || is(message, "SIP/2.0 100")) << message;
      alice.inbox.clear();
      bob.inbox.clear();
    }
  }
  EXPECT_EQ(late, 2) << "of four calls half went by the way that was not cut";
}

TEST_F(Sheltered, WhoIsBusyIsNotWaitedForAtTheSilentWay) {
  call(bob, alice, "sip:alice@p2psip.org");
  for (std::size_t n : {0u, 1u}) {
    world.net.cut(ip_of(of_link(n)), ip_of(home));
    bob.invite("sip:alice@p2psip.org");
    const auto in = alice.wait("INVITE", 2500ms);
    ASSERT_FALSE(in.empty());
    alice.answer(in, 486);
    EXPECT_FALSE(bob.wait("SIP/2.0 486", 500ms).empty());
    world.net.heal(ip_of(of_link(n)), ip_of(home));
    world.run(25s);
    alice.inbox.clear();
  }
}

TEST_F(Sheltered, RecordsThatLeadNowhereMakeNoCircles) {
  // Both say that the way leads through the other, and neither has a link.
  home.stop();
  world.run(1s);
  EXPECT_EQ(first.attached().size() + second.attached().size(), 0u);
  const auto before = world.wire.size();
  bob.invite("sip:alice@p2psip.org");
  EXPECT_FALSE(bob.wait("SIP/2.0 480", 8s).empty());
  std::size_t invites = 0;
  for (std::size_t i = before; i < world.wire.size(); ++i)
    invites += world.wire[i].text.starts_with("INVITE");
  EXPECT_LE(invites, 4u);
}

TEST(Sites, WhatFacesThePhoneIsTakenOutOnTheWayDown) {
  World world;
  Peer& first = world.peer({.proxy = true});
  Peer& home = world.peer({.sheltered = true});
  Peer& away = world.peer();
  home.proxy().set_site(true);
  Ua &alice = world.phone("alice", home), &bob = world.phone("bob", away);
  alice.invite("sip:bob@p2psip.org");
  const auto in = bob.wait("INVITE");
  ASSERT_FALSE(in.empty());
  const auto ok = bob.answer(in, 200);
  const auto got = alice.wait("SIP/2.0 200");
  ASSERT_FALSE(got.empty());
  auto caller = alice.as_caller(in, got);
  ASSERT_FALSE(caller.routes.empty());
  EXPECT_EQ(caller.routes[0], "<sip:" + home.ip() + ":5060;transport=udp;lr;causeway-site>")
      << "her own peer comes first";
  alice.send(alice.in_dialogue(caller, "ACK"));
  EXPECT_FALSE(bob.wait("ACK").empty());
  auto callee = bob.as_callee(in, ok);
  bob.send(bob.in_dialogue(callee, "BYE"));
  const auto bye = alice.wait("BYE");
  ASSERT_FALSE(bye.empty());
  EXPECT_TRUE(values(bye, "Route").empty());
  (void)first;
}

// ---- members that are a user's

// As `causeway ua`: a link to a peer, with a certificate that names its user.
struct OwnMember final : net::StreamHandler {
  OwnMember(World& world, Peer& at, std::vector<std::string> uris) : loop(world.loop) {
    const auto key = identity::PrivateKey::generate();
    network = world.net.host(*net::Ip::parse("10.0.7.7"),
                             {.member_name = identity::peer_host(key.public_key().peer_id(), kDomain),
                              .member_uris = std::move(uris),
                              .public_names = {}});
    tls = net::TlsContext::simulated(net::TlsContext::Kind::member);
    stream = network->connect({*net::Ip::parse(at.ip()), 7400}, {tls.get(), {}}, *this);
    loop.run_for(100ms);
  }
  void on_bytes(std::span<const char> bytes) override { received.append(bytes.data(), bytes.size()); }
  void on_closed(const net::StreamClosed&) override { stream.reset(); }

  // The status of the final answer to an INVITE with this From.
  std::string invite(const std::string& from, const std::string& more = "") {
    received.clear();
    const std::string n = std::to_string(++serial);
    stream->send(base::Buffer::copy_of(
        "INVITE sip:bob@p2psip.org SIP/2.0\r\nVia: SIP/2.0/TLS ua.example;branch=z9hG4bKown" + n +
        "\r\nMax-Forwards: 70\r\nFrom: <" + from + ">;tag=" + n +
        "\r\nTo: <sip:bob@p2psip.org>\r\nCall-ID: own" + n +
        "\r\nCSeq: 1 INVITE\r\nContact: <sip:ua.example>\r\n" + more + "Content-Length: 0\r\n\r\n"));
    loop.run_for(500ms);
    return received.substr(0, received.find("\r\n"));
  }

  base::SimLoop& loop;
  std::unique_ptr<net::Network> network;
  std::unique_ptr<net::TlsContext> tls;
  std::unique_ptr<net::Stream> stream;
  std::string received;
  int serial = 0;
};

TEST_F(ProxyTest, AUsersOwnMemberSpeaksForThatUserAlone) {
  auto& p = world.peer();
  auto& bob = world.phone("bob", p);
  OwnMember ua(world, p, {"sip:alice@p2psip.org"});
  EXPECT_TRUE(is(ua.invite("sip:mallory@p2psip.org"), "SIP/2.0 403"));
  EXPECT_TRUE(is(ua.invite("sip:carol@example.com"), "SIP/2.0 403"));
  EXPECT_TRUE(bob.wait("INVITE", 100ms).empty());
  EXPECT_EQ(p.count("proxy_refused_total{reason=\"identity\"}"), 2u);

  ua.invite("sip:alice@p2psip.org", "P-Asserted-Identity: <sip:mallory@p2psip.org>\r\n");
  const auto in = bob.wait("INVITE", 500ms);
  ASSERT_FALSE(in.empty());
  EXPECT_TRUE(header(in, "P-Asserted-Identity").empty());
  EXPECT_FALSE(is(ua.invite("sip:anonymous@anonymous.invalid"), "SIP/2.0 403"));
}

TEST_F(ProxyTest, APeersLinkPassesOnWhatOthersSay) {
  auto& p = world.peer();
  auto& bob = world.phone("bob", p);
  OwnMember peer(world, p, {});
  peer.invite("sip:carol@example.com");
  EXPECT_FALSE(bob.wait("INVITE", 500ms).empty());
}

}  // namespace
}  // namespace causeway::proxy::testing
