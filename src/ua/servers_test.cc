// A phone's line without an outbound proxy: its domain's servers by DNS, the next one when one fails, and
// requests within a dialogue on their own ways (RFC 3263, RFC 3261 12.2.1.1).
#include "ua/servers.h"

#include <gtest/gtest.h>

#include "base/sim_loop.h"
#include "dns/table_for_test.h"
#include "net/sim_network.h"
#include "sip/rewrite.h"
#include "ua/agent.h"
#include "ua/limits.h"
#include "ua/phone_line.h"
#include "ua/session_for_test.h"

namespace causeway::ua {
namespace {

using namespace std::chrono_literals;

net::Address at(const char* ip, std::uint16_t port = 5060) { return {*net::Ip::parse(ip), port}; }

// Answers every request over UDP with a status (0: not at all), an INVITE's 200 with what a test says.
class Server final : public net::UdpHandler {
 public:
  Server(net::SimNetwork& world, const char* ip) : network(world.host(*net::Ip::parse(ip))) {
    socket = std::move(*network->open_udp(at(ip), *this));
  }
  void on_datagrams(std::span<net::Datagram> batch) override {
    for (auto& d : batch) {
      sip::Message request;
      if (!request.parse({d.bytes.data(), d.bytes.size()}) || request.status() != 0) continue;
      got.emplace_back(request.method_text());
      from = request.value(sip::HeaderName::from);
      if (request.method() == sip::Method::ack) acked.push_back(request.cseq()->number);
      if (request.method() == sip::Method::invite) invite = {std::string(request.bytes()), d.from};
      if (status != 0 && request.method() != sip::Method::ack) answer(request, d.from, status);
    }
  }
  void answer_invite(int how) {
    sip::Message request;
    ASSERT_TRUE(request.parse(invite.first));
    answer(request, invite.second, how);
  }
  void answer(const sip::Message& request, const net::Address& to, int how) {
    const std::string bound = std::string(request.value(sip::HeaderName::contact)) + ";expires=600";
    std::vector<sip::ExtraHeader> extra;
    const bool is_invite = request.method() == sip::Method::invite;
    if (is_invite && !record_route.empty()) extra.push_back({"Record-Route", record_route});
    extra.push_back({"Contact", is_invite ? contact : bound});
    const bool describes = is_invite && how == 200;
    socket->send(to, sip::make_response(request, how, "", tag, extra, describes ? "s=answer" : ""));
  }
  long count(const char* method) const { return std::ranges::count(got, method); }

  std::unique_ptr<net::Network> network;
  std::unique_ptr<net::UdpSocket> socket;
  std::vector<std::string> got;
  std::vector<std::uint32_t> acked;             // CSeq
  std::string from;                             // of the last request
  std::pair<std::string, net::Address> invite;  // the last one
  int status = 200;
  std::string tag = "s";
  std::string contact = "<sip:bob@10.0.0.9>", record_route;
};

class LineByDns : public ::testing::Test, public AgentUser {
 protected:
  LineByDns() {
    transport.set_handler(layer);
    EXPECT_TRUE(transport.open({.locals = {{net::Transport::udp, at("10.0.0.1"), ""}}}));
    table.srvs.emplace("_sip._udp.sim", dns::Srv{10, 0, 5060, "one.sim"});
    table.srvs.emplace("_sip._udp.sim", dns::Srv{20, 0, 5060, "two.sim"});
    table.hosts.emplace("one.sim", "10.0.0.2");
    table.hosts.emplace("two.sim", "10.0.0.3");
    table.hosts.emplace("edge.example", "10.0.0.8");
  }
  void start(bool registers = true) {
    auto account = *make_account("sip:alice@sim", "");
    account.registers = registers;
    line.emplace(loop, transport, random, account, &locator);
    agent.emplace(Agent::Parts{loop, random, metrics, transport, layer}, *line, sessions, *this);
    agent->start();
  }
  bool comes_up() {
    return loop.run_until([&] { return up > 0; }, 60s);
  }
  bool call() {
    EXPECT_TRUE(agent->call("bob"));
    return loop.run_until([&] { return established != nullptr; }, 20s);
  }
  // A call, from the INVITE to the BYE, whose 200 has this Record-Route.
  void call_by(const char* record_route) {
    one.record_route = record_route;
    start(false);
    ASSERT_TRUE(comes_up());
    ASSERT_TRUE(call());
    established->hang_up();
    loop.run_for(1s);
  }
  void on_incoming(Call&) override {}
  void on_established(Call& made) override { established = &made; }
  void on_ended(Call&, const CallEnd& end) override { how = end; }
  void on_registered(const std::string&) override { ++up; }
  void on_not_registered(const std::string&, const Trouble& why, bool) override { trouble = why; }

