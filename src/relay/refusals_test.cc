// What the TURN server refuses: every error code of RFC 8656 and RFC 8489, every quota, and what strangers
// try.
#include "relay/world_for_test.h"

namespace causeway::relay {
namespace {

using namespace testing;

using Refused = World;

std::uint64_t errors(const World& world, int code) {
  return world.count(fmt::format("relay_errors_total{{code=\"{}\"}}", code));
}
std::uint64_t refused(const World& world, std::string_view reason) {
  return world.count(fmt::format("relay_refused_credentials_total{{reason=\"{}\"}}", reason));
}

TEST_F(Refused, E300WhenFullOrDrainingIfThereIsAnotherRelay) {
  config.quota.allocations = 1;
  start();
  server->set_alternate([](const Client& client) {
    return std::optional(client.remote.ip.is_v4() ? at("7.7.7.7:3478") : at("[2a07::7]:3478"));
  });
  TestClient alice(*this, "9.9.9.9:1000"), bob(*this, "9.9.9.9:1001"), carol(*this, "[2a09::9]:1");
  ASSERT_EQ(alice.allocate().code(), 0);
  const Answer elsewhere = bob.allocate();
  EXPECT_EQ(elsewhere.code(), 300);
  EXPECT_EQ(elsewhere.message->address(Attribute::alternate_server), at("7.7.7.7:3478"));
  EXPECT_EQ(alice.refresh(0).code(), 0);
  server->set_draining(true);
  EXPECT_EQ(carol.allocate().message->address(Attribute::alternate_server), at("[2a07::7]:3478"));
  EXPECT_EQ(errors(*this, 300), 2u);
  server->set_alternate({});
  EXPECT_EQ(bob.allocate().code(), 508);
}

TEST_F(Refused, WhileDrainingWhoIsHereStays) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate().code(), 0);
  server->set_draining(true);
  EXPECT_EQ(alice.refresh(600).code(), 0);
  EXPECT_EQ(alice.permit({"8.8.8.8:1"}).code(), 0);
}

TEST_F(Refused, E400) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  EXPECT_EQ(alice.ask(Method::allocate).code(), 400);  // no REQUESTED-TRANSPORT
  const auto allocate = [&](auto more) { return alice.allocate(more).code(); };
  EXPECT_EQ(allocate([](auto& out) {
              out.octet(Attribute::requested_address_family, 1);
              out.octet(Attribute::additional_address_family, 2);
            }),
            400);
  EXPECT_EQ(allocate([](auto& out) { out.octet(Attribute::additional_address_family, 1); }), 400);
  EXPECT_EQ(allocate([](auto& out) {
              out.even_port(true);
              out.octet(Attribute::additional_address_family, 2);
            }),
            400);
  EXPECT_EQ(allocate([](auto& out) {
              out.text(Attribute::reservation_token, "12345678");
              out.even_port(false);
            }),
            400);
  EXPECT_EQ(allocate([](auto& out) { out.text(Attribute::reservation_token, "1234"); }), 400);
  EXPECT_EQ(allocate([](auto& out) { out.text(Attribute::even_port, "ab"); }), 400);
  TestClient wordy(*this, "9.9.9.9:1001", std::string(limits::kMaxUsername, 'u'));
  EXPECT_EQ(wordy.allocate().code(), 400);
  ASSERT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(alice.permit({}).code(), 400);
  EXPECT_EQ(
      alice.ask(Method::create_permission, [](auto& out) { out.text(Attribute::xor_peer_address, "?"); })
          .code(),
      400);
  EXPECT_EQ(alice.bind(0x3fff, "8.8.8.8:1").code(), 400);
  EXPECT_EQ(alice.bind(0x8000, "8.8.8.8:1").code(), 400);
  EXPECT_EQ(alice.ask(Method::channel_bind, [](auto& out) { out.channel(0x4000); }).code(), 400);
  ASSERT_EQ(alice.bind(0x4000, "8.8.8.8:1").code(), 0);
  EXPECT_EQ(alice.bind(0x4000, "8.8.8.8:2").code(), 400);  // the number is bound to another peer
  EXPECT_EQ(alice.bind(0x4001, "8.8.8.8:1").code(), 400);  // the peer has another number
  EXPECT_EQ(alice.bind(0x4000, "8.8.8.8:1").code(), 0);
  EXPECT_EQ(alice.ask(static_cast<Method>(0x00a)).code(), 400);  // Connect (RFC 6062) is not spoken here
  EXPECT_EQ(alice.ask(Method::refresh, [](auto& out) { out.text(Attribute::lifetime, "x"); }).code(), 400);
}

