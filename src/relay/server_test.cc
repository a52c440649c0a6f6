// Conversations with the TURN server: what is relayed, for whom, and for how long.
#include "relay/world_for_test.h"

namespace causeway::relay {
namespace {

using namespace testing;

using Turn = World;

TEST_F(Turn, AnAllocationRelaysBothWays) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  const Answer made = alice.allocate();
  ASSERT_EQ(made.code(), 0);
  EXPECT_EQ(made.relayed(), at("5.5.5.5:50000"));
  EXPECT_EQ(made.message->xor_address(Attribute::xor_mapped_address), at("9.9.9.9:1000"));
  EXPECT_EQ(made.lifetime(), 600u);
  EXPECT_EQ(alice.permit({"8.8.8.8:1", "8.8.4.4:1"}).code(), 0);

  alice.send_indication("8.8.8.8:4000", "hello");
  ASSERT_EQ(io.to_peers.size(), 1u);
  EXPECT_EQ(io.to_peers[0].peer, at("8.8.8.8:4000"));
  EXPECT_EQ(io.to_peers[0].bytes, "hello");
  EXPECT_FALSE(io.to_peers[0].dont_fragment);

  for (const std::string_view data : {"", "a", "ab", "abc", "abcd"}) {
    io.to_clients.clear();
    from_peer(0, "8.8.4.4:5000", data);
    ASSERT_EQ(io.to_clients.size(), 1u);
    EXPECT_EQ(io.to_clients[0].client, alice.who);
    const auto indication = stun::Message::parse(io.to_clients[0].bytes);
    ASSERT_TRUE(indication) << data;
    EXPECT_EQ(indication->kind(), Class::indication);
    EXPECT_EQ(indication->method(), Method::data);
    EXPECT_EQ(indication->xor_address(Attribute::xor_peer_address), at("8.8.4.4:5000"));
    EXPECT_EQ(indication->value(Attribute::data), data);
  }
  EXPECT_EQ(count("relay_packets_total{to=\"peer\"}"), 1u);
  EXPECT_EQ(count("relay_packets_total{to=\"client\"}"), 5u);
  EXPECT_EQ(count("relay_bytes_total{to=\"client\"}"), 10u);
}

TEST_F(Turn, ChannelsRelayBothWays) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.bind(0x4001, "8.8.8.8:4000").code(), 0);
  alice.send_channel(0x4001, "voice");
  ASSERT_EQ(io.to_peers.size(), 1u);
  EXPECT_EQ(io.to_peers[0].peer, at("8.8.8.8:4000"));
  EXPECT_EQ(io.to_peers[0].bytes, "voice");
  io.to_clients.clear();
  from_peer(0, "8.8.8.8:4000", "echo!");
  ASSERT_EQ(io.to_clients.size(), 1u);
  EXPECT_EQ(io.to_clients[0].bytes, std::string("\x40\x01\0\5echo!", 9));
  // The same host from another port has the permission, not the channel.
  from_peer(0, "8.8.8.8:4001", "other");
  EXPECT_TRUE(stun::is_stun(io.to_clients[1].bytes));
}

TEST_F(Turn, OverAStreamChannelDataIsPadded) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  alice.who.stream = true;
  alice.who.connection = 7;
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.bind(0x4001, "8.8.8.8:4000").code(), 0);
  io.to_clients.clear();
  from_peer(0, "8.8.8.8:4000", "echo!");
  EXPECT_EQ(io.to_clients.at(0).bytes, std::string("\x40\x01\0\5echo!\0\0\0", 12));
  server->on_stream_closed({.remote = alice.who.remote, .stream = true, .connection = 6});
  EXPECT_EQ(server->allocations(), 1u);
  server->on_stream_closed(alice.who);
  EXPECT_EQ(server->allocations(), 0u);
  EXPECT_TRUE(io.open_ports.empty());
}

