// Hostile peers: one without the network key, and one with a credential for another user.
#include <gtest/gtest.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#include "overlay/dht_node.h"
#include "overlay/test_world.h"
#include "overlay/users.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;

#if defined(__SANITIZE_ADDRESS__)
using WithoutLeakCheck = __lsan::ScopedDisabler;
#else
struct WithoutLeakCheck {
  WithoutLeakCheck() {}
};
#endif

// A member that follows no rule: it holds and hands out whatever it likes.
class Mallory {
 public:
  Mallory(TestWorld& world, TestPeer& peer)
      : socket_(world.loop, world.random, peer.metrics, peer.bundle.network_key) {
    if (!socket_.open(*peer.network, std::vector{net::Address{peer.ip, TestWorld::kPort}}))
      throw std::runtime_error("no socket");
    DhtNode::Config config{.peer = peer.bundle.peer_id(),
                           .network = network_of(peer.bundle.domain),
                           .types = {{kUserType, 10min}},
                           .refused_types = 0};
    DhtNode::Hooks hooks{.store = [](const auto&, const auto&, auto) { return true; },
                         .refused_type = [] {},
                         .refused_edit = [] {},
                         .after = [] {}};
    node_ = std::make_unique<DhtNode>(world.loop, socket_, config, std::move(hooks));
    node_->ping(world.address(0));
    world.run_for(10s);
  }
  std::size_t knows() const { return node_->status().known; }

  static constexpr std::uint16_t kUserType = 0xca01;
  static DhtKey key_of(std::string_view uri) {
    identity::Sha256 hash = identity::sha256(base::as_bytes(uri));
    DhtKey key;
    std::copy_n(hash.begin(), key.size(), key.begin());
    return key;
  }
  static std::uint64_t id_of(const base::Bytes& bytes) {
    identity::Sha256 hash = identity::sha256(bytes);
    std::uint64_t id;
    std::memcpy(&id, hash.data(), sizeof id);
    return id;
  }
  static std::uint32_t network_of(std::string_view domain) {
    identity::Sha256 hash = identity::sha256(base::as_bytes(domain));
    std::uint32_t id;
    std::memcpy(&id, hash.data(), sizeof id);
    return id;
  }
  // OpenDHT numbers pings at random, with 32 bits, and loses one for good that has the number of another: of
  // a flood's 24,576 every 20th time one.
  void ask(const net::Address& whom, int times) {
    const WithoutLeakCheck scope;
    for (int i = 0; i < times; ++i) node_->ping(whom);
  }
  void put(std::string_view uri, const base::Bytes& bytes, std::uint16_t type = kUserType,
           std::optional<std::uint64_t> id = {}) {
    node_->put(key_of(uri), {type, id.value_or(id_of(bytes)), true, bytes});
  }

 private:
  SealedSocket socket_;
  std::unique_ptr<DhtNode> node_;
};

class HostileTest : public testing::Test {
 protected:
  static constexpr int kHonest = 6;
  TestWorld world;
  const std::string alice = "sip:alice@p2psip.org", bob = "sip:bob@p2psip.org";
  std::unique_ptr<Mallory> mallory;
  Signer mallorys;

  HostileTest() : mallorys{} {}

  void start(std::uint32_t refused_types = 16) {
    world.defaults.refused_types = refused_types;
    for (int i = 0; i < kHonest; ++i) {
      world.join();
      world.run_for(100ms);
    }
    world.run_for(3s);
    TestPeer& machine = world.add({}, {"mallory"});
    mallorys = machine.signer;
    mallory = std::make_unique<Mallory>(world, machine);
    ASSERT_GE(mallory->knows(), 5u);
  }
  TestPeer& peer(std::size_t n) { return *world.peers[n]; }

