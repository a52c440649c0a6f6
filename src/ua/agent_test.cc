// Two user agents that call each other, and what keeps a line alive, on a simulated network.
#include "ua/agent.h"

#include <gtest/gtest.h>

#include "base/sim_loop.h"
#include "net/sim_network.h"
#include "sip/rewrite.h"
#include "stun/binding.h"
#include "stun/writer.h"
#include "ua/limits.h"
#include "ua/phone_line.h"
#include "ua/session_for_test.h"

namespace causeway::ua {
namespace {

using namespace std::chrono_literals;

struct World {
  base::SimLoop loop;
  base::Random random{3};
  net::SimNetwork net{loop, random};
};

// A user agent whose server is the other one.
class Side final : public AgentUser {
 public:
  Side(World& world, std::string user, std::string ip, std::string server, net::Transport transport,
       bool registers = false, bool takes_streams = true)
      : loop(world.loop),
        network(world.net.host(*net::Ip::parse(ip))),
        transport_(loop, *network, metrics),
        layer(loop, transport_, world.random, metrics),
        sessions(loop) {
    transport_.set_handler(layer);
    const net::Address here{*net::Ip::parse(ip), 5060};
    sip::TransportConfig config;
    config.locals = {{net::Transport::udp, here, ""}};
    if (takes_streams) config.locals.push_back({net::Transport::tcp, here, ""});
    EXPECT_TRUE(transport_.open(config));
    auto account =
        make_account("sip:" + user + "@sim", "", {{transport, {*net::Ip::parse(server), 5060}}, "", false});
    account->registers = registers;
    line.emplace(loop, transport_, world.random, std::move(*account));
    agent.emplace(Agent::Parts{loop, world.random, metrics, transport_, layer}, *line, sessions, *this);
    agent->start();
  }

  void on_incoming(Call& call) override { call.answer(); }
  void on_established(Call& call) override {
    ++established;
    latest = &call;
  }
  void on_ended(Call&, const CallEnd& end) override {
    ++ended;
    how = end;
  }

  base::Loop& loop;
  base::Metrics metrics;
  std::unique_ptr<net::Network> network;
  sip::TransportLayer transport_;
  sip::TransactionLayer layer;
  testing::FakeSessions sessions;
  std::optional<PhoneLine> line;
  std::optional<Agent> agent;
  int established = 0, ended = 0;
  Call* latest = nullptr;
  CallEnd how;
};

class Calls : public ::testing::TestWithParam<net::Transport> {
 protected:
  World world;
  Side alice{world, "alice", "10.0.0.1", "10.0.0.2", GetParam()};
  Side bob{world, "bob", "10.0.0.2", "10.0.0.1", GetParam()};