TEST_F(Turn, WithoutPermissionNothingPasses) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate().code(), 0);
  io.to_clients.clear();
  alice.send_indication("8.8.8.8:4000", "x");
  alice.send_channel(0x4001, "x");
  from_peer(0, "8.8.8.8:4000", "x");
  from_peer(17, "8.8.8.8:4000", "x");
  EXPECT_TRUE(io.to_peers.empty());
  EXPECT_TRUE(io.to_clients.empty());
  EXPECT_EQ(dropped("no_permission"), 2u);
  EXPECT_EQ(dropped("no_channel"), 1u);
  EXPECT_EQ(dropped("no_allocation"), 1u);
}

TEST_F(Turn, PermissionsLiveFiveMinutesChannelsTen) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate([](auto& out) { out.number(Attribute::lifetime, 3600); }).code(), 0);
  ASSERT_EQ(alice.bind(0x4001, "8.8.8.8:4000").code(), 0);
  ASSERT_EQ(alice.permit({"8.8.4.4:0"}).code(), 0);
  const auto passes = [&](std::string_view peer) {
    const std::size_t before = io.to_clients.size();
    from_peer(0, peer, "x");
    return io.to_clients.size() > before;
  };
  loop.run_for(299s);
  EXPECT_TRUE(passes("8.8.8.8:4000"));
  EXPECT_TRUE(passes("8.8.4.4:4000"));
  ASSERT_EQ(alice.permit({"8.8.4.4:0"}).code(), 0);
  loop.run_for(1s);
  EXPECT_FALSE(passes("8.8.8.8:4000"));  // the channel lives, its permission does not
  EXPECT_TRUE(passes("8.8.4.4:4000"));
  alice.send_channel(0x4001, "x");
  EXPECT_EQ(io.to_peers.size(), 1u);
  loop.run_for(300s);
  alice.send_channel(0x4001, "x");
  EXPECT_EQ(io.to_peers.size(), 1u);
  // Free again: the number for another peer, the peer under another number.
  EXPECT_EQ(alice.bind(0x4001, "8.8.4.4:1").code(), 0);
  EXPECT_EQ(alice.bind(0x4002, "8.8.8.8:4000").code(), 0);
}

TEST_F(Turn, RefreshKeepsAndEnds) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate().code(), 0);
  loop.run_for(599s);
  EXPECT_EQ(alice.refresh(1200).lifetime(), 1200u);
  loop.run_for(1199s);
  EXPECT_EQ(server->allocations(), 1u);
  EXPECT_EQ(alice.refresh(1).lifetime(), 600u);        // not below the default
  EXPECT_EQ(alice.refresh(100000).lifetime(), 3600u);  // nor above the most
  EXPECT_EQ(alice.refresh(0).lifetime(), 0u);
  EXPECT_EQ(server->allocations(), 0u);
  EXPECT_TRUE(io.open_ports.empty());
  EXPECT_EQ(alice.refresh(600).code(), 437);
  EXPECT_EQ(count("relay_allocations"), 0u);
}

TEST_F(Turn, WhatNobodyRefreshesGoes) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate().code(), 0);
  loop.run_for(600s);
  EXPECT_EQ(server->allocations(), 0u);
  EXPECT_EQ(server->users(), 0u);
  EXPECT_TRUE(io.open_ports.empty());
  EXPECT_EQ(count("relay_allocations_expired_total"), 1u);
}

TEST_F(Turn, BothFamiliesInOneAllocation) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  const Answer made = alice.allocate([](auto& out) { out.octet(Attribute::additional_address_family, 2); });
  ASSERT_EQ(made.code(), 0);
  EXPECT_EQ(made.relayed(), at("5.5.5.5:50000"));
  EXPECT_EQ(io.open_ports.size(), 2u);
  EXPECT_EQ(alice.permit({"8.8.8.8:1", "[2a00::8]:1"}).code(), 0);
  alice.send_indication("8.8.8.8:1", "four");
  alice.send_indication("[2a00::8]:1", "six");
  ASSERT_EQ(io.to_peers.size(), 2u);
  EXPECT_NE(io.to_peers[0].port, io.to_peers[1].port);
  io.to_clients.clear();
  from_peer(1, "[2a00::8]:1", "six");
  const auto data = stun::Message::parse(io.to_clients.at(0).bytes);
  ASSERT_TRUE(data);
  EXPECT_EQ(data->xor_address(Attribute::xor_peer_address), at("[2a00::8]:1"));
  // One of the two is given back (RFC 8656 8.2).
  EXPECT_EQ(alice
                .ask(Method::refresh,
                     [](auto& out) {
                       out.number(Attribute::lifetime, 0);
                       out.octet(Attribute::requested_address_family, 2);
                     })
                .code(),
            0);
  EXPECT_EQ(io.open_ports.size(), 1u);
  EXPECT_EQ(server->allocations(), 1u);
  EXPECT_EQ(alice.permit({"[2a00::8]:1"}).code(), 443);
}