  base::SimLoop loop;
  base::Random random{3};
  net::SimNetwork world{loop, random};
  base::Metrics metrics;
  dns::testing::Table table;
  dns::Locator locator{table, random, {.tcp = false, .tls = false, .ipv6 = false}, metrics};
  Server one{world, "10.0.0.2"}, two{world, "10.0.0.3"}, edge{world, "10.0.0.8"}, phone{world, "10.0.0.9"};
  std::unique_ptr<net::Network> network = world.host(*net::Ip::parse("10.0.0.1"));
  sip::TransportLayer transport{loop, *network, metrics};
  sip::TransactionLayer layer{loop, transport, random, metrics};
  testing::FakeSessions sessions{loop};
  std::optional<PhoneLine> line;
  std::optional<Agent> agent;
  int up = 0;
  Call* established = nullptr;
  CallEnd how;
  Trouble trouble;
};

TEST_F(LineByDns, RegistersAtTheFirstServer) {
  start();
  ASSERT_TRUE(comes_up());
  EXPECT_EQ(one.count("REGISTER"), 1);
  EXPECT_EQ(two.got.size(), 0u);
}

// limits::kServerPatience
TEST_F(LineByDns, GoesToTheNextServerWhenOneIsSilent) {
  one.status = 0;
  start();
  ASSERT_TRUE(loop.run_until([&] { return up > 0; }, limits::kServerPatience + 1s));
  EXPECT_EQ(two.count("REGISTER"), 1);
  EXPECT_EQ(metrics.value("ua_failovers_total"), 1u);
  loop.run_for(32s);  // what has been sent there goes on being repeated (17.1.2)
  const long asked = one.count("REGISTER");
  loop.run_for(120s);
  EXPECT_EQ(one.count("REGISTER"), asked);
}

TEST_F(LineByDns, GoesToTheNextServerAtOnceAfterA503) {
  one.status = 503;
  start();
  ASSERT_TRUE(loop.run_until([&] { return up > 0; }, 1s));
  EXPECT_EQ(one.count("REGISTER"), 1);
  EXPECT_EQ(two.count("REGISTER"), 1);
}

TEST_F(LineByDns, GivesUpWhenAllAreOverloadedAndComesBack) {
  one.status = two.status = 503;
  start();
  loop.run_for(3s);
  EXPECT_EQ(up, 0);
  EXPECT_EQ(trouble.came, "503 Service Unavailable");
  two.status = 200;
  EXPECT_TRUE(comes_up());
}

TEST_F(LineByDns, CallsThroughTheNextServerAndRegistersThere) {
  start();
  ASSERT_TRUE(comes_up());
  one.status = 0;
  ASSERT_TRUE(call());
  EXPECT_EQ(two.count("INVITE"), 1);
  loop.run_for(1s);
  EXPECT_EQ(two.count("REGISTER"), 1);
}

TEST_F(LineByDns, SaysThatTheDomainIsNotFoundAndGoesOn) {
  table.srvs.clear();
  start();
  loop.run_for(500ms);
  EXPECT_EQ(trouble.expected, "a server of sim in the DNS");
  table.hosts.emplace("sim", "10.0.0.2");
  EXPECT_TRUE(comes_up());
}

// A server that the DNS does not name any more is left as soon as it is asked again.
TEST_F(LineByDns, AsksTheDnsAgainAfterTheLastServer) {
  start();
  ASSERT_TRUE(comes_up());
  table.hosts.clear();
  table.hosts.emplace("two.sim", "10.0.0.8");
  one.status = two.status = 0;
  ASSERT_TRUE(call());
  EXPECT_EQ(edge.count("INVITE"), 1);
}

// The only server has another address now.
TEST_F(LineByDns, AsksTheDnsAgainAfterTheOnlyServer) {
  table.srvs.clear();
  table.hosts.emplace("sim", "10.0.0.2");
  start();
  ASSERT_TRUE(comes_up());
  table.hosts.erase("sim");
  table.hosts.emplace("sim", "10.0.0.8");
  one.status = 0;
  EXPECT_TRUE(loop.run_until([&] { return edge.count("REGISTER") > 0; }, limits::kRegisterExpires + 33s));
  EXPECT_TRUE(loop.run_until([&] { return agent->registered(); }, 1s));
}

// However often the only server fails while the DNS is silent.
TEST_F(LineByDns, AsksTheDnsOneQuestionAtATime) {
  struct Slow final : dns::Resolver {
    explicit Slow(dns::Resolver& of) : zone(of) {}
    void naptr(const std::string& name, dns::OnRecords<dns::Naptr> done) override {
      ++asked;
      answer = [this, name, done = std::move(done)] { zone.naptr(name, done); };
    }
    void srv(const std::string& name, dns::OnRecords<dns::Srv> done) override { zone.srv(name, done); }
    void addresses(const std::string& name, bool v4, bool v6, dns::OnRecords<net::Ip> done) override {
      zone.addresses(name, v4, v6, done);
    }
    dns::Resolver& zone;
    int asked = 0;
    std::function<void()> answer;
  } slow(table);
  dns::Locator slowly(slow, random, {.tcp = false, .tls = false, .ipv6 = false}, metrics);
  int moved = 0;
  Servers servers(&slowly, "edge.example", std::nullopt, [&] { ++moved; });
  servers.find([](const base::Status&) {});
  slow.answer();
  ASSERT_TRUE(servers.current());
  const net::Endpoint place = servers.current()->endpoint;
  for (int i = 0; i < 3; ++i) servers.failed(place);
  EXPECT_EQ(slow.asked, 2);
  slow.answer();  // the same as before
  EXPECT_EQ(moved, 0);
  table.hosts.erase("edge.example");
  table.hosts.emplace("edge.example", "10.0.0.2");
  servers.failed(place);
  slow.answer();
  EXPECT_EQ(moved, 1);
  EXPECT_EQ(servers.current()->endpoint.address, at("10.0.0.2"));
}

TEST_F(LineByDns, FollowsTheContactWithinADialogue) {
  start(false);
  ASSERT_TRUE(comes_up());
  ASSERT_TRUE(call());
  loop.run_for(1s);
  EXPECT_EQ(phone.got, std::vector<std::string>{"ACK"});
  established->hang_up();
  loop.run_for(1s);
  EXPECT_EQ(phone.count("BYE"), 1);
  EXPECT_EQ(one.got, std::vector<std::string>{"INVITE"});
}

TEST_F(LineByDns, FollowsTheRouteSetWithinADialogue) {
  call_by("<sip:edge.example;lr>");
  EXPECT_EQ(edge.got, (std::vector<std::string>{"ACK", "BYE"}));
  EXPECT_EQ(phone.got.size(), 0u);
}

// The domain itself in the route set: any of its servers will do, and that is the one that we have.
TEST_F(LineByDns, StaysOnItsFlowWhereTheRouteIsTheDomain) {
  call_by("<sip:token@sim;lr>");
  EXPECT_EQ(one.got, (std::vector<std::string>{"INVITE", "ACK", "BYE"}));
}

// Who is on the way and cannot be found: the line's own server may know him.
TEST_F(LineByDns, AsksItsServerWhereTheRouteIsNotFound) {
  call_by("<sip:nowhere.example;lr>");
  EXPECT_EQ(one.got, (std::vector<std::string>{"INVITE", "ACK", "BYE"}));
}

// ---- servers that are too slow (RFC 3261 13.2.2.4)

class SlowServer : public LineByDns {
 protected:
  // The first server is silent, so that the second one has the INVITE, too, and says this.
  void call_by_two(int second) {
    one.status = 0;
    one.tag = "slow";
    one.contact = "<sip:bob@10.0.0.8>";
    two.status = second;
    start(false);
    ASSERT_TRUE(comes_up());
    ASSERT_TRUE(agent->call("bob"));
    loop.run_for(limits::kServerPatience + 500ms);
    ASSERT_EQ(two.count("INVITE"), 1);
  }
};

TEST_F(SlowServer, HasTheCallIfItIsTheFirstToAnswer) {
  call_by_two(180);
  one.answer_invite(200);
  loop.run_for(1s);
  ASSERT_TRUE(established != nullptr);
  EXPECT_GE(two.count("CANCEL"), 1);
  loop.run_for(100s);  // and the other one never says another word
  EXPECT_EQ(edge.got, std::vector<std::string>{"ACK"});
  EXPECT_EQ(established->state(), Call::State::established);
  established->hang_up();
  loop.run_for(100s);
  EXPECT_EQ(agent->calls().size(), 0u);
}

TEST_F(SlowServer, IsToldThatItsAnswerComesTooLate) {
  call_by_two(200);
  ASSERT_TRUE(established != nullptr);
  one.answer_invite(200);
  one.answer_invite(200);
  loop.run_for(1s);
  EXPECT_EQ(edge.count("ACK"), 2);
  EXPECT_EQ(edge.count("BYE"), 1);
  EXPECT_EQ(phone.got, std::vector<std::string>{"ACK"});
  EXPECT_EQ(established->state(), Call::State::established);
}

TEST_F(SlowServer, IsToldThatTheCallerHasHungUp) {
  call_by_two(180);
  agent->calls().front()->hang_up();
  loop.run_for(100ms);
  two.answer_invite(487);
  one.answer_invite(200);  // it has crossed the CANCEL
  loop.run_for(1s);
  EXPECT_EQ(edge.got, (std::vector<std::string>{"ACK", "BYE"}));
  loop.run_for(100s);
  EXPECT_EQ(agent->calls().size(), 0u);
}

// Each of two answers to the same re-INVITE has an ACK of its own.
TEST_F(SlowServer, AgreesToAChangeTooLate) {
  table.srvs.emplace("_sip._udp.proxies.example", dns::Srv{10, 0, 5060, "one.sim"});
  table.srvs.emplace("_sip._udp.proxies.example", dns::Srv{20, 0, 5060, "two.sim"});
  one.record_route = "<sip:proxies.example;lr>";
  start(false);
  ASSERT_TRUE(comes_up());
  ASSERT_TRUE(call());
  one.status = 0;
  two.status = 180;
  established->hold();
  loop.run_for(limits::kServerPatience + 500ms);
  ASSERT_EQ(two.count("INVITE"), 1);
  one.answer_invite(200);
  loop.run_for(100ms);
  two.answer_invite(200);
  loop.run_for(100ms);
  one.answer_invite(200);
  loop.run_for(100ms);
  EXPECT_EQ(one.acked, (std::vector<std::uint32_t>{1, 2, 3, 2}));
  EXPECT_EQ(two.count("CANCEL"), 1);
}

// ---- public addresses (draft 4.2)

TEST_F(LineByDns, CallsAsAPublicAddress) {
  start();
  ASSERT_TRUE(comes_up());
  EXPECT_FALSE(agent->call("bob", "sip:al@provider.example"));
  ASSERT_TRUE(agent->register_public({"sip:al@provider.example", "", "pw"}));
  ASSERT_TRUE(loop.run_until([&] { return agent->registered("sip:al@provider.example"); }, 1s));
  ASSERT_TRUE(agent->call("bob", "sip:al@provider.example"));
  loop.run_for(100ms);
  EXPECT_EQ(one.count("INVITE"), 1);
  EXPECT_TRUE(one.from.starts_with("<sip:al@provider.example>;tag=")) << one.from;
}

TEST_F(LineByDns, RegistersItsPublicAddressWhereItHasGone) {
  start();
  ASSERT_TRUE(comes_up());
  ASSERT_TRUE(agent->register_public({"sip:al@provider.example", "", "pw"}));
  loop.run_for(1s);
  EXPECT_EQ(one.count("REGISTER"), 2);
  one.status = 0;
  ASSERT_TRUE(call());
  loop.run_for(1s);
  EXPECT_EQ(two.count("REGISTER"), 2);
  ASSERT_TRUE(agent->call("bob", "sip:al@provider.example"));
  loop.run_for(100ms);
  EXPECT_EQ(two.count("INVITE"), 2);
}

// ---- relays (RFC 5928)

class RelaysOfALine : public LineByDns {
 protected:
  RelaysOfALine() { table.hosts.emplace("turn.sim", "10.0.0.7"); }
  void udp(int priority, const char* target) {
    table.srvs.emplace("_turn._udp.sim", dns::Srv{static_cast<std::uint16_t>(priority), 0, 3478, target});
  }
  std::vector<std::string> relays(PhoneAccount account) {
    PhoneLine own(loop, transport, random, std::move(account), &all);
    std::vector<std::string> texts;
    own.relays([&](const std::vector<RelayServer>& found) {
      for (const auto& one : found)
        texts.push_back(one.endpoint.text() + " " + one.user + " " + one.password + " " + one.tls_name);
    });
    return texts;
  }
  dns::Locator all{table, random, {}, metrics};
};

TEST_F(RelaysOfALine, ComeFromTheDnsWithTheAccountsPassword) {
  udp(10, "turn.sim");
  auto alice = *make_account("sip:alice@sim", "secret");
  EXPECT_EQ(relays(alice), std::vector<std::string>{"udp:10.0.0.7:3478 alice secret sim"});
  alice.finds_relays = false;
  EXPECT_TRUE(relays(alice).empty());
  alice.finds_relays = true;
  alice.relays = {{*net::Endpoint::parse("udp:10.0.0.5:3478"), "u", "p", ""}};
  EXPECT_EQ(relays(alice), std::vector<std::string>{"udp:10.0.0.5:3478 u p "});
  EXPECT_TRUE(relays(*make_account("sip:alice@sim", "")).empty());
}

// limits::kRelaySearch: there is no DNS.
TEST_F(RelaysOfALine, AreNotWaitedForLong) {
  struct Silent final : dns::Resolver {
    void naptr(const std::string&, dns::OnRecords<dns::Naptr> done) override { asked = std::move(done); }
    void srv(const std::string&, dns::OnRecords<dns::Srv>) override {}
    void addresses(const std::string&, bool, bool, dns::OnRecords<net::Ip>) override {}
    dns::OnRecords<dns::Naptr> asked;
  } silent;
  dns::Locator slow(silent, random, {}, metrics);
  PhoneLine own(loop, transport, random, *make_account("sip:alice@sim", "secret"), &slow);
  int told = 0;
  own.relays([&](const std::vector<RelayServer>& found) { told += found.empty() ? 1 : 10; });
  EXPECT_EQ(told, 0);
  loop.run_for(limits::kRelaySearch + 10ms);
  EXPECT_EQ(told, 1);
  silent.asked(std::vector<dns::Naptr>{});  // too late
  EXPECT_EQ(told, 1);
}

TEST_F(RelaysOfALine, AreThreeAndOneOfThemOverAStream) {
  for (int i = 1; i <= 3; ++i) udp(i, "turn.sim");
  table.srvs.emplace("_turns._tcp.sim", dns::Srv{10, 0, 5349, "turn.sim"});
  const auto found = relays(*make_account("sip:alice@sim", "secret"));
  ASSERT_EQ(found.size(), limits::kMaxRelays);
  EXPECT_TRUE(found[0].starts_with("udp:") && found[1].starts_with("udp:"));
  EXPECT_EQ(found[2], "tls:10.0.0.7:5349 alice secret sim");
}

}  // namespace
}  // namespace causeway::ua