TEST_F(Refused, E401) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  EXPECT_EQ(alice.send(Method::allocate).code(), 401);
  alice.password = "guessed";
  EXPECT_EQ(alice.allocate().code(), 401);
  EXPECT_EQ(refused(*this, "wrong_password"), 1u);
  alice.username = "alice";
  EXPECT_EQ(alice.allocate().code(), 401);
  EXPECT_EQ(refused(*this, "unknown"), 1u);
  alice.expires(loop.unix_now() / 1000);
  EXPECT_EQ(alice.allocate().code(), 401);
  EXPECT_EQ(refused(*this, "expired"), 1u);
  EXPECT_EQ(server->allocations(), 0u);
}

TEST_F(Refused, WhoseTimeIsOverMayGoNotStay) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  alice.expires(loop.unix_now() / 1000 + 100);
  ASSERT_EQ(alice.allocate().code(), 0);
  loop.run_for(100s);
  EXPECT_EQ(alice.refresh(600).code(), 401);
  EXPECT_EQ(alice.permit({"8.8.8.8:1"}).code(), 401);
  EXPECT_EQ(alice.refresh(0).code(), 0);
}

// Granted, and nothing goes there (Server::judge).
TEST_F(Refused, NothingGoesToAddressesOfSites) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate([](auto& out) { out.octet(Attribute::additional_address_family, 2); }).code(), 0);
  std::uint16_t number = 0x4000;
  for (const std::string peer :
       {"10.0.0.1:1", "100.64.0.1:1", "172.16.0.1:1", "192.168.0.1:1", "[fd00::1]:1"}) {
    EXPECT_EQ(alice.permit({peer}).code(), 0) << peer;
    EXPECT_EQ(alice.bind(number, peer).code(), 0) << peer;
    alice.send_indication(peer, "x");
    alice.send_channel(number++, "x");
  }
  EXPECT_EQ(count("relay_dropped_total{reason=\"site\"}"), 10u);
  EXPECT_TRUE(io.to_peers.empty());
  EXPECT_EQ(alice.permit({"8.8.8.8:1", "10.0.0.1:1"}).code(), 0);
  alice.send_indication("8.8.8.8:1", "x");
  EXPECT_EQ(io.to_peers.size(), 1u);
  from_peer(0, "10.0.0.1:1", "x");  // of the network that the relay stands in
  EXPECT_EQ(dropped("no_permission"), 1u);
}

// baresip goes on to send over its relay to one whom it has found behind its own NAT.
TEST_F(Refused, WhatIsForTheOwnSiteGoesToWhoIsSoughtAndWasHeardFromThere) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  const auto check = [](std::string_view username) {
    char room[100];
    stun::Writer out(room, Class::request, Method::binding, "transaction1");
    out.text(Attribute::username, username);
    return std::string(out.view());
  };
  const auto goes_to = [&]() -> std::string {
    io.to_peers.clear();
    alice.send_channel(0x4000, "audio");
    if (io.to_peers.empty()) return "";
    EXPECT_EQ(io.to_peers.front().bytes, "audio");
    return io.to_peers.front().peer.text();
  };
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.permit({"9.9.9.9:1", "8.8.8.8:1"}).code(), 0);
  ASSERT_EQ(alice.bind(0x4000, "10.0.0.2:4000").code(), 0);
  from_peer(0, "9.9.9.9:2000", check("alice:bob"));
  EXPECT_EQ(goes_to(), "");
  alice.send_channel(0x4000, check("bob:alice"));
  EXPECT_EQ(goes_to(), "9.9.9.9:2000");
  from_peer(0, "9.9.9.9:3000", check("alice:eve"));  // shares the address, and does not know the names
  from_peer(0, "9.9.9.9:3000", "audio");
  from_peer(0, "8.8.8.8:1", check("alice:bob"));
  EXPECT_EQ(goes_to(), "9.9.9.9:2000");
  loop.run_for(limits::kPermissionLife);
  EXPECT_EQ(goes_to(), "");
  EXPECT_EQ(dropped("site"), 3u);
}