  bool call() {
    const int before = alice.established, theirs = bob.established;
    EXPECT_TRUE(alice.agent->call("bob"));
    return world.loop.run_until([&] { return alice.established > before && bob.established > theirs; }, 30s);
  }
};

TEST_P(Calls, AreMadeHeldAndEnded) {
  ASSERT_TRUE(call());
  EXPECT_TRUE(alice.sessions.last->talking && bob.sessions.last->talking);
  alice.latest->hold();
  world.loop.run_for(1s);
  EXPECT_TRUE(bob.sessions.last->held_by_other());
  bob.latest->hang_up();
  EXPECT_EQ(bob.how.by, CallEnd::By::us);
  world.loop.run_for(1s);
  EXPECT_EQ(alice.how.by, CallEnd::By::them);
  EXPECT_TRUE(alice.how.established);
  world.loop.run_for(60s);
  EXPECT_EQ(alice.agent->calls().size(), 0u);
  EXPECT_EQ(alice.layer.client_count() + alice.layer.server_count() + bob.layer.client_count() +
                bob.layer.server_count(),
            0u);
}

TEST_P(Calls, ComeAboutWithATenthOfThePacketsLost) {
  world.net.set_loss(0.1);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(call()) << i;
    alice.latest->hang_up();
    world.loop.run_for(2s);
  }
  world.loop.run_for(70s);
  EXPECT_EQ(bob.ended, 20);
  EXPECT_EQ(alice.layer.client_count() + bob.layer.server_count(), 0u);
}

// Both want to change the call in the same moment (RFC 3261 14.1).
TEST_P(Calls, SurviveGlare) {
  ASSERT_TRUE(call());
  world.loop.run_for(1s);
  alice.latest->hold();
  bob.latest->hold();
  world.loop.run_for(10s);
  EXPECT_EQ(alice.ended + bob.ended, 0);
  EXPECT_TRUE(alice.sessions.last->held_by_other() && bob.sessions.last->held_by_other());
}

// RFC 4028: the other side is gone for good; both ends notice.
TEST_P(Calls, EndWhenTheOtherSideVanishes) {
  ASSERT_TRUE(call());
  world.net.cut(*net::Ip::parse("10.0.0.1"), *net::Ip::parse("10.0.0.2"));
  world.loop.run_for(limits::kSessionExpires);
  EXPECT_EQ(alice.ended, 1);
  EXPECT_EQ(bob.ended, 1);
  EXPECT_EQ(alice.how.by, CallEnd::By::failure);
  EXPECT_EQ(bob.how.by, CallEnd::By::failure);
}

INSTANTIATE_TEST_SUITE_P(Over, Calls, ::testing::Values(net::Transport::udp, net::Transport::tcp),
                         [](const auto& which) { return std::string(net::transport_name(which.param)); });

// RFC 3261 18.1.1: what is too long for UDP.
TEST(LongRequests, LeaveOverAStream) {
  World world;
  Side alice(world, "alice", "10.0.0.1", "10.0.0.2", net::Transport::udp);
  Side bob(world, "bob", "10.0.0.2", "10.0.0.1", net::Transport::udp);
  alice.sessions.more = "a=" + std::string(1000, 'x') + "\r\n";
  ASSERT_TRUE(alice.agent->call("bob"));
  ASSERT_TRUE(world.loop.run_until([&] { return alice.established == 1; }, 5s));
  EXPECT_EQ(alice.metrics.value("ua_requests_widened_total"), 1u);
  EXPECT_EQ(alice.transport_.connections(), 1u);
  alice.latest->hang_up();
  world.loop.run_for(1s);
  EXPECT_EQ(bob.ended, 1);
  EXPECT_EQ(alice.metrics.value("ua_requests_widened_total"), 1u);
}

// limits::kStreamRefused
TEST(LongRequests, LeaveOverUdpWhereStreamsAreRefused) {
  World world;
  Side alice(world, "alice", "10.0.0.1", "10.0.0.2", net::Transport::udp);
  Side bob(world, "bob", "10.0.0.2", "10.0.0.1", net::Transport::udp, false, false);
  alice.sessions.more = "a=" + std::string(1000, 'x') + "\r\n";
  for (int i = 1; i <= 2; ++i) {
    ASSERT_TRUE(alice.agent->call("bob"));
    ASSERT_TRUE(world.loop.run_until([&] { return alice.established == i && bob.established == i; }, 6s));
    EXPECT_EQ(alice.metrics.value("ua_requests_widened_total"), 1u);
    EXPECT_EQ(alice.metrics.value("ua_requests_narrowed_total"), 1u);
    alice.latest->hang_up();
    world.loop.run_for(1s);
  }
  world.loop.run_for(limits::kStreamRefused);
  ASSERT_TRUE(alice.agent->call("bob"));
  ASSERT_TRUE(world.loop.run_until([&] { return alice.established == 3; }, 6s));
  EXPECT_EQ(alice.metrics.value("ua_requests_widened_total"), 2u);
}

// limits::kMaxFlowTries: nothing listens there.
TEST(Agent, TriesAnotherConnectionAndGivesUp) {
  World world;
  Side alice(world, "alice", "10.0.0.1", "10.0.0.2", net::Transport::tcp);
  auto there = world.net.host(*net::Ip::parse("10.0.0.2"));
  ASSERT_TRUE(alice.agent->call("bob"));
  ASSERT_TRUE(world.loop.run_until([&] { return alice.ended == 1; }, 30s));
  EXPECT_EQ(alice.how.by, CallEnd::By::failure);
  EXPECT_EQ(alice.metrics.value("sip_client_failed_total{reason=\"transport\"}"),
            static_cast<std::uint64_t>(limits::kMaxFlowTries));
}

TEST(Dialog, KeepsNoMoreRoutesThanThereCanBeHops) {
  std::string text =
      "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\nTo: "
      "<sip:a@b>\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\nContact: <sip:c@e>\r\n";
  for (int i = 0; i < 80; ++i) text += "Record-Route: <sip:hop" + std::to_string(i) + ";lr>\r\n";
  text += "Content-Length: 0\r\n\r\n";
  sip::Message invite;
  ASSERT_TRUE(invite.parse(text));
  EXPECT_EQ(Dialog::of_request(invite, "x")->routes.size(), limits::kMaxRoutes);
}

TEST(Agent, TakesNoAddressThatIsNone) {
  World world;
  Side alice(world, "alice", "10.0.0.1", "10.0.0.2", net::Transport::udp);
  for (const char* wrong : {"sip:", "tel:+123", "b ob", "bob@@", "sip:bob@sim?Route=x", ""})
    EXPECT_FALSE(alice.agent->call(wrong)) << wrong;
  EXPECT_TRUE(alice.agent->call("bob@sim"));
}

// ---- a line's registrar, driven by the test

class Registrar final : public net::UdpHandler {
 public:
  Registrar(World& world) : network(world.net.host(*net::Ip::parse("10.0.0.2"))) {
    socket = std::move(*network->open_udp({*net::Ip::parse("10.0.0.2"), 5060}, *this));
  }
  void on_datagrams(std::span<net::Datagram> batch) override {
    for (auto& d : batch) {
      const std::string_view bytes(d.bytes.data(), d.bytes.size());
      if (stun::is_stun(bytes)) {
        ++pings;
        if (answers_pings) socket->send(d.from, stun::answer_binding(bytes, seen.value_or(d.from)));
        continue;
      }
      sip::Message request;
      if (!request.parse(bytes) || request.method() != sip::Method::register_) continue;
      ++registers;
      if (!answers) continue;
      const std::string contact = std::string(request.value(sip::HeaderName::contact)) + ";expires=600";
      const sip::ExtraHeader extra[] = {{"Contact", contact}};
      socket->send(d.from, sip::make_response(request, 200, "", "r", extra));
    }
  }
  std::unique_ptr<net::Network> network;
  std::unique_ptr<net::UdpSocket> socket;
  std::optional<net::Address> seen;
  int registers = 0, pings = 0;
  bool answers_pings = true, answers = true;
};

class KeptLine : public ::testing::Test, protected AgentUser {
 protected:
  KeptLine() {
    transport.set_handler(layer);
    EXPECT_TRUE(transport.open({.locals = {{net::Transport::udp, {*net::Ip::parse("10.0.0.1"), 5060}, ""}}}));
    agent.start();
    world.loop.run_for(100ms);
  }
  void on_incoming(Call&) override {}
  void on_ended(Call&, const CallEnd&) override {}
  void on_registered(const std::string&) override { ++up; }
  void on_not_registered(const std::string&, const Trouble&, bool) override { ++down; }

