#include "sip/transport.h"

#include <gtest/gtest.h>

#include "base/sim_loop.h"
#include "net/sim_network.h"

namespace causeway::sip {
namespace {

using net::Address;
using net::Ip;

class Transport : public ::testing::Test, public TransportHandler, public net::UdpHandler {
 protected:
  Transport()
      : world(loop, random),
        network(world.host(*Ip::parse("192.0.2.1"))),
        transport(loop, *network, metrics) {
    world.set_delay(base::Duration(0), base::Duration(0));
    transport.set_handler(*this);
  }
  void on_message(const Message& message, const Via&, const Flow& from) override {
    flow = from;
    ++messages;
    bytes = message.bytes();
  }
  void on_flow_closed(const Flow&, std::string_view why) override { closed.emplace_back(why); }
  void on_datagrams(std::span<net::Datagram> batch) override {
    for (auto& datagram : batch) answers.emplace_back(datagram.bytes.begin(), datagram.bytes.end());
  }

  static TransportConfig::Local local(net::Transport kind, const char* address, const char* advertised = "") {
    return {kind, *Address::parse(address), advertised};
  }
  std::string sent_by(net::Transport kind, const char* to) {
    const auto found = transport.flow_to({{kind, *Address::parse(to)}, "", false});
    return found ? std::string(transport.sent_by(*found)) : "none";
  }