TEST_F(Refused, WhatIsTooLongForAnIndication) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate([](auto& out) { out.octet(Attribute::additional_address_family, 2); }).code(), 0);
  ASSERT_EQ(alice.permit({"[2a00::1]:1"}).code(), 0);
  io.to_clients.clear();
  from_peer(1, "[2a00::1]:1", std::string(65527, 'x'));
  EXPECT_EQ(dropped("data_too_large"), 1u);
  EXPECT_TRUE(io.to_clients.empty());
}

// What baresip would otherwise wait for, with all other pairs of addresses.
TEST_F(Refused, WhoChecksAnAddressOfASiteIsToldAtOnceThatItIsAStranger) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate().code(), 0);
  char room[100];
  stun::Writer check(room, Class::request, Method::binding, "transaction1");
  check.number(Attribute(0x0024), 1);  // PRIORITY (RFC 8445)
  check.integrity(Attribute::message_integrity, alice.key());
  check.fingerprint();
  const auto expect_refused = [](std::string_view answer) {
    const auto message = stun::Message::parse(answer);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->kind(), Class::error);
    EXPECT_EQ(message->error(), 401);
    EXPECT_EQ(message->transaction(), "transaction1");
    EXPECT_TRUE(message->has(Attribute::fingerprint));
  };
  ASSERT_EQ(alice.permit({"10.0.0.1:1"}).code(), 0);
  alice.send_indication("10.0.0.1:1", check.view());
  const std::string bytes = answer(alice.who);
  const auto data = stun::Message::parse(bytes);
  ASSERT_TRUE(data);
  EXPECT_EQ(data->method(), Method::data);
  EXPECT_EQ(data->xor_address(Attribute::xor_peer_address), at("10.0.0.1:1"));
  expect_refused(data->value(Attribute::data).value_or(""));
  ASSERT_EQ(alice.bind(0x4000, "10.0.0.1:1").code(), 0);
  alice.send_channel(0x4000, check.view());
  const std::string channel_bytes = answer(alice.who);
  const auto channel = stun::parse_channel_data(channel_bytes);
  ASSERT_TRUE(channel);
  EXPECT_EQ(channel->channel, 0x4000);
  expect_refused(channel->data);
  EXPECT_TRUE(io.to_peers.empty());
}

// Its own addresses are granted, and lead to what it has given to other clients.
TEST_F(Refused, NothingOfThisMachineIsReachedButOtherClients) {
  start();
  TestClient alice(*this, "9.9.9.9:1000"), bob(*this, "9.9.9.8:1000", "bob");
  const auto at_alice = alice.allocate().relayed();
  const auto at_bob = bob.allocate().relayed();
  policy.set_own({at_alice.ip});
  const net::Address other_socket{at_bob.ip, 53};
  ASSERT_EQ(alice.permit({at_bob.text()}).code(), 0);
  ASSERT_EQ(alice.bind(0x4000, other_socket.text()).code(), 0);
  alice.send_indication(other_socket.text(), "x");
  alice.send_channel(0x4000, "x");
  EXPECT_EQ(dropped("own"), 2u);
  alice.send_indication(at_bob.text(), "x");  // he has not let her in
  EXPECT_EQ(dropped("no_permission"), 1u);
  EXPECT_TRUE(io.to_clients.empty());
  ASSERT_EQ(bob.permit({at_alice.text()}).code(), 0);
  alice.send_indication(at_bob.text(), "to bob");
  const std::string bytes = answer(bob.who);
  const auto data = stun::Message::parse(bytes);
  ASSERT_TRUE(data);
  EXPECT_EQ(data->xor_address(Attribute::xor_peer_address), at_alice);
  EXPECT_EQ(data->value(Attribute::data), "to bob");
  ASSERT_EQ(bob.bind(0x4001, at_alice.text()).code(), 0);
  ASSERT_EQ(alice.bind(0x4001, at_bob.text()).code(), 0);
  alice.send_channel(0x4001, "by channel");
  const std::string more = answer(bob.who);
  ASSERT_TRUE(stun::parse_channel_data(more));
  EXPECT_EQ(stun::parse_channel_data(more)->data, "by channel");
  from_peer(1, at_alice.text(), "forged");  // from another socket of this machine
  EXPECT_EQ(dropped("no_permission"), 2u);
  ASSERT_EQ(bob.refresh(0).code(), 0);
  alice.send_channel(0x4001, "x");
  EXPECT_EQ(dropped("own"), 3u);
  EXPECT_TRUE(io.to_peers.empty());
}