  std::uint64_t sum(std::string_view metric) const {
    std::uint64_t all = 0;
    for (int i = 0; i < kHonest; ++i) all += world.peers[static_cast<std::size_t>(i)]->metrics.value(metric);
    return all;
  }
  std::uint64_t refused(std::string reason) const {
    return sum("overlay_store_refused_total{reason=\"" + reason + "\"}");
  }
  std::size_t held() const {
    std::size_t all = 0;
    for (int i = 0; i < kHonest; ++i)
      all += world.peers[static_cast<std::size_t>(i)]->overlay->health().stored_records;
    return all;
  }
  // Puts it, and expects that holders refuse it for this reason and store nothing.
  void expect_refused(std::string_view uri, const base::Bytes& bytes, std::string reason,
                      std::uint16_t type = Mallory::kUserType, std::optional<std::uint64_t> id = {}) {
    std::size_t held_before = held();
    std::uint64_t before = refused(reason);
    mallory->put(uri, bytes, type, id);
    world.run_for(3s);
    EXPECT_GE(refused(reason), before + 4) << reason;
    EXPECT_EQ(held(), held_before) << reason;
  }
};

// Requests of a member that asks for ever are answered at a rate; the others are served meanwhile.
TEST_F(HostileTest, AMemberThatFloodsIsAnsweredAtItsRate) {
  start();
  TestPeer& victim = peer(0);
  const auto in = victim.metrics.value("overlay_datagrams_in_total");
  const auto out = victim.metrics.value("overlay_datagrams_out_total");
  constexpr int kFlood = 3 * limits::kMaxRequestsPerSecondPerAddress;
  mallory->ask(world.address(0), kFlood);
  world.run_for(900ms);
  EXPECT_GE(victim.metrics.value("overlay_datagrams_in_total"), in + kFlood);
  const auto answered = victim.metrics.value("overlay_datagrams_out_total") - out;
  EXPECT_GT(answered, limits::kMaxRequestsPerSecondPerAddress / 2u);
  EXPECT_LT(answered, limits::kMaxRequestsPerSecondPerAddress + 1000u);
  world.run_for(5s);
  peer(1).overlay->put(world.user(peer(1), "alice"));
  world.run_for(2s);
  EXPECT_EQ(world.get(victim, alice).size(), 1u);
}

TEST_F(HostileTest, WithoutTheNetworkKeyNobodyIsHeardAndNothingIsRead) {
  start();
  TestDomain others;  // the same name, another authority
  world.peers.push_back(
      std::make_unique<TestPeer>(others.issue({identity::Role::registrar}, {}, world.loop.unix_now()),
                                 world.ip(50), world.network.host(world.ip(50))));
  TestPeer& outsider = *world.peers.back();
  std::uint64_t heard = sum("overlay_datagrams_in_total");
  world.run(outsider, world.config(outsider, {world.address(0), world.address(1)}));
  outsider.overlay->put(world.user(outsider, "alice"));
  EXPECT_TRUE(world.get(outsider, alice, 5s).size() <= 1u);  // its own
  world.run_for(30s);
  EXPECT_FALSE(outsider.overlay->health().connected);
  EXPECT_EQ(outsider.metrics.value("overlay_datagrams_in_total"), 0u);
  EXPECT_GE(sum("overlay_datagrams_dropped_total{reason=\"forged\"}"), 4u);
  EXPECT_GE(sum("overlay_datagrams_in_total"), heard);
  for (int i = 0; i < kHonest; ++i) EXPECT_TRUE(world.get(peer(static_cast<std::size_t>(i)), alice).empty());
  EXPECT_EQ(refused("invalid"), 0u);  // not one byte of it got that far
}