  base::SimLoop loop;
  base::Random random{1};
  base::Metrics metrics;
  net::SimNetwork world;
  std::unique_ptr<net::Network> network;
  TransportLayer transport;
  std::optional<Flow> flow;
  int messages = 0;
  std::string bytes;
  std::vector<std::string> closed;
  std::vector<std::string> answers;
};

TEST_F(Transport, SentByIsTheSocketsAddress) {
  ASSERT_TRUE(transport.open({.locals = {local(net::Transport::udp, "192.0.2.1:5070")}}));
  EXPECT_EQ(sent_by(net::Transport::udp, "10.0.0.1:5060"), "192.0.2.1:5070");
  EXPECT_EQ(sent_by(net::Transport::udp, "[2001:db8::1]:5060"), "none");
  EXPECT_EQ(sent_by(net::Transport::tls, "10.0.0.1:5061"), "none");  // no certificates
  EXPECT_TRUE(transport.is_local("192.0.2.1", 5070));
  EXPECT_FALSE(transport.is_local("192.0.2.1", 5060));
  EXPECT_FALSE(transport.is_local("192.0.2.1", 0));
  EXPECT_FALSE(transport.is_local("192.0.2.10", 5070));
  EXPECT_FALSE(transport.is_local("example.org", 5070));
  ASSERT_EQ(transport.locals().size(), 1u);
  EXPECT_EQ(transport.locals()[0].text(), "udp:192.0.2.1:5070");
}

// RFC 3263 5: the client has gone, and so has its address; its sent-by names a host that has moved.
TEST_F(Transport, AResponseFindsTheHostOfItsSentBy) {
  ASSERT_TRUE(transport.open({.locals = {local(net::Transport::tcp, "192.0.2.1:5060")}}));
  struct Client final : net::StreamHandler {
    void on_bytes(std::span<const char> b) override { received.append(b.data(), b.size()); }
    void on_closed(const net::StreamClosed&) override {}
    std::string received;
  } client, moved;
  auto old_host = world.host(*Ip::parse("192.0.2.50"));
  auto stream = old_host->connect(*Address::parse("192.0.2.1:5060"), {}, client);
  stream->send(base::Buffer::copy_of(
      "OPTIONS sip:example.org SIP/2.0\r\nVia: SIP/2.0/TCP client.example:5070;branch=z9hG4bK1\r\nFrom: "
      "<sip:a@b>;tag=1\r\n"
      "To: <sip:example.org>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"));
  loop.run_for(base::Duration(10));
  ASSERT_TRUE(flow);
  stream.reset();
  loop.run_for(base::Duration(10));

  auto nobody = world.host(*Ip::parse("192.0.2.51"));
  auto new_host = world.host(*Ip::parse("192.0.2.52"));
  std::unique_ptr<net::Stream> arrived;
  auto listener = *new_host->listen(*Address::parse("192.0.2.52:5070"), nullptr, [&](auto s) {
    arrived = std::move(s);
    arrived->set_handler(moved);
  });
  std::string asked;
  transport.set_response_locator(
      [&](const std::string& host, std::uint16_t port, net::Transport, auto found) {
        asked = fmt::format("{}:{}", host, port);
        found({{{net::Transport::tcp, *Address::parse("192.0.2.51:5070")}, host, false},
               {{net::Transport::tcp, *Address::parse("192.0.2.52:5070")}, host, false}});
      });
  auto via = parse_via("SIP/2.0/TCP client.example:5070;branch=z9hG4bK1");
  ASSERT_TRUE(via);
  auto back = transport.response_flow(*flow, *via);
  ASSERT_TRUE(back);
  transport.send(*back, base::Buffer::copy_of("SIP/2.0 200 OK\r\n\r\n"));
  loop.run_for(base::Duration(10000));
  EXPECT_EQ(asked, "client.example:5070");
  EXPECT_EQ(moved.received, "SIP/2.0 200 OK\r\n\r\n");
}

TEST_F(Transport, WildcardIsNamedByTheRoute) {
  ASSERT_TRUE(transport.open({.locals = {local(net::Transport::udp, "0.0.0.0:5060")}}));
  EXPECT_EQ(sent_by(net::Transport::udp, "10.0.0.1:5060"), "192.0.2.1:5060");
  EXPECT_TRUE(transport.is_local("192.0.2.1", 5060));
  EXPECT_TRUE(transport.is_local("192.0.2.1", 0));
  EXPECT_TRUE(transport.is_local("127.0.0.1", 5060));
  EXPECT_FALSE(transport.is_local("10.0.0.1", 5060));
  EXPECT_FALSE(transport.is_local("0.0.0.0", 5060));
}

TEST_F(Transport, AdvertisedNameStandsInVias) {
  ASSERT_TRUE(transport.open({.locals = {local(net::Transport::udp, "192.0.2.1:5060", "SIP.example.net:5080"),
                                         local(net::Transport::tcp, "192.0.2.1:5060", "sip.example.net")}}));
  EXPECT_EQ(sent_by(net::Transport::udp, "10.0.0.1:5060"), "SIP.example.net:5080");
  EXPECT_EQ(sent_by(net::Transport::tcp, "10.0.0.1:5060"), "sip.example.net");
  EXPECT_TRUE(transport.is_local("sip.example.net", 5080));
  EXPECT_TRUE(transport.is_local("sip.example.net", 0));
  EXPECT_TRUE(transport.is_local("sip.example.net", 5060));
  EXPECT_TRUE(transport.is_local("192.0.2.1", 5060));
  EXPECT_FALSE(transport.is_local("sip.example.net", 5081));
}

TEST_F(Transport, BadAdvertisedNamesAreRefused) {
  for (const char* name : {"host:", "host:0", "host:65536", "host:5060x"}) {
    TransportLayer other(loop, *network, metrics);
    const auto opened = other.open({.locals = {local(net::Transport::udp, "192.0.2.1:5060", name)}});
    ASSERT_FALSE(opened) << name;
    EXPECT_NE(opened.error().message.find(name), std::string::npos);
  }
}

TEST_F(Transport, CertificatesThatAreMissingAreNamed) {
  const auto tls = transport.open({.locals = {local(net::Transport::tls, "192.0.2.1:5061")}});
  ASSERT_FALSE(tls);
  EXPECT_EQ(tls.error().message, "tls 192.0.2.1:5061: a certificate and key are needed to listen there");
  TransportLayer other(loop, *network, metrics);
  EXPECT_FALSE(other.open({.member_locals = {*Address::parse("192.0.2.1:7000")}}));
}

TEST_F(Transport, StreamWithoutAListenerStillHasAName) {
  ASSERT_TRUE(transport.open({.locals = {local(net::Transport::udp, "0.0.0.0:5066")}}));
  EXPECT_EQ(sent_by(net::Transport::tcp, "10.0.0.1:5060"), "192.0.2.1:5066");
  EXPECT_TRUE(transport.is_local("192.0.2.1", 5066));
}

TEST_F(Transport, ConnectionsAreReusedByTransportAddressAndName) {
  auto peer = world.host(*Ip::parse("10.0.0.1"));
  auto listener = peer->listen(*Address::parse("10.0.0.1:5060"), nullptr, [](auto) {});
  const Target target{{net::Transport::tcp, *Address::parse("10.0.0.1:5060")}, "", false};
  const auto one = transport.flow_to(target);
  const auto two = transport.flow_to(target);
  Target named = target;
  named.tls_name = "example.org";
  const auto three = transport.flow_to(named);
  ASSERT_TRUE(one && two && three);
  EXPECT_EQ(*one, *two);
  EXPECT_NE(one->connection, three->connection);
  EXPECT_TRUE(transport.alive(*one));
  EXPECT_EQ(transport.connections(), 2u);
  named.tls_name = std::string(254, 'x');
  EXPECT_FALSE(transport.flow_to(named));
}

TEST_F(Transport, FailedConnectionIsToldOnceAndLater) {
  const auto dead = transport.flow_to({{net::Transport::tcp, *Address::parse("10.0.0.1:5060")}, "", false});
  ASSERT_TRUE(dead);
  transport.send(*dead, base::Buffer::copy_of("waits"));
  EXPECT_TRUE(closed.empty());
  loop.run_for(base::Duration(60'000));
  EXPECT_EQ(closed.size(), 1u);
  EXPECT_FALSE(transport.alive(*dead));
  transport.send(*dead, base::Buffer::copy_of("into the void"));
  EXPECT_EQ(metrics.value("sip_dropped_total{reason=\"no way back\"}"), 1u);
}

TEST_F(Transport, FlowsOfTheWrongKindAreDead) {
  ASSERT_TRUE(transport.open({.locals = {local(net::Transport::udp, "192.0.2.1:5060")}}));
  Flow udp;
  EXPECT_TRUE(transport.alive(udp));
  udp.socket = 7;
  EXPECT_FALSE(transport.alive(udp));
  EXPECT_EQ(transport.sent_by(udp), "");
  Flow stream{net::Transport::tcp, false, 0, {}, 99};
  EXPECT_FALSE(transport.alive(stream));
  EXPECT_EQ(transport.member_name(stream), "");
  EXPECT_FALSE(transport.member_flow("nobody.peers.sim"));
}

TEST_F(Transport, StunHookTakesOver) {
  ASSERT_TRUE(transport.open({.locals = {local(net::Transport::udp, "192.0.2.1:5060")}}));
  transport.set_stun_hook(
      [](std::span<const char>, const Address&) { return base::Buffer::copy_of("hooked"); });
  auto peer = world.host(*Ip::parse("10.0.0.1"));
  auto socket = peer->open_udp(*Address::parse("10.0.0.1:9"), *this);
  ASSERT_TRUE(socket);
  const std::string request(
      "\x01\x13\0\0\x21\x12\xa4\x42"
      "abcdefghijkl",
      20);
  (*socket)->send(*Address::parse("192.0.2.1:5060"), base::Buffer::copy_of(request));
  loop.run_for(base::Duration(5));
  EXPECT_EQ(answers, std::vector<std::string>{"hooked"});
}

// A bare request over IPv6 (20 bytes, 44 in answer) is for who has proved that he is there.
TEST_F(Transport, StunIsNoAmplifier) {
  const auto six = world.host(*Ip::parse("2001:db8::1"));
  TransportLayer layer(loop, *six, metrics);
  ASSERT_TRUE(
      layer.open({.locals = {local(net::Transport::udp, "[2001:db8::1]:5060")}, .strangers = {.rate = 10}}));
  ASSERT_TRUE(
      transport.open({.locals = {local(net::Transport::udp, "192.0.2.1:5060")}, .strangers = {.rate = 10}}));
  auto old_host = world.host(*Ip::parse("10.0.0.1")), new_host = world.host(*Ip::parse("2001:db8::2"));
  auto old_phone = old_host->open_udp(*Address::parse("10.0.0.1:9"), *this);
  auto new_phone = new_host->open_udp(*Address::parse("[2001:db8::2]:9"), *this);
  const std::string bare(
      "\0\1\0\0\x21\x12\xa4\x42"
      "abcdefghijkl",
      20);
  std::string longer = bare + std::string("\x80\x22\0\4abcd", 8);
  longer[3] = 8;
  const auto answered = [&](net::UdpSocket& from, const char* to, const std::string& request, int times) {
    answers.clear();
    for (int i = 0; i < times; ++i) from.send(*Address::parse(to), base::Buffer::copy_of(request));
    loop.run_for(base::Duration(5));
    for (const auto& answer : answers)
      EXPECT_TRUE(answer.size() <= 2 * request.size() ||
                  layer.sources().is_proven(*Ip::parse("2001:db8::2")));
    return answers.size();
  };
  EXPECT_EQ(answered(**old_phone, "192.0.2.1:5060", bare, 100), 40u);
  EXPECT_EQ(answered(**new_phone, "[2001:db8::1]:5060", bare, 1), 0u);
  EXPECT_EQ(metrics.value("sip_stranger_unanswered_total{reason=\"length\"}"), 1u);
  EXPECT_EQ(answered(**new_phone, "[2001:db8::1]:5060", longer, 1), 1u);
  layer.sources().arrived(*Ip::parse("2001:db8::2"));
  EXPECT_EQ(answered(**new_phone, "[2001:db8::1]:5060", bare, 1), 1u);
}
}  // namespace
}  // namespace causeway::sip
