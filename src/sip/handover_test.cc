// Two workers of one peer, side by side on one simulated loop. Each has an address of its own here, where the
// kernel would give them the same.
#include "sip/handover.h"

#include <gtest/gtest.h>

#include "base/sim_loop.h"
#include "net/sim_network.h"
#include "sip/branch.h"
#include "sip/transport.h"

namespace causeway::sip {
namespace {

using namespace std::chrono_literals;
using net::Address;
using net::Ip;

TEST(Parcels, KeepTheirOrderAndBytesWhenTheyArePutTogether) {
  Flow flow;
  flow.connection = 7;
  Parcels first, second;
  first.add({Parcel::What::send, 1, flow, "one"});
  second.add({Parcel::What::closed, 2, flow, ""});
  second.add({Parcel::What::received, 3, flow, "three"});
  first.append(second);
  std::string all;
  first.for_each([&](const Parcel& p) {
    all += fmt::format("{}:{}:{} ", static_cast<int>(p.what), p.from, p.bytes);
    EXPECT_EQ(p.flow, flow);
  });
  EXPECT_EQ(all, "1:1:one 2:2: 0:3:three ");
  EXPECT_GT(first.bytes(), 8u);
  first.clear();
  EXPECT_TRUE(first.empty());
}

struct Worker final : TransportHandler {
  Worker(base::SimLoop& loop, net::SimNetwork& world, WorkerGroup& group, unsigned number)
      : network(world.host(*Ip::parse(fmt::format("192.0.2.{}", number + 1)))),
        transport(loop, *network, metrics, &group, number) {
    const Address at{*Ip::parse(fmt::format("192.0.2.{}", number + 1)), 5060};
    EXPECT_TRUE(transport.open({.locals = {{net::Transport::udp, at, "sip.example.net"},
                                           {net::Transport::tcp, at, "sip.example.net"}}}));
    transport.set_handler(*this);
  }
  void on_message(const Message& message, const Via&, const Flow& from) override {
    messages.emplace_back(message.bytes());
    flow = from;
  }
  void on_flow_closed(const Flow& which, std::string_view) override { closed.push_back(which); }
  void on_unreachable(const Address& to) override { unreachable.push_back(to.text()); }

  base::Metrics metrics;
  std::unique_ptr<net::Network> network;
  TransportLayer transport;
  std::vector<std::string> messages;
  Flow flow;
  std::vector<Flow> closed;
  std::vector<std::string> unreachable;
};

class HandoverTest : public ::testing::Test, public net::UdpHandler, public net::StreamHandler {
 protected:
  HandoverTest() {
    world.set_delay(0ms, 0ms);
    socket = std::move(*host->open_udp(*Address::parse("192.0.2.9:5060"), *this));
  }
  void on_datagrams(std::span<net::Datagram> batch) override {
    for (auto& d : batch) got.assign(d.bytes.data(), d.bytes.size());
  }
  void on_bytes(std::span<const char> bytes) override { got.append(bytes.data(), bytes.size()); }
  void on_closed(const net::StreamClosed&) override {}

  void tell(int worker, const std::string& text) {
    socket->send(*Address::parse(fmt::format("192.0.2.{}:5060", worker + 1)), base::Buffer::copy_of(text));
    loop.run_for(10ms);
  }
  // A phone connects to the second worker, and says something.
  Flow stream_at_second() {
    stream = host->connect(*Address::parse("192.0.2.2:5060"), {}, *this);
    stream->send(base::Buffer::copy_of(request("INVITE", "sip:bob@example.net")));
    loop.run_for(10ms);
    EXPECT_EQ(second.messages.size(), 1u);
    return second.flow;
  }
  static std::string response(unsigned worker, std::string_view host_name = "sip.example.net") {
    const auto branch = write_branch({worker, 1, 0x123456789abcdef0, 5});
    return fmt::format(
        "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP {};rport;branch={}\r\nFrom: <sip:a@b>;tag=1\r\nTo: "
        "<sip:c@d>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
        host_name, branch.view());
  }
  static std::string request(std::string_view method, std::string_view to) {
    return fmt::format(
        "{} sip:example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bK1\r\nFrom: "
        "<sip:a@b>;tag=1\r\nTo: <{}>\r\nCall-ID: 1\r\nCSeq: 1 {}\r\nContent-Length: 0\r\n\r\n",
        method, to, method);
  }