TEST_F(Refused, E403) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate([](auto& out) { out.octet(Attribute::additional_address_family, 2); }).code(), 0);
  EXPECT_EQ(alice.permit({"8.8.8.8:1", "127.0.0.1:1"}).code(), 403);
  alice.send_indication("8.8.8.8:1", "x");
  EXPECT_TRUE(io.to_peers.empty());  // all of them or none
  EXPECT_EQ(alice.bind(0x4000, "169.254.169.254:1").code(), 403);
  EXPECT_EQ(alice.bind(0x4000, "[::ffff:8.8.8.8]:1").code(), 403);
  EXPECT_EQ(count("relay_denied_peers_total{reason=\"special\"}"), 2u);
  EXPECT_EQ(count("relay_denied_peers_total{reason=\"wrapped\"}"), 1u);
}

TEST_F(Refused, E420) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  const Answer answer = alice.allocate([](auto& out) { out.number(static_cast<Attribute>(0x0024), 1); });
  EXPECT_EQ(answer.code(), 420);
  EXPECT_EQ(answer.message->value(Attribute::unknown_attributes), std::string_view("\0\x24", 2));
}

TEST_F(Refused, E437) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  EXPECT_EQ(alice.refresh(600).code(), 437);
  EXPECT_EQ(alice.permit({"8.8.8.8:1"}).code(), 437);
  EXPECT_EQ(alice.bind(0x4000, "8.8.8.8:1").code(), 437);
  ASSERT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(alice.allocate().code(), 437);
}

TEST_F(Refused, E438) {
  start();
  TestClient alice(*this, "9.9.9.9:1000"), bob(*this, "9.9.9.9:1001");
  ASSERT_EQ(alice.allocate().code(), 0);
  const std::string before = alice.nonce;
  ASSERT_EQ(alice.refresh(3600).code(), 0);
  EXPECT_EQ(alice.nonce, before);
  loop.run_for(3599s);
  EXPECT_EQ(alice.send(Method::refresh).code(), 0);
  loop.run_for(2s);
  const Answer stale = alice.send(Method::refresh);
  EXPECT_EQ(stale.code(), 438);
  EXPECT_NE(stale.message->value(Attribute::nonce), before);
  EXPECT_EQ(alice.refresh(600).code(), 0);
  bob.nonce = alice.nonce;  // another's
  bob.realm = "p2psip.org";
  EXPECT_EQ(bob.send(Method::allocate).code(), 438);
  for (const std::string_view bad :
       {"x", "0123456789abcdef", "obMatJos2gAAA0123456789abcdef", "obMatJos2gAAA"}) {
    bob.nonce = bad;
    EXPECT_EQ(bob.send(Method::allocate).code(), 438) << bad;
  }
}

TEST_F(Refused, E440) {
  io.families = {stun::Family::ipv4};
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  EXPECT_EQ(alice.allocate([](auto& out) { out.octet(Attribute::requested_address_family, 2); }).code(), 440);
  EXPECT_EQ(alice.allocate([](auto& out) { out.octet(Attribute::requested_address_family, 9); }).code(), 440);
}