TEST_F(Turn, OneFamilyWhereTwoAreAskedAndOneIsThere) {
  start();
  std::uint16_t port = 1000;
  const auto allocate = [&](std::set<stun::Family> families) {
    io.families = std::move(families);
    TestClient client(*this, fmt::format("9.9.9.9:{}", port++));
    return client.allocate([](auto& out) { out.octet(Attribute::additional_address_family, 2); });
  };
  const auto refused = [](const Answer& made) {
    return base::hex(base::as_bytes(made.message->value(Attribute::address_error_code).value().substr(0, 4)));
  };
  const Answer v4 = allocate({stun::Family::ipv4}), v6 = allocate({stun::Family::ipv6});
  ASSERT_EQ(v4.code(), 0);
  EXPECT_TRUE(v4.relayed().ip.is_v4());
  EXPECT_EQ(refused(v4), "02000428");
  ASSERT_EQ(v6.code(), 0);
  EXPECT_FALSE(v6.relayed().ip.is_v4());
  EXPECT_EQ(refused(v6), "01000428");
  io.most_ports = 3;  // one more
  EXPECT_EQ(refused(allocate({stun::Family::ipv4, stun::Family::ipv6})), "02000508");
  EXPECT_EQ(allocate({}).code(), 440);
  EXPECT_EQ(allocate({stun::Family::ipv4, stun::Family::ipv6}).code(), 508);
}

TEST_F(Turn, Ipv6Alone) {
  start();
  TestClient alice(*this, "[2a09::9]:1000");
  const Answer made = alice.allocate([](auto& out) { out.octet(Attribute::requested_address_family, 2); });
  ASSERT_EQ(made.code(), 0);
  EXPECT_EQ(made.relayed(), at("[2a05::5]:50000"));
  EXPECT_EQ(made.message->xor_address(Attribute::xor_mapped_address), at("[2a09::9]:1000"));
  EXPECT_EQ(alice.bind(0x4000, "8.8.8.8:1").code(), 443);
  EXPECT_EQ(alice.bind(0x4000, "[2a00::8]:1").code(), 0);
}

TEST_F(Turn, EvenPortsAndReservations) {
  io.next_port = 50001;
  start();
  TestClient rtp(*this, "9.9.9.9:1000"), rtcp(*this, "9.9.9.9:1001"), thief(*this, "9.9.9.9:1002", "mallory");
  const Answer made = rtp.allocate([](auto& out) { out.even_port(true); });
  ASSERT_EQ(made.code(), 0);
  EXPECT_EQ(made.relayed(), at("5.5.5.5:50002"));
  const std::string token(made.message->value(Attribute::reservation_token).value());
  const auto with_token = [&](auto& out) { out.text(Attribute::reservation_token, token); };
  EXPECT_EQ(thief.allocate(with_token).code(), 508);
  EXPECT_EQ(rtcp.allocate(with_token).relayed(), at("5.5.5.5:50003"));
  TestClient late(*this, "9.9.9.9:1003");
  EXPECT_EQ(late.allocate(with_token).code(), 508);  // taken once
  const Answer second = late.allocate([](auto& out) { out.even_port(true); });
  const std::string held(second.message->value(Attribute::reservation_token).value());
  EXPECT_EQ(io.open_ports.size(), 4u);
  loop.run_for(30s);
  TestClient later(*this, "9.9.9.9:1004");
  EXPECT_EQ(later.allocate([&](auto& out) { out.text(Attribute::reservation_token, held); }).code(), 508);
  EXPECT_EQ(io.open_ports.size(), 3u);
  EXPECT_FALSE(
      later.allocate([](auto& out) { out.even_port(false); }).message->has(Attribute::reservation_token));
}