  World world;
  base::Metrics metrics;
  Registrar registrar{world};
  std::unique_ptr<net::Network> network = world.net.host(*net::Ip::parse("10.0.0.1"));
  sip::TransportLayer transport{world.loop, *network, metrics};
  sip::TransactionLayer layer{world.loop, transport, world.random, metrics};
  testing::FakeSessions sessions{world.loop};
  PhoneLine line{world.loop, transport, world.random,
                 *make_account("sip:alice@sim", "", {*net::Endpoint::parse("udp:10.0.0.2:5060"), "", false})};
  Agent agent{{world.loop, world.random, metrics, transport, layer}, line, sessions, *this};
  int up = 0, down = 0;
};

TEST_F(KeptLine, IsRegisteredAgainBeforeItExpires) {
  EXPECT_EQ(registrar.registers, 1);
  EXPECT_EQ(up, 1);
  world.loop.run_for(539s);
  EXPECT_EQ(registrar.registers, 1);
  world.loop.run_for(2s);
  EXPECT_EQ(registrar.registers, 2);
  EXPECT_GE(registrar.pings, 35);
}

// RFC 5626 4.4.2: a NAT has forgotten us, and sends us from another port now.
TEST_F(KeptLine, IsRegisteredAgainWhenTheServerSeesUsElsewhere) {
  world.loop.run_for(20s);
  registrar.seen = *net::Address::parse("192.0.2.9:4000");
  world.loop.run_for(limits::kKeepAliveUdp + 100ms);
  EXPECT_EQ(registrar.registers, 2);
  world.loop.run_for(100s);
  EXPECT_EQ(registrar.registers, 2);
}

// Somebody else's Binding response changes nothing.
TEST_F(KeptLine, DoesNotBelieveAForgedKeepAlive) {
  auto other = world.net.host(*net::Ip::parse("10.0.0.9"));
  struct : net::UdpHandler {
    void on_datagrams(std::span<net::Datagram>) override {}
  } nobody;
  auto socket = std::move(*other->open_udp({*net::Ip::parse("10.0.0.9"), 5060}, nobody));
  char room[64];
  stun::Writer out(room, stun::Class::success, stun::Method::binding, "012345678901");
  out.xor_address(stun::Attribute::xor_mapped_address, *net::Address::parse("192.0.2.9:4000"));
  socket->send({*net::Ip::parse("10.0.0.1"), 5060}, base::Buffer::copy_of(out.view()));
  world.loop.run_for(100s);
  EXPECT_EQ(registrar.registers, 1);
}

TEST_F(KeptLine, NoticesThatItsServerIsGone) {
  registrar.answers = registrar.answers_pings = false;
  world.loop.run_for(3 * limits::kKeepAliveUdp + 33s);
  EXPECT_GE(down, 1);
  registrar.answers = registrar.answers_pings = true;
  world.loop.run_for(31s);
  EXPECT_GE(up, 2);
}

// A server that knows flows (RFC 5626) and has fallen silent in the middle of a connection.
class SilentServer final : public net::StreamHandler {
 public:
  explicit SilentServer(World& world) : network(world.net.host(*net::Ip::parse("10.0.0.2"))) {
    listener = std::move(*network->listen({*net::Ip::parse("10.0.0.2"), 5060}, nullptr,
                                          [this](std::unique_ptr<net::Stream> stream) {
                                            ++connections;
                                            stream->set_handler(*this);
                                            streams.push_back(std::move(stream));
                                          }));
  }
  void on_bytes(std::span<const char> bytes) override {
    sip::Message request;
    if (!request.parse({bytes.data(), bytes.size()})) return;
    const std::string contact = std::string(request.value(sip::HeaderName::contact)) + ";expires=600";
    const sip::ExtraHeader extra[] = {{"Contact", contact}, {"Require", "outbound"}};
    streams.back()->send(sip::make_response(request, 200, "", "r", extra));
  }
  void on_closed(const net::StreamClosed&) override {}
  std::unique_ptr<net::Network> network;
  std::unique_ptr<net::Listener> listener;
  std::vector<std::unique_ptr<net::Stream>> streams;
  int connections = 0;
};

TEST(PhoneLineOverTcp, LeavesAConnectionThatDoesNotAnswer) {
  World world;
  SilentServer server(world);
  Side alice(world, "alice", "10.0.0.1", "10.0.0.2", net::Transport::tcp, true);
  world.loop.run_for(1s);
  EXPECT_EQ(server.connections, 1);
  world.loop.run_for(limits::kKeepAliveStream + limits::kKeepAliveAnswer);
  EXPECT_EQ(server.connections, 2);
}

}  // namespace
}  // namespace causeway::ua