TEST_F(HostileTest, HoldersRefuseAndReadersIgnoreWhatBreaksTheOneRule) {
  start(65536);
  base::UnixMs now = world.loop.unix_now();
  Record genuine = world.user(peer(0), "alice");

  Record forged = mallorys.sign(Kind::user, alice, now, now + 600'000,
                                encode(body_at(mallorys.credential.key.peer_id(), "evil", now)));
  expect_refused(alice, forged.encoded, "invalid");

  Record borrowed = Signer{mallorys.key, peer(0).signer.credential}.sign(Kind::user, alice, now,
                                                                         now + 600'000, forged.body);
  expect_refused(alice, borrowed.encoded, "invalid");

  base::Bytes altered = genuine.encoded;
  altered[altered.size() / 2] ^= 1;
  expect_refused(alice, altered, "invalid");

  expect_refused(bob, genuine.encoded, "wrong_key");
  expect_refused(alice, base::Bytes(2000, 'x'), "too_long");
  expect_refused(alice, {1, 2, 3}, "invalid");
  expect_refused(alice, genuine.encoded, "malformed", Mallory::kUserType, 4711);
  for (std::uint16_t type : {0, 3, 0xca00, 0xffff})
    expect_refused(alice, genuine.encoded, "other_type", type);

  // Mallory, whom everybody asks in a domain this small, hands all of it out to those who read.
  for (int i = 0; i < kHonest; ++i) {
    TestPeer& reader = peer(static_cast<std::size_t>(i));
    auto found = world.get(reader, alice);
    EXPECT_LE(found.size(), 1u);
    for (const Record& record : found) EXPECT_EQ(record.encoded, genuine.encoded);
    EXPECT_TRUE(world.get(reader, bob).empty());
    EXPECT_GT(reader.metrics.value("overlay_read_ignored_total"), 0u);
  }
}

TEST_F(HostileTest, AnExpiredRecordIsRefusedAndIgnored) {
  start();
  base::UnixMs now = world.loop.unix_now();
  Record expired = peer(0).signer.sign(Kind::user, alice, now, now + 60'000,
                                       encode(body_at(peer(0).bundle.peer_id(), "old", now)));
  world.run_for(60s + std::chrono::seconds(2 * identity::kClockSkewSeconds));
  expect_refused(alice, expired.encoded, "invalid");
  EXPECT_TRUE(world.get(peer(3), alice).empty());
}

TEST_F(HostileTest, AReplayedRegistrationDoesNotComeBackAfterTheTombstone) {
  start();
  Record registration = world.user(peer(0), "alice");
  peer(0).overlay->put(registration);
  world.run_for(1s);
  EXPECT_EQ(world.get(peer(3), alice).size(), 1u);
  base::UnixMs now = world.loop.unix_now();
  peer(0).overlay->put(peer(0).signer.sign(Kind::user, alice, now, now + 60'000, {}));
  world.run_for(1s);
  // Holders have emptied its value: "edit". Where that is gone by now it is "old".
  expect_refused(alice, registration.encoded, "edit");
  Users users(world.loop, *peer(3).overlay, peer(3).metrics);
  std::optional<UserLookup> answer;
  users.find(alice, [&](const UserLookup& lookup) { answer = lookup; });
  world.run_for(3s);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->known);
  EXPECT_TRUE(answer->contacts.empty());
}

TEST_F(HostileTest, MalloryMayStillSpeakForHerself) {
  start();
  base::UnixMs now = world.loop.unix_now();
  Record own = mallorys.sign(Kind::user, "sip:mallory@p2psip.org", now, now + 600'000,
                             encode(body_at(mallorys.credential.key.peer_id(), "mine", now)));
  mallory->put(own.uri, own.encoded);
  world.run_for(1s);
  EXPECT_EQ(world.get(peer(3), own.uri).size(), 1u);
}

TEST_F(HostileTest, JunkInsideTheSealHarmsNobody) {
  start();
  TestPeer& machine = world.add({}, {"eve"});
  SealedSocket socket(world.loop, world.random, machine.metrics, machine.bundle.network_key);
  ASSERT_TRUE(socket.open(*machine.network, std::vector{net::Address{machine.ip, TestWorld::kPort}}));
  base::Bytes junk;
  for (int i = 0; i < 500; ++i) {
    junk.resize(world.random.below(1400));
    world.random.fill(junk);
    socket.send(world.address(static_cast<std::size_t>(i) % kHonest), junk);
    world.run_for(1ms);
  }
  EXPECT_GT(sum("overlay_datagrams_dropped_total{reason=\"malformed\"}"), 400u);
  struct Nobody final : net::UdpHandler {
    void on_datagrams(std::span<net::Datagram>) override {}
  } nobody;
  auto plain = *machine.network->open_udp({machine.ip, 7401}, nobody);
  plain->send(world.address(0), base::Buffer::copy_of(std::string(limits::kMaxDatagram + 1, 'x')));
  world.run_for(100ms);
  EXPECT_EQ(sum("overlay_datagrams_dropped_total{reason=\"too_long\"}"), 1u);
  peer(0).overlay->put(world.user(peer(0), "alice"));
  world.run_for(2s);
  EXPECT_EQ(world.get(peer(4), alice).size(), 1u);
}

}  // namespace
}  // namespace causeway::overlay
