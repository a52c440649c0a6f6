// A line of a member of the overlay, between public peers in memory (overlay/link_world_for_test.h).
#include "ua/member_line.h"

#include <gtest/gtest.h>

#include "identity/relay_token.h"
#include "overlay/link_world_for_test.h"
#include "ua/agent.h"
#include "ua/session_for_test.h"

namespace causeway::ua {
namespace {

using namespace std::chrono_literals;

class Member : public ::testing::Test, protected AgentUser {
 protected:
  Member() {
    const base::UnixMs now = world.loop.unix_now();
    overlay::ServiceBody body{.peer = relay.id(),
                              .links = {},
                              .endpoints = {*net::Endpoint::parse("udp:192.0.2.1:3478"),
                                            *net::Endpoint::parse("tcp:192.0.2.1:3478")},
                              .capacity = 100,
                              .load = 0,
                              .token_key = tokens.public_key()};
    first.overlay->put(relay.signer.sign(overlay::Kind::service, "turn:p2psip.org", now, now + 120'000,
                                         overlay::encode(body)));
    agent.start();
    world.loop.run_for(2s);
  }
  void on_incoming(Call&) override {}
  void on_ended(Call&, const CallEnd&) override {}
  void on_registered(const std::string& aor) override {
    EXPECT_EQ(aor, "sip:alice@p2psip.org");
    ++up;
  }
  void on_not_registered(const std::string&, const Trouble&, bool final) override {
    EXPECT_FALSE(final);
    ++down;
  }

  std::vector<overlay::UserContact> contacts() {
    return overlay::contacts_of(world.get(first, "sip:alice@p2psip.org"), world.loop.unix_now());
  }
  void kill(const overlay::LinkMember& peer) { world.net.kill(peer.ip); }

  overlay::LinkWorld world;
  overlay::LinkMember& first = world.public_peer();
  overlay::LinkMember& second = world.public_peer();
  overlay::LinkMember& relay = world.add({identity::Role::relay});
  identity::RelayTokens tokens{"p2psip.org", relay.bundle.authority, relay.bundle.key};
  overlay::LinkMember& self = world.add({}, {"alice"});
  MemberLine line{
      {world.loop, world.random, self.metrics, *self.network, *self.transport, *self.transactions},
      self.bundle,
      *user_of(self.bundle.credential),
      {first.address(), second.address()}};
  testing::FakeSessions sessions{world.loop};
  Agent agent{
      {world.loop, world.random, self.metrics, *self.transport, *self.transactions}, line, sessions, *this};
  int up = 0, down = 0;
};

TEST_F(Member, ItsRecordNamesThePublicPeersThatLeadToIt) {
  EXPECT_EQ(up, 1);
  const auto found = contacts();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].home, self.id());
  EXPECT_EQ(found[0].vias.size(), 2u);
  EXPECT_TRUE(found[0].endpoints.empty());
  const identity::TokenSealer sealer(self.bundle.network_key);
  const auto token = sealer.open(found[0].token);
  ASSERT_TRUE(token);
  EXPECT_EQ(token->user, "alice");
  EXPECT_EQ(world.get(first, "sip:_" + self.id().text() + "@p2psip.org").size(), 1u);
  EXPECT_EQ(line.contact(), "sip:_" + self.id().text() + "." + found[0].token + "@p2psip.org");
}

TEST_F(Member, KnowsWhatIsForIt) {
  const auto is = [&](std::string_view text) { return line.is_for_us(*sip::parse_uri(text)); };
  EXPECT_TRUE(is("sip:alice@p2psip.org"));
  EXPECT_TRUE(is("sip:%61lice@P2PSIP.org"));
  EXPECT_TRUE(is(line.contact()));
  EXPECT_TRUE(is("sip:_" + self.id().text() + "@p2psip.org"));
  EXPECT_FALSE(is("sip:bob@p2psip.org"));
  EXPECT_FALSE(is("sip:alice@example.org"));
  EXPECT_FALSE(is("sip:_" + self.id().text() + "x@p2psip.org"));
  EXPECT_FALSE(is("sip:p2psip.org"));
}

TEST_F(Member, GoesOnWithOnePublicPeerWhenTheOtherDies) {
  const auto flow = line.flow();
  ASSERT_TRUE(flow);
  auto& dead = flow->remote == first.address() ? first : second;
  auto& other = &dead == &first ? second : first;
  kill(dead);
  world.loop.run_for(6s);
  ASSERT_TRUE(line.flow());
  EXPECT_EQ(line.flow()->remote, other.address());
  const auto found = overlay::contacts_of(world.get(other, "sip:alice@p2psip.org"), world.loop.unix_now());
  ASSERT_EQ(found.size(), 1u);
  ASSERT_EQ(found[0].vias.size(), 1u);
  EXPECT_EQ(found[0].vias[0].peer, other.id());
  EXPECT_EQ(down, 0);
}

TEST_F(Member, IsRegisteredAgainAfterAllWereGone) {
  kill(first);
  kill(second);
  world.loop.run_for(10s);
  EXPECT_EQ(down, 1);
  EXPECT_FALSE(line.flow());
  world.net.revive(first.ip);
  world.loop.run_for(30s);
  EXPECT_EQ(up, 2);
}

TEST_F(Member, ARecordIsRefreshedBeforeItExpires) {
  world.loop.run_for(30min);
  EXPECT_EQ(contacts().size(), 1u);
}

TEST_F(Member, WithdrawsItsRecordsWhenItStops) {
  bool stopped = false;
  agent.stop([&] { stopped = true; });
  EXPECT_TRUE(world.loop.run_until([&] { return stopped; }, 1s));
  world.loop.run_for(1s);
  EXPECT_TRUE(contacts().empty());
}

// No relay answers over UDP: those that offer streams are taken, each with a token that it will believe. Only
// the first call waits until that is known.
TEST_F(Member, TakesRelaysOverStreamsWhereUdpDoesNotPass) {
  std::optional<std::vector<RelayServer>> found;
  const auto search = [&] {
    const base::Instant before = world.loop.now();
    found.reset();
    line.relays([&](std::vector<RelayServer> servers) { found = std::move(servers); });
    EXPECT_TRUE(world.loop.run_until([&] { return found.has_value(); }, 5s));
    return world.loop.now() - before;
  };
  EXPECT_GE(search(), overlay::RoundTrips::kPatience);
  EXPECT_LT(search(), 50ms);
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->front().endpoint.text(), "tcp:192.0.2.1:3478");
  const auto granted = tokens.check(found->front().user, world.loop.unix_now());
  ASSERT_TRUE(granted);
  EXPECT_EQ(granted->user, "alice");
  EXPECT_EQ(granted->password, found->front().password);
}

TEST(UserOf, ACredentialThatSpeaksForAUser) {
  identity::Credential credential;
  credential.covers = {"sip:", "sip:*@", "turn:"};
  EXPECT_FALSE(user_of(credential));
  credential.covers.push_back("sip:alice@");
  EXPECT_EQ(*user_of(credential), "alice");
}

}  // namespace
}  // namespace causeway::ua