TEST_F(Refused, E441) {
  start();
  TestClient alice(*this, "9.9.9.9:1000"), bob(*this, "9.9.9.9:1000", "bob");
  ASSERT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(bob.refresh(0).code(), 441);
  EXPECT_EQ(bob.permit({"8.8.8.8:1"}).code(), 441);
  EXPECT_EQ(server->allocations(), 1u);
}

TEST_F(Refused, E442) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  EXPECT_EQ(
      alice.ask(Method::allocate, [](auto& out) { out.octet(Attribute::requested_transport, 6); }).code(),
      442);
}

TEST_F(Refused, E443) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(alice.permit({"[2a00::8]:1"}).code(), 443);
  EXPECT_EQ(alice.bind(0x4000, "[2a00::8]:1").code(), 443);
  EXPECT_EQ(
      alice.ask(Method::refresh, [](auto& out) { out.octet(Attribute::requested_address_family, 2); }).code(),
      443);
}

TEST_F(Refused, E486PerUser) {
  config.quota.user_allocations = 2;
  start();
  std::deque<TestClient> alices;
  for (int i = 0; i < 3; ++i) alices.emplace_back(*this, fmt::format("9.9.9.9:{}", 1000 + i));
  EXPECT_EQ(alices[0].allocate().code(), 0);
  EXPECT_EQ(alices[1].allocate([](auto& out) { out.even_port(true); }).code(), 486);  // two at once
  EXPECT_TRUE(io.open_ports.size() == 1);
  EXPECT_EQ(alices[1].allocate().code(), 0);
  EXPECT_EQ(alices[2].allocate().code(), 486);
  TestClient bob(*this, "9.9.9.9:2000", "bob");
  EXPECT_EQ(bob.allocate().code(), 0);
  EXPECT_EQ(alices[0].refresh(0).code(), 0);
  EXPECT_EQ(alices[2].allocate().code(), 0);
}

TEST_F(Refused, E508) {
  io.most_ports = 1;
  start();
  TestClient alice(*this, "9.9.9.9:1000"), bob(*this, "9.9.9.9:1001", "bob");
  ASSERT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(bob.allocate().code(), 508);
  EXPECT_EQ(server->users(), 1u);  // what was not given is not counted
}

TEST_F(Refused, PermissionsAndChannelsOfOneAllocationAreBounded) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate().code(), 0);
  std::size_t given = 0;
  for (std::size_t i = 0; i < limits::kMaxPermissions + 10; ++i)
    given += alice.permit({fmt::format("8.1.{}.{}:1", i / 200, i % 200)}).code() == 0;
  EXPECT_EQ(given, limits::kMaxPermissions);
  EXPECT_EQ(alice.permit({"8.1.0.0:1"}).code(), 0);  // one that is there is refreshed
  given = 0;
  for (std::size_t i = 0; i < limits::kMaxChannels + 10; ++i)
    given += alice.bind(static_cast<std::uint16_t>(0x4000 + i), fmt::format("8.1.0.{}:1", i)).code() == 0;
  EXPECT_EQ(given, limits::kMaxChannels);
  EXPECT_EQ(errors(*this, 508), 20u);
  // What has expired makes room.
  ASSERT_EQ(alice.refresh(3600).code(), 0);
  loop.run_for(601s);
  EXPECT_EQ(alice.bind(0x4fff, "8.2.0.1:1").code(), 0);
}

TEST_F(Refused, BytesOverTheRate) {
  config.quota.user_bytes_per_second = 1000;
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.bind(0x4000, "8.8.8.8:1").code(), 0);
  for (int i = 0; i < 15; ++i) alice.send_channel(0x4000, std::string(100, 'x'));
  EXPECT_EQ(io.to_peers.size(), 10u);
  EXPECT_EQ(dropped("over_rate"), 5u);
  loop.run_for(500ms);
  for (int i = 0; i < 15; ++i) from_peer(0, "8.8.8.8:1", std::string(100, 'x'));
  EXPECT_EQ(dropped("over_rate"), 15u);
}

// ---- strangers

