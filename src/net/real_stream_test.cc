#include <sys/resource.h>
#include <unistd.h>

#include <thread>

#include "base/limits.h"
#include "net/loopback_for_test.h"

namespace causeway::net {
namespace {

using namespace std::chrono_literals;
using test::at;
using test::bytes;

using Tcp = test::StreamsOnLoopback;

TEST_F(Tcp, BothWays) {
  listen();
  connect();
  EXPECT_FALSE(client->connected());
  client->send(bytes("sent before it was connected"));
  run_until([&] { return !served.text.empty(); });
  EXPECT_TRUE(caller.connected);
  EXPECT_FALSE(served.connected);  // only who asked is told
  EXPECT_EQ(served.text, "sent before it was connected");
  EXPECT_EQ(server->remote(), client->local());
  EXPECT_EQ(server->local(), client->remote());
  EXPECT_TRUE(client->certified_names().empty());
  server->send(bytes("a"));
  server->send(bytes("b"));
  server->send(bytes("c"));
  run_until([&] { return caller.text == "abc"; });
  EXPECT_EQ(caller.chunks, 1);  // one write for the turn
}

// What came while a turn was busy has waited for it; what came to an idle loop has not waited while it was
// idle.
TEST_F(Tcp, TellsHowLongBytesMayHaveWaited) {
  listen();
  auto raw = raw_client();
  std::vector<std::chrono::microseconds> waited;
  served.when_bytes = [&] {
    waited.push_back(network->waited());
    if (waited.size() > 1) return;
    write(raw, "while the turn is busy");
    std::this_thread::sleep_for(40ms);
  };
  write(raw, "first");
  run_until([&] { return waited.size() == 2; });
  EXPECT_GE(waited[1], 39ms);  // clocks of whole milliseconds
  run(400ms);
  write(raw, "later");
  run_until([&] { return waited.size() == 3; });
  EXPECT_LT(waited[2], 300ms);
}

TEST_F(Tcp, OverIpv6) {
  listener = *network->listen(at("[::1]:0"), nullptr, [&](std::unique_ptr<Stream> s) {
    s->set_handler(served);
    server = std::move(s);
  });
  connect();
  client->send(bytes("six"));
  run_until([&] { return served.text == "six"; });
  EXPECT_EQ(server->remote().ip, *Ip::parse("::1"));
}

TEST_F(Tcp, RefusedIsToldLater) {
  listen();
  const Address nobody = listener->local();
  listener.reset();
  client = network->connect(nobody, {}, caller);
  EXPECT_FALSE(caller.closed);
  run_until([&] { return caller.closed.has_value(); });
  EXPECT_EQ(caller.closed->reason, CloseReason::refused);
  EXPECT_NE(caller.closed->text.find("nothing listens there"), std::string::npos);
  EXPECT_EQ(count("net_stream_closed_total{reason=\"refused\"}"), 1u);

  caller.closed.reset();
  client->send(bytes("x"));
  EXPECT_EQ(count("net_stream_sent_after_close_total"), 1u);
  client = network->connect(at("255.255.255.255:5060"), {}, caller);  // the kernel refuses at once
  EXPECT_FALSE(caller.closed);
  run_until([&] { return caller.closed.has_value(); });
}

TEST_F(Tcp, AHostThatDoesNotAnswer) {
  // A listening socket whose backlog is full drops what else arrives.
  Descriptor full = open_socket(at("127.0.0.1:0").ip, SOCK_STREAM);
  ASSERT_TRUE(bind_to(full.get(), at("127.0.0.1:0")));
  ASSERT_EQ(::listen(full.get(), 0), 0);
  const Address deaf = local_address(full.get());
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::unique_ptr<test::Talker>> talkers;
  for (int i = 0; i < 4; ++i) {
    talkers.push_back(std::make_unique<test::Talker>());
    streams.push_back(network->connect(deaf, {}, *talkers.back()));
  }
  run(100ms);
  EXPECT_FALSE(talkers.back()->connected);
  EXPECT_FALSE(talkers.back()->closed);
  loop->timers().advance(loop->now() + limits::kConnectTimeout);
  ASSERT_TRUE(talkers.back()->closed);
  EXPECT_EQ(talkers.back()->closed->reason, CloseReason::timeout);
  EXPECT_FALSE(talkers.front()->closed);
}

TEST_F(Tcp, HalfClosedIsAnsweredAndThenClosed) {
  listen();
  served.when_bytes = [&] { server->send(bytes("answer")); };
  const Descriptor raw = raw_client();
  write(raw, "question");
  ::shutdown(raw.get(), SHUT_WR);
  run_until([&] { return served.closed.has_value(); });
  EXPECT_EQ(served.closed->reason, CloseReason::remote);
  EXPECT_EQ(served.text, "question");
  EXPECT_EQ(read(raw), "answer");
}

TEST_F(Tcp, ResetByTheOtherSide) {
  listen();
  Descriptor raw = raw_client();
  run_until([&] { return server != nullptr; });
  reset_connection(raw);
  run_until([&] { return served.closed.has_value(); });
  EXPECT_EQ(served.closed->reason, CloseReason::reset);
}

TEST_F(Tcp, AFailedWriteStillReadsWhatCameBefore) {
  listen();
  Descriptor raw = raw_client();
  run_until([&] { return server != nullptr; });
  write(raw, "last words");
  raw.close();
  for (int i = 0; i < 3; ++i) {  // the first write provokes a reset, the next one meets it
    server->send(bytes("x"));
    run(2ms);
  }
  run_until([&] { return served.closed.has_value(); });
  EXPECT_EQ(served.text, "last words");
}

TEST_F(Tcp, WhoNeverReadsIsCutOff) {
  listen();
  const Descriptor raw = raw_client();
  run_until([&] { return server != nullptr; });
  const base::Buffer piece = bytes(std::string(60000, 'x'));
  int sent = 0;
  while (!served.closed && sent < 2000) {
    for (int i = 0; i < 4; ++i, ++sent) server->send(piece);
    EXPECT_LE(server->queued(), limits::kMaxQueued + piece.size());
    EXPECT_FALSE(served.closed);  // never from within send
    run(1ms);
  }
  ASSERT_TRUE(served.closed);
  EXPECT_EQ(served.closed->reason, CloseReason::overflow);
  EXPECT_EQ(count("net_stream_closed_total{reason=\"overflow\"}"), 1u);
}

TEST_F(Tcp, MegabytesArriveInOrderThroughASlowReader) {
  listen();
  connect();
  run_until([&] { return server != nullptr; });
  std::string all;
  unsigned next = 0;
  while (all.size() < (4u << 20)) {
    while (client->queued() < limits::kMaxQueued / 2 && all.size() < (4u << 20)) {
      std::string piece(1 + next % 9000, static_cast<char>('a' + next % 26));
      ++next;
      all += piece;
      client->send(bytes(piece));
    }
    run(1ms);
  }
  run_until([&] { return served.text.size() == all.size(); });
  EXPECT_TRUE(served.text == all);
  EXPECT_EQ(client->queued(), 0u);
}

TEST_F(Tcp, HandlersMayDestroyTheirStreamInAnyCall) {
  listen();
  served.when_bytes = [&] { server.reset(); };
  caller.when_connected = [&] { client->send(bytes("x")); };
  caller.when_closed = [&] { client.reset(); };
  connect();
  run_until([&] { return client == nullptr && server == nullptr; });
  EXPECT_EQ(caller.closed->reason, CloseReason::remote);

  caller.when_connected = [&] { client.reset(); };
  caller.closed.reset();
  served.closed.reset();
  connect();
  run_until([&] { return client == nullptr && served.closed.has_value(); });
  EXPECT_FALSE(caller.closed);
}

TEST_F(Tcp, TheLastWordsOfADestroyedStreamArrive) {
  listen();
  const Descriptor raw = raw_client();
  served.when_bytes = [&] {
    server->send(bytes("400 go away"));
    server.reset();
  };
  write(raw, std::string(100'000, 'x'));  // more than is read in one go: the rest must not cause a reset
  EXPECT_EQ(read(raw), "400 go away");
}

TEST_F(Tcp, DestroyedWhileConnecting) {
  listen();
  connect();
  client->send(bytes("x"));
  client.reset();
  run();
  EXPECT_TRUE(served.text.empty());
}

TEST_F(Tcp, AcceptMayRefuseByDestroying) {
  listener = *network->listen(at("127.0.0.1:0"), nullptr, [](std::unique_ptr<Stream>) {});
  connect();
  run_until([&] { return caller.closed.has_value(); });
}

TEST_F(Tcp, AHandlerSetLateGetsEverything) {
  std::unique_ptr<Stream> kept;
  listener =
      *network->listen(at("127.0.0.1:0"), nullptr, [&](std::unique_ptr<Stream> s) { kept = std::move(s); });
  const Descriptor raw = raw_client();
  write(raw, "early");
  run();
  ASSERT_TRUE(kept);
  kept->set_handler(served);
  EXPECT_EQ(served.text, "");
  run_until([&] { return served.text == "early"; });
}

TEST_F(Tcp, AStormOfConnections) {
  std::vector<std::unique_ptr<Stream>> kept;
  listener = *network->listen(at("127.0.0.1:0"), nullptr, [&](std::unique_ptr<Stream> s) {
    s->set_handler(served);
    kept.push_back(std::move(s));
  });
  std::vector<Descriptor> clients;
  for (int i = 0; i < 300; ++i) clients.push_back(raw_client());
  run_until([&] { return kept.size() == 300; });
  EXPECT_EQ(count("net_accepted_total"), 300u);
  kept.clear();
  listener.reset();
}

TEST_F(Tcp, TheLongestSilentGivesWay) {
  const auto small = make_real_network(*loop, metrics, {.accepted = 3});
  struct Kept {
    test::Talker talker;
    std::unique_ptr<Stream> stream;
  };
  std::vector<std::unique_ptr<Kept>> kept;
  listener = *small->listen(at("127.0.0.1:0"), nullptr, [&](std::unique_ptr<Stream> s) {
    kept.push_back(std::make_unique<Kept>());
    s->set_handler(kept.back()->talker);
    kept.back()->stream = std::move(s);
  });
  std::vector<Descriptor> clients;
  for (std::size_t i = 0; i < 3; ++i) {
    clients.push_back(raw_client());
    run_until([&] { return kept.size() == i + 1; });
  }
  write(clients[0], "not idle");
  run_until([&] { return !kept[0]->talker.text.empty(); });
  clients.push_back(raw_client());
  run_until([&] { return kept.size() == 4; });
  ASSERT_TRUE(kept[1]->talker.closed);
  EXPECT_EQ(kept[1]->talker.closed->reason, CloseReason::local);
  EXPECT_FALSE(kept[0]->talker.closed);
  EXPECT_FALSE(kept[2]->talker.closed);
  EXPECT_EQ(count("net_accept_made_room_total"), 1u);
  kept.clear();
  listener.reset();
}

// One source cannot have all connections. Its oldest are not closed: they may be somebody else's behind the
// same NAT.
TEST_F(Tcp, OneSourceHasItsShare) {
  const auto fair = make_real_network(*loop, metrics, {.accepted = 4, .per_source = 2});
  std::vector<std::unique_ptr<Stream>> kept;
  listener = *fair->listen(at("127.0.0.1:0"), nullptr,
                           [&](std::unique_ptr<Stream> s) { kept.push_back(std::move(s)); });
  std::vector<Descriptor> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(raw_client());
  run_until([&] { return count("net_accept_refused_total") == 3; });
  EXPECT_EQ(kept.size(), 2u);
  char byte;
  EXPECT_EQ(::recv(clients[4].get(), &byte, 1, MSG_DONTWAIT), 0) << "not closed";
  clients.push_back(raw_client("127.0.0.2"));
  run_until([&] { return kept.size() == 3; });
  kept.erase(kept.begin());  // one of the first source's goes: it may have another
  clients.push_back(raw_client());
  run_until([&] { return kept.size() == 3; });
  EXPECT_EQ(count("net_accept_refused_total"), 3u);
  EXPECT_EQ(count("net_accept_made_room_total"), 0u);
  kept.clear();
  listener.reset();
}

TEST_F(Tcp, OutOfDescriptors) {
  if (test::kSanitized) GTEST_SKIP() << "the undefined behaviour sanitizer needs descriptors itself";
  listen();
  std::vector<Descriptor> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(raw_client());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  std::vector<Descriptor> hoard;
  const int probe = ::dup(0);
  ::close(probe);
  rlimit low = before;
  low.rlim_cur = static_cast<rlim_t>(probe + 8);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  for (Descriptor d(::dup(0)); d; d = Descriptor(::dup(0))) hoard.push_back(std::move(d));
  run(50ms);
  EXPECT_EQ(accepted, 0);
  EXPECT_EQ(count("net_accept_failed_total"), 5u);
  for (const Descriptor& fd : clients) {
    char c;
    const ssize_t got = ::recv(fd.get(), &c, 1, MSG_DONTWAIT);
    EXPECT_TRUE(got == 0 || (got < 0 && errno == ECONNRESET));  // turned away, not left hanging
  }
  test::Talker starved;
  const auto hopeless = network->connect(listener->local(), {}, starved);
  run();
  ASSERT_TRUE(starved.closed);
  EXPECT_NE(starved.closed->text.find("out of file descriptors"), std::string::npos);

  hoard.clear();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  const Descriptor later = raw_client();
  run_until([&] { return accepted == 1; });
}

TEST_F(Tcp, ListenErrorsAreForOperators) {
  listen();
  const auto second = network->listen(listener->local(), nullptr, [](std::unique_ptr<Stream>) {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("tcp 127.0.0.1:"), std::string::npos);
  EXPECT_NE(second.error().message.find("address in use"), std::string::npos);
}

}  // namespace
}  // namespace causeway::net
