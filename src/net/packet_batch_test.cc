#include "net/packet_batch.h"

#include <sys/socket.h>

#include <gtest/gtest.h>

namespace causeway::net {
namespace {

PacketSocket open_one() {
  PacketSocket socket{open_socket(Ip::v4(0), SOCK_DGRAM)};
  EXPECT_TRUE(bind_to(socket.fd.get(), *Address::parse("127.0.0.1:0", 1)));
  return socket;
}

TEST(PacketBatch, ForwardsWithAHeaderInFront) {
  PacketSocket a = open_one(), b = open_one(), relay = open_one();
  PacketBatch batch;
  const Address to_relay = local_address(relay.fd.get()), to_b = local_address(b.fd.get());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(send_packet(a.fd.get(), to_relay, std::to_string(i)));
  std::vector<std::string> got;
  for (int round = 0; round < 4; ++round) {
    for (PacketBatch::Packet& packet : batch.receive(relay.fd.get(), 30)) {
      EXPECT_EQ(packet.from, local_address(a.fd.get()));
      std::copy_n("HEAD", 4, packet.data - 4);
      batch.send(round % 2 ? relay : a, to_b, {packet.data - 4, packet.size + 4});
    }
  }
  batch.flush();
  while (true) {
    const auto some = batch.receive(b.fd.get(), 64);
    if (some.empty()) break;
    for (const PacketBatch::Packet& packet : some) got.emplace_back(packet.data, packet.size);
  }
  ASSERT_EQ(got.size(), 100u);
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got[0], "HEAD0");
  EXPECT_EQ(batch.counts().sent, 100u);
  EXPECT_LE(batch.counts().send_calls, 5u);
}

TEST(PacketBatch, AFlushInTheMidstOfWhatWasReadLeavesTheRestWhereItLies) {
  PacketSocket a = open_one(), b = open_one(), relay = open_one(), other = open_one();
  PacketBatch batch;
  const auto fill = [&](const PacketSocket& socket, std::string_view prefix) {
    for (int i = 0; i < 4; ++i)
      ASSERT_TRUE(send_packet(a.fd.get(), local_address(socket.fd.get()), fmt::format("{}{}", prefix, i)));
  };
  fill(relay, "one");
  fill(other, "two");
  for (const PacketBatch::Packet& packet : batch.receive(relay.fd.get(), 64)) {
    batch.send(relay, local_address(b.fd.get()), {packet.data, packet.size});
    if (std::string_view(packet.data, packet.size) == "one0") batch.flush();
  }
  EXPECT_EQ(batch.receive(other.fd.get(), 64).size(), 4u);
  batch.flush();
  std::vector<std::string> got;
  for (const PacketBatch::Packet& packet : batch.receive(b.fd.get(), 64))
    got.emplace_back(packet.data, packet.size);
  EXPECT_EQ(got, (std::vector<std::string>{"one0", "one1", "one2", "one3"}));
}

TEST(PacketBatch, LikePacketsLeaveAndComeInOnePiece) {
  for (const bool segments : {true, false}) {
    PacketSocket a = open_one(), b = open_one(), c = open_one();
    PacketBatch batch(PacketBatch::Options{.segments = segments});
    batch.take_in_pieces(b.fd.get());
    const Address to_b = local_address(b.fd.get()), to_c = local_address(c.fd.get());
    std::vector<std::string> sent;
    for (int i = 0; i < 10; ++i) sent.push_back(fmt::format("packet {}", i));
    sent.push_back("a longer one");
    sent.emplace_back();
    for (const std::string& one : sent) batch.send(a, to_b, one);
    batch.send(a, to_c, sent.front());  // of the same size, but elsewhere
    batch.flush();
    EXPECT_EQ(batch.counts().sent, 13u);
    EXPECT_EQ(batch.counts().send_calls, 1u);
    std::vector<std::string> got;
    for (const PacketBatch::Packet& packet : batch.receive(b.fd.get(), 3))  // three pieces, or packets
      got.emplace_back(packet.data, packet.size);
    EXPECT_EQ(got.size(), segments ? 12u : 3u);
    sent.resize(got.size());
    EXPECT_EQ(got, sent);
    EXPECT_EQ(batch.receive(c.fd.get(), 3).size(), 1u);
  }
}

TEST(PacketBatch, WithoutBatchesOnePacketIsOneCall) {
  PacketSocket a = open_one(), b = open_one();
  PacketBatch batch(PacketBatch::Options{.most = 1});
  for (int i = 0; i < 3; ++i) batch.send(a, local_address(b.fd.get()), "x");
  batch.flush();
  EXPECT_EQ(batch.counts().send_calls, 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(batch.receive(b.fd.get(), 64).size(), 1u);
}

TEST(PacketBatch, TheLargestAndTheEmpty) {
  PacketSocket a = open_one(), b = open_one();
  PacketBatch batch;
  const Address to_b = local_address(b.fd.get());
  const std::string large(65507, 'x');
  batch.send(a, to_b, large);
  batch.send(a, to_b, "");
  batch.flush();
  const auto got = batch.receive(b.fd.get(), 64);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].size, large.size());
  EXPECT_EQ(got[1].size, 0u);
}

TEST(PacketBatch, APieceThatTheKernelDoesNotCutLeavesPacketByPacket) {
  PacketSocket a = open_one(), b = open_one();
  ASSERT_TRUE(set_option(a.fd.get(), SOL_SOCKET, SO_NO_CHECK, 1));  // with it, UDP_SEGMENT is EINVAL
  PacketBatch batch;
  const Address to_b = local_address(b.fd.get());
  for (const std::string_view bytes : {"one", "two", "six"}) batch.send(a, to_b, bytes);
  batch.flush();
  EXPECT_EQ(batch.counts().sent, 3u);
  EXPECT_EQ(batch.counts().send_calls, 2u);
  const auto got = batch.receive(b.fd.get(), 64);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(std::string_view(got[2].data, got[2].size), "six");
}

TEST(PacketBatch, OneAtATime) {
  PacketSocket a = open_one(), b = open_one();
  PacketBatch batch;
  EXPECT_TRUE(batch.receive_one(b.fd.get()).empty());
  EXPECT_EQ(errno, EAGAIN);
  batch.send(a, local_address(b.fd.get()), "one");
  batch.flush();
  const auto got = batch.receive_one(b.fd.get());
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(std::string_view(got[0].data, got[0].size), "one");
  EXPECT_EQ(got[0].from, local_address(a.fd.get()));
}

TEST(PacketBatch, WhatIsRefusedDoesNotHoldUpTheRest) {
  PacketSocket a = open_one(), b = open_one();
  PacketBatch batch;
  const Address to_b = local_address(b.fd.get());
  batch.send(a, to_b, std::string(70000, 'x'));  // too long for a datagram
  batch.send(a, to_b, "fine");
  batch.flush();
  EXPECT_EQ(batch.counts().refused, 1u);
  EXPECT_EQ(batch.receive(b.fd.get(), 64).size(), 1u);
  EXPECT_TRUE(batch.receive(b.fd.get(), 64).empty());
}

}  // namespace
}  // namespace causeway::net