TEST_F(Refused, AnUnauthenticatedAnswerIsAtMostTwiceTheRequest) {
  start();
  std::size_t answered = 0;
  for (const bool fingerprint : {false, true})
    for (std::size_t extra = 0; extra < 80; extra += 4) {
      TestClient client(*this, "9.9.9.9:1000");
      client.fingerprints = fingerprint;
      const Answer answer = client.send(Method::allocate, [&](auto& out) {
        if (extra > 0) out.text(Attribute::software, std::string(extra - 4, 's'));
      });
      if (!answer.message) continue;
      ++answered;
      EXPECT_EQ(answer.code(), 401);
      EXPECT_LE(answer.bytes.size() + 28, 2 * (client.last.size() + 28)) << client.last.size();
    }
  EXPECT_GE(answered, 36u);
  // The least that clients send: a header and REQUESTED-TRANSPORT.
  TestClient client(*this, "9.9.9.9:1000");
  EXPECT_EQ(
      client.send(Method::allocate, [](auto& out) { out.octet(Attribute::requested_transport, 17); }).code(),
      401);
}

TEST_F(Refused, AnAnswerThatWouldBeLargerIsNotGiven) {
  config.realm = std::string(120, 'r') + ".org";
  start();
  TestClient client(*this, "9.9.9.9:1000");
  EXPECT_FALSE(client.send(Method::allocate).message);
  EXPECT_EQ(dropped("answer_too_large"), 1u);
  client.who.stream = true;  // whose address is proved
  EXPECT_EQ(client.send(Method::allocate).code(), 401);
}

TEST_F(Refused, AMillionAllocatesWithoutCredentials) {
  start();
  TestClient client(*this, "9.9.9.9:1000");
  client.send(Method::allocate);
  std::string request = client.last;
  std::size_t answers = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    server->on_client({.remote = {client.who.remote.ip, static_cast<std::uint16_t>(i)}}, request);
    answers += io.to_clients.size();
    io.to_clients.clear();
  }
  EXPECT_LE(answers, 2u * 200);  // two seconds' worth at once
  EXPECT_GE(dropped("source_limit"), 999'000u);
  EXPECT_EQ(server->allocations(), 0u);
  loop.run_for(1s);
  EXPECT_EQ(client.send(Method::allocate).code(), 401);
}

TEST_F(Refused, CheckingUserNamesIsLimitedToo) {
  config.unauthenticated_per_second = 5;
  start();
  TestClient client(*this, "9.9.9.9:1000");
  client.who.stream = true;
  client.password = "wrong";
  ASSERT_EQ(client.allocate().code(), 401);
  int answers = 0;
  for (int i = 0; i < 100; ++i) answers += client.send(Method::allocate).message.has_value();
  EXPECT_EQ(answers, 9);
  EXPECT_EQ(refused(*this, "wrong_password"), 10u);
}

TEST_F(Refused, GarbageIsCountedAndNotAnswered) {
  start();
  const Client client{.remote = at("9.9.9.9:1000")};
  from_client(client, "");
  from_client(client, "x");
  from_client(client, std::string(30, '\xff'));
  EXPECT_EQ(dropped("not_turn"), 3u);
  from_client(client, std::string("\x40\0\0\x09zzz", 7));
  EXPECT_EQ(dropped("no_allocation"), 1u);
  TestClient alice(*this, "9.9.9.9:1001");
  ASSERT_EQ(alice.allocate().code(), 0);
  from_client(alice.who, std::string("\x40\0\0\x09zzz", 7));
  EXPECT_EQ(dropped("malformed"), 1u);
  std::string cut = alice.last;
  cut.pop_back();
  from_client(alice.who, cut);
  EXPECT_EQ(dropped("malformed"), 2u);
  io.to_clients.clear();
  char room[100];
  stun::Writer response(room, Class::success, Method::allocate, "aTransaction");
  from_client(alice.who, std::string(response.view()));
  EXPECT_EQ(dropped("not_turn"), 4u);
  stun::Writer send(room, Class::indication, Method::send, "aTransaction");
  from_client(alice.who, std::string(send.view()));
  EXPECT_EQ(dropped("bad_indication"), 1u);
  EXPECT_TRUE(io.to_clients.empty());
}

}  // namespace
}  // namespace causeway::relay