  base::SimLoop loop;
  base::Random random{1};
  net::SimNetwork world{loop, random};
  WorkerGroup group{2};
  Worker first{loop, world, group, 0}, second{loop, world, group, 1};
  std::unique_ptr<net::Network> host = world.host(*Ip::parse("192.0.2.9"));
  std::unique_ptr<net::UdpSocket> socket;
  std::unique_ptr<net::Stream> stream;
  std::string got;
};

TEST_F(HandoverTest, AResponseGoesToTheWorkerThatItsBranchNames) {
  tell(1, response(0));
  ASSERT_EQ(first.messages.size(), 1u);
  EXPECT_EQ(first.messages[0], response(0));
  EXPECT_EQ(first.flow.remote.text(), "192.0.2.9:5060");
  EXPECT_TRUE(second.messages.empty());
  EXPECT_EQ(second.metrics.value("worker_handed_over_total{what=\"response\"}"), 1u);
  tell(1, response(1));
  EXPECT_EQ(second.messages.size(), 1u);
}

TEST_F(HandoverTest, ABranchOfNobodysStaysWhereItCame) {
  tell(0, response(2));
  tell(0, response(0xffffffff));
  EXPECT_EQ(first.messages.size(), 2u);
  EXPECT_EQ(first.metrics.value("worker_batches_total"), 0u);
}

// RFC 3261 18.1.2, at the worker that it is for.
TEST_F(HandoverTest, AForeignSentByIsRefusedAtTheEnd) {
  tell(1, response(0, "elsewhere.example"));
  EXPECT_TRUE(first.messages.empty());
  EXPECT_EQ(first.metrics.value("sip_dropped_total{reason=\"response not ours\"}"), 1u);
}

TEST_F(HandoverTest, ARequestIsHandedOverAsItCameAndCompletedOnce) {
  second.transport.set_request_owner(
      [](const Message& m) { return m.method() == Method::register_ ? 0u : 1u; });
  first.transport.set_request_owner(
      [](const Message&) { return 1u; });  // of another mind: it is not sent back
  tell(1, request("REGISTER", "sip:alice@example.net"));
  ASSERT_EQ(first.messages.size(), 1u);
  EXPECT_NE(first.messages[0].find("received=192.0.2.9"), std::string::npos);
  EXPECT_EQ(first.messages[0].find("received"), first.messages[0].rfind("received"));
  EXPECT_TRUE(second.messages.empty());
  tell(1, request("OPTIONS", "sip:alice@example.net"));
  EXPECT_EQ(second.messages.size(), 1u);
}

TEST_F(HandoverTest, WhatIsForAStreamOfAnotherWorkerGoesDownThatStream) {
  const Flow flow = stream_at_second();
  EXPECT_EQ(worker_of(flow), 1u);
  EXPECT_TRUE(first.transport.alive(flow));
  first.transport.send(flow, base::Buffer::copy_of("SIP/2.0 100 Trying\r\n\r\n"));
  loop.run_for(10ms);
  EXPECT_EQ(got, "SIP/2.0 100 Trying\r\n\r\n");
  EXPECT_EQ(first.metrics.value("worker_handed_over_total{what=\"send\"}"), 1u);
  EXPECT_EQ(second.metrics.value("sip_messages_sent_total"), 1u);
}

TEST_F(HandoverTest, AStreamThatEndsIsToldToWhoHasSentOnIt) {
  const Flow flow = stream_at_second();
  first.transport.send(flow, base::Buffer::copy_of("SIP/2.0 100 Trying\r\n\r\n"));
  loop.run_for(10ms);
  stream.reset();
  loop.run_for(10ms);
  ASSERT_EQ(first.closed.size(), 1u);
  EXPECT_EQ(first.closed[0], flow);
  EXPECT_FALSE(first.transport.alive(flow));
}

TEST_F(HandoverTest, AStreamThatHasEndedMeanwhileIsToldWhenSomethingIsSent) {
  const Flow flow = stream_at_second();
  stream.reset();
  loop.run_for(10ms);
  EXPECT_TRUE(first.closed.empty()) << "it has had no part in it";
  first.transport.send(flow, base::Buffer::copy_of("x"));  // as if it had asked before
  loop.run_for(10ms);
  ASSERT_EQ(first.closed.size(), 1u);
  EXPECT_EQ(second.metrics.value("sip_dropped_total{reason=\"no way back\"}"), 1u);
}

TEST_F(HandoverTest, UnreachableIsToldToAll) {
  const auto flow =
      second.transport.flow_to({{net::Transport::udp, *Address::parse("192.0.2.9:9")}, "", false});
  ASSERT_TRUE(flow);
  second.transport.send(*flow, base::Buffer::copy_of("x"));
  loop.run_for(10ms);
  EXPECT_EQ(first.unreachable, std::vector<std::string>{"192.0.2.9:9"});
  EXPECT_EQ(second.unreachable, std::vector<std::string>{"192.0.2.9:9"});
}

}  // namespace
}  // namespace causeway::sip