TEST_F(Turn, WhatIsReservedCountsForHalfAMinute) {
  config.quota.user_allocations = 2;
  config.quota.allocations = 2;
  start();
  TestClient rtp(*this, "9.9.9.9:1000"), rtcp(*this, "9.9.9.9:1001"), third(*this, "9.9.9.9:1002");
  const Answer made = rtp.allocate([](auto& out) { out.even_port(true); });
  ASSERT_EQ(made.code(), 0);
  EXPECT_EQ(third.allocate().code(), 508);
  // Full or draining, the second half of a pair is not sent elsewhere.
  server->set_draining(true);
  const std::string token(made.message->value(Attribute::reservation_token).value());
  EXPECT_EQ(rtcp.allocate([&](auto& out) { out.text(Attribute::reservation_token, token); }).code(), 0);
  server->set_draining(false);
  EXPECT_EQ(rtp.refresh(0).code(), 0);
  EXPECT_EQ(rtcp.refresh(0).code(), 0);
  ASSERT_EQ(rtp.allocate([](auto& out) { out.even_port(true); }).code(), 0);
  loop.run_for(29s);
  EXPECT_EQ(third.allocate().code(), 508);
  loop.run_for(1s);
  EXPECT_EQ(third.allocate().code(), 0);  // which asks for nothing reserved
}

TEST_F(Turn, SoManyPortsAreReservedAndNoMore) {
  config.quota.user_allocations = config.quota.allocations = 4 * limits::kMaxReservations;
  start();
  const auto allocate = [&](std::size_t i) {
    TestClient client(*this, fmt::format("9.9.9.9:{}", 1000 + i));
    return client.allocate([](auto& out) { out.even_port(true); }).code();
  };
  for (std::size_t i = 0; i < limits::kMaxReservations; ++i) ASSERT_EQ(allocate(i), 0) << i;
  EXPECT_EQ(allocate(limits::kMaxReservations), 508);
  loop.run_for(limits::kReservationLife);
  EXPECT_EQ(allocate(limits::kMaxReservations + 1), 0);
}

TEST_F(Turn, DontFragmentIsPassedOn) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate([](auto& out) { out.flag(Attribute::dont_fragment); }).code(), 0);
  ASSERT_EQ(alice.permit({"8.8.8.8:1"}).code(), 0);
  alice.send_indication("8.8.8.8:1", "x", true);
  EXPECT_TRUE(io.to_peers.at(0).dont_fragment);
}

TEST_F(Turn, IcmpIsToldToTheClient) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate().code(), 0);
  ASSERT_EQ(alice.permit({"8.8.8.8:1"}).code(), 0);
  io.to_clients.clear();
  server->on_icmp(0, at("8.8.4.4:1"), 3, 3, 0);  // a peer without permission
  EXPECT_TRUE(io.to_clients.empty());
  server->on_icmp(0, at("8.8.8.8:1"), 12, 0, 20);  // a parameter problem is for whoever made the header
  EXPECT_TRUE(io.to_clients.empty());
  server->on_icmp(0, at("8.8.8.8:1"), 3, 4, 1400);
  const auto told = stun::Message::parse(io.to_clients.at(0).bytes);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->method(), Method::data);
  EXPECT_FALSE(told->has(Attribute::data));
  EXPECT_EQ(base::hex(base::as_bytes(*told->value(Attribute::icmp))), "0000060400000578");
}

