#include "net/udp_socket.h"

#include <algorithm>
#include <thread>

#include "base/limits.h"
#include "net/loopback_for_test.h"

namespace causeway::net {
namespace {

using namespace std::chrono_literals;
using test::at;
using test::bytes;

class Receiver final : public UdpHandler {
 public:
  void on_datagrams(std::span<Datagram> batch) override {
    ++calls;
    for (const Datagram& d : batch) {
      got.emplace_back(d.bytes.data(), d.bytes.size());
      from = d.from;
      std::ranges::fill(d.bytes, '#');  // allowed
    }
    if (when_called) when_called();
  }
  void on_unreachable(const Address& to) override {
    unreachable.push_back(to);
    if (when_called) when_called();
  }
  std::function<void()> when_called;
  int calls = 0;
  Address from;
  std::vector<std::string> got;
  std::vector<Address> unreachable;
};

class Udp : public test::Loopback {
 protected:
  std::unique_ptr<UdpSocket> open(std::string_view address, Receiver& receiver) {
    auto socket = network->open_udp(at(address), receiver);
    EXPECT_TRUE(socket) << socket.error().message;
    return std::move(*socket);
  }
  // An address where nobody listens.
  Address closed_port() {
    Receiver nobody;
    return open("127.0.0.1:0", nobody)->local();
  }
  Receiver at_a, at_b;
  std::unique_ptr<UdpSocket> a = open("127.0.0.1:0", at_a);
  std::unique_ptr<UdpSocket> b = open("127.0.0.1:0", at_b);
};

// So many wait for the end of the turn; one more, and all go.
TEST_F(Udp, AFullQueueDoesNotWaitForTheEndOfTheTurn) {
  for (std::size_t i = 0; i < limits::kUdpFlush; ++i) {
    EXPECT_EQ(count("net_udp_sent_total"), 0u);
    a->send(b->local(), bytes("x"));
  }
  EXPECT_EQ(count("net_udp_sent_total"), limits::kUdpFlush);
}

TEST_F(Udp, ATurnsDatagramsGoInOneBatch) {
  for (int i = 0; i < 100; ++i) a->send(b->local(), bytes(std::to_string(i)));
  run_until([&] { return at_b.got.size() == 100; });
  EXPECT_EQ(at_b.calls, 2);
  EXPECT_EQ(count("net_udp_send_calls_total"), 1u);
  EXPECT_EQ(count("net_udp_sent_total"), 100u);
  EXPECT_EQ(count("net_udp_received_total"), 100u);
  EXPECT_EQ(at_b.from, a->local());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(at_b.got[static_cast<std::size_t>(i)], std::to_string(i));
}

// Lengths and addresses that change, and one too long for most packets, so that runs of every kind leave, are
// put together and cut.
TEST_F(Udp, WhatLeavesAsOnePieceArrivesAsItWasQueued) {
  Receiver at_c;
  const auto c = open("127.0.0.1:0", at_c);
  std::vector<std::string> to_b, to_c;
  for (std::size_t i = 0; i < 400; ++i) {
    const std::string text(i % 50 == 7 ? 1500 : 300 + i / 100, static_cast<char>('a' + i % 26));
    auto& to = i % 90 < 80 ? to_b : to_c;
    to.push_back(text);
    a->send(&to == &to_b ? b->local() : c->local(), bytes(text));
  }
  run_until([&] { return at_b.got.size() + at_c.got.size() == 400; });
  EXPECT_EQ(at_b.got, to_b);
  EXPECT_EQ(at_c.got, to_c);
}

TEST_F(Udp, TheUnorderedLeaveLastAndTogether) {
  Receiver at_c;
  const auto c = open("127.0.0.1:0", at_c);
  for (int i = 0; i < 50; ++i) {
    a->send_unordered((i % 2 ? b : c)->local(), bytes("refused"));
    a->send(b->local(), bytes(std::to_string(i)));
  }
  run_until([&] { return at_b.got.size() + at_c.got.size() == 100; });
  ASSERT_EQ(at_b.got.size(), 75u);
  EXPECT_EQ(at_b.got[49], "49");
  EXPECT_EQ(at_b.got[50], "refused");
  EXPECT_EQ(count("net_udp_send_calls_total"), 2u);
}

// The kernel begins to stamp a moment after the first socket of the machine has asked for it.
TEST_F(Udp, TellsHowLongABatchHasWaited) {
  std::vector<std::chrono::microseconds> waited;
  at_b.when_called = [&] { waited.push_back(network->waited()); };
  for (std::size_t i = 0; i < 100 && (waited.empty() || waited.back() < 30ms); ++i) {
    open("127.0.0.1:0", at_a)
        ->send(b->local(), bytes("x"));  // leaves when its socket goes, and nobody reads it
    std::this_thread::sleep_for(30ms);
    run_until([&] { return waited.size() == i + 1; });
  }
  EXPECT_GE(waited.back(), 30ms);
  EXPECT_LT(waited.back(), 5s);
}

TEST_F(Udp, BuffersAreNotChangedByAReceiver) {
  const base::Buffer kept = bytes("hello");
  a->send(b->local(), kept);
  a->send(b->local(), kept);
  run_until([&] { return at_b.got.size() == 2; });
  EXPECT_EQ(at_b.got[1], "hello");
  EXPECT_EQ(kept.view(), "hello");
}

TEST_F(Udp, EveryLengthThatUdpCarries) {
  const std::string longest(65507, 'x');
  a->send(b->local(), bytes(""));
  a->send(b->local(), bytes(longest + "x"));  // refused by the kernel
  a->send(b->local(), bytes(longest));
  run_until([&] { return at_b.got.size() == 2; });
  EXPECT_EQ(at_b.got[0], "");
  EXPECT_EQ(at_b.got[1], longest);
  EXPECT_EQ(count("net_udp_dropped_total{reason=\"refused\"}"), 1u);
}

TEST_F(Udp, OneBadDestinationHoldsUpNoOther) {
  a->send(b->local(), bytes("1"));
  a->send(at("255.255.255.255:5060"), bytes("broadcast is not permitted"));
  a->send(at("[::1]:5060"), bytes("wrong family"));
  a->send(at("127.0.0.1:0"), bytes("no port"));
  a->send(b->local(), bytes("2"));
  run_until([&] { return at_b.got.size() == 2; });
  EXPECT_EQ(count("net_udp_dropped_total{reason=\"refused\"}"), 3u);
}

TEST_F(Udp, IcmpIsToldAndHarmsNothing) {
  const Address nobody = closed_port();
  for (int i = 0; i < 20; ++i) {
    a->send(nobody, bytes("x"));
    a->send(b->local(), bytes("y"));
    run(1ms);
  }
  run_until([&] { return at_b.got.size() == 20; });
  ASSERT_FALSE(at_a.unreachable.empty());
  EXPECT_TRUE(std::ranges::all_of(at_a.unreachable, [&](const Address& to) { return to == nobody; }));
  EXPECT_EQ(count("net_udp_unreachable_total"), at_a.unreachable.size());
  EXPECT_EQ(count("net_udp_dropped_total{reason=\"refused\"}"), 0u);
  b->send(a->local(), bytes("still there?"));
  run_until([&] { return at_a.got.size() == 1; });
}

TEST_F(Udp, IcmpOverIpv6) {
  const auto six = open("[::1]:0", at_a);
  Address nobody = six->local();
  {
    Receiver r;
    nobody = open("[::1]:0", r)->local();
  }
  six->send(nobody, bytes("x"));
  run_until([&] { return !at_a.unreachable.empty(); });
  EXPECT_EQ(at_a.unreachable.front(), nobody);
}

TEST_F(Udp, Ipv6SocketsLeaveIpv4Alone) {
  Receiver at_six;
  const auto four = open("0.0.0.0:0", at_a);
  const auto six = open(fmt::format("[::]:{}", four->local().port), at_six);
  const auto sender = open("[::1]:0", at_b);
  sender->send({*Ip::parse("::1"), six->local().port}, bytes("six"));
  b->send({*Ip::parse("127.0.0.1"), four->local().port}, bytes("four"));
  run_until([&] { return at_six.got.size() + at_a.got.size() == 2; });
  EXPECT_EQ(at_six.got, std::vector<std::string>{"six"});
  EXPECT_EQ(at_six.from.ip, *Ip::parse("::1"));
}

TEST_F(Udp, HandlerMayDestroyItsSocket) {
  at_b.when_called = [&] { b.reset(); };
  for (int i = 0; i < 200; ++i) a->send(b->local(), bytes("x"));
  run();
  EXPECT_EQ(b, nullptr);
  EXPECT_EQ(at_b.calls, 1);

  at_a.unreachable.clear();
  at_a.when_called = [&] { a.reset(); };
  a->send(closed_port(), bytes("x"));
  run_until([&] { return a == nullptr; });
}

TEST_F(Udp, WhatWasQueuedLeavesBeforeTheSocketCloses) {
  a->send(b->local(), bytes("goodbye"));
  a.reset();
  run_until([&] { return at_b.got.size() == 1; });
}

TEST_F(Udp, ABurstIsReadInTurnsAndWhatTheKernelDroppedIsCounted) {
  constexpr std::size_t kBurst = 12000;
  const std::string text(1200, 'x');
  const base::Buffer one = bytes(text);
  for (std::size_t i = 0; i < kBurst; ++i) a->send(b->local(), one);
  // A timer gets its turn although datagrams never cease to be there.
  std::size_t got_at_timer = 0;
  base::Timer timer(loop->timers(), [&] { got_at_timer = at_b.got.size(); });
  timer.start(1ms);
  run_until(
      [&] { return at_b.got.size() + count("net_udp_dropped_total{reason=\"receive_buffer\"}") >= kBurst; });
  b.reset();
  EXPECT_EQ(at_b.got.size() + count("net_udp_dropped_total{reason=\"receive_buffer\"}"), kBurst);
  EXPECT_GT(at_b.got.size(), 1000u);
  EXPECT_LT(got_at_timer, at_b.got.size());
}

TEST_F(Udp, ErrorsAreForOperators) {
  const auto says = [&](std::string_view address, std::string_view text) {
    const auto result = network->open_udp(at(address), at_a);
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().message.find(text), std::string::npos) << result.error().message;
  };
  says(a->local().text(), "address in use");
  says("192.0.2.1:5060", "this machine has no such address");
}

TEST_F(Udp, SourceAddressTowardsSomebody) {
  EXPECT_EQ(network->source_ip_for(*Ip::parse("127.0.0.9")), *Ip::parse("127.0.0.1"));
  EXPECT_EQ(network->source_ip_for(*Ip::parse("::1")), *Ip::parse("::1"));
}

}  // namespace
}  // namespace causeway::net