TEST_F(Turn, OnlyIcmpThatSpeaksOfSizeHasANumber) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  ASSERT_EQ(alice.allocate([](auto& out) { out.octet(Attribute::additional_address_family, 2); }).code(), 0);
  ASSERT_EQ(alice.permit({"8.8.8.8:1", "[2a00::8]:1"}).code(), 0);
  const auto told = [&](PortId port, std::string_view peer, std::uint8_t type, std::uint8_t code) {
    io.to_clients.clear();
    server->on_icmp(port, at(peer), type, code, 1280);
    if (io.to_clients.empty()) return std::string();
    return base::hex(base::as_bytes(*stun::Message::parse(io.to_clients[0].bytes)->value(Attribute::icmp)));
  };
  EXPECT_EQ(told(0, "8.8.8.8:1", 3, 1), "0000060100000000");
  EXPECT_EQ(told(0, "8.8.8.8:1", 11, 0), "0000160000000000");
  EXPECT_EQ(told(1, "[2a00::8]:1", 1, 4), "0000020400000000");
  EXPECT_EQ(told(1, "[2a00::8]:1", 2, 0), "0000040000000500");
  EXPECT_EQ(told(1, "[2a00::8]:1", 4, 0), "");
}

TEST_F(Turn, ARetransmittedAllocateIsAnsweredAgain) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  const Answer first = alice.allocate();
  ASSERT_EQ(first.code(), 0);
  loop.run_for(2s);
  const Answer again = alice.exchange(alice.last);
  EXPECT_EQ(again.code(), 0);
  EXPECT_EQ(again.relayed(), first.relayed());
  EXPECT_EQ(again.lifetime(), 598u);
  EXPECT_EQ(server->allocations(), 1u);
}

TEST_F(Turn, ClientsAreToldApartByTheirFiveTuple) {
  start();
  TestClient alice(*this, "9.9.9.9:1000"), bob(*this, "9.9.9.9:1001", "bob"),
      carol(*this, "9.9.9.9:1000", "carol");
  carol.who.listener = 1;
  const Address a = alice.allocate().relayed(), b = bob.allocate().relayed(), c = carol.allocate().relayed();
  EXPECT_EQ((std::set{a, b, c}.size()), 3u);
  EXPECT_EQ(server->users(), 3u);
}

TEST_F(Turn, BindingForEveryone) {
  start();
  TestClient stranger(*this, "9.9.9.9:1000");
  const Answer answer = stranger.send(Method::binding);
  EXPECT_EQ(answer.code(), 0);
  EXPECT_EQ(answer.message->xor_address(Attribute::xor_mapped_address), at("9.9.9.9:1000"));
  EXPECT_EQ(count("relay_bindings_total"), 1u);
}

TEST_F(Turn, Sha256InPlaceOfMd5) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  // A request long enough for the answer that offers it.
  const Answer challenge = alice.send(Method::allocate, [](auto& out) {
    out.octet(Attribute::requested_transport, 17);
    out.text(Attribute::software, "a client of RFC 8489");
  });
  ASSERT_EQ(challenge.code(), 401);
  EXPECT_EQ(stun::nonce_features(*challenge.message->value(Attribute::nonce)), stun::kPasswordAlgorithms);
  alice.take_challenge(challenge);
  alice.sha256 = true;
  EXPECT_EQ(alice.allocate().code(), 0);
  EXPECT_EQ(alice.permit({"8.8.8.8:1"}).code(), 0);
  // A list that somebody has shortened on the way (RFC 8489 9.2.4).
  alice.offered = std::string("\0\1\0\0", 4);
  EXPECT_EQ(alice.send(Method::refresh).code(), 400);
  alice.offered = std::string("\0\2\0\0\0\1\0\0", 8);
  EXPECT_EQ(alice.refresh(600).code(), 0);
  // The same credentials with the older algorithm.
  alice.sha256 = false;
  EXPECT_EQ(alice.refresh(600).code(), 0);
}

TEST_F(Turn, FingerprintsAreAnsweredWithFingerprints) {
  start();
  TestClient alice(*this, "9.9.9.9:1000");
  alice.fingerprints = true;
  const Answer made = alice.allocate();
  ASSERT_EQ(made.code(), 0);
  EXPECT_TRUE(made.message->has(Attribute::fingerprint));
}

}  // namespace
}  // namespace causeway::relay
