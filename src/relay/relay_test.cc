// The relay with real sockets on loopback, and with real tokens.
#include "relay/relay.h"

#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include "relay/world_for_test.h"

namespace causeway::relay {
namespace {

using namespace testing;

constexpr std::string_view kDomain = "p2psip.org";

// A UDP socket of one client; its test waits for what comes.
class Loopback final : public Wire {
 public:
  explicit Loopback(const net::Address& relay) : relay_(relay), fd_(net::open_socket(relay.ip, SOCK_DGRAM)) {
    EXPECT_TRUE(net::bind_to(fd_.get(), {relay.ip, 0}));
  }
  void send(const Client&, std::string_view bytes) override { send_to(relay_, bytes); }
  void send_to(const net::Address& to, std::string_view bytes) {
    EXPECT_TRUE(net::send_packet(fd_.get(), to, bytes));
  }
  std::string answer(const Client&) override { return next(); }
  // The next datagram, or nothing.
  std::string next(int patience_ms = 1000) {
    pollfd ready{fd_.get(), POLLIN, 0};
    if (::poll(&ready, 1, patience_ms) != 1) return {};
    std::string bytes(2048, '\0');
    const ssize_t size = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return bytes;
  }
  base::UnixMs unix_now() const override {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
  }
  net::Address local() const { return net::local_address(fd_.get()); }

 private:
  net::Address relay_;
  net::Descriptor fd_;
};

struct RelayTest : ::testing::Test {
  base::Random random{3};
  identity::PrivateKey authority = identity::PrivateKey::generate(random);
  identity::PrivateKey maker = identity::PrivateKey::generate(random);
  RelayConfig config = make_config();
  std::unique_ptr<Relay> relay;

  RelayConfig make_config() {
    RelayConfig c{.key = identity::PrivateKey::generate(random)};
    c.domain = c.server.realm = kDomain;
    c.authority = authority.public_key();
    c.secret = World::kSecret;
    c.allowed = {net::Range::parse("127.0.0.0/8").value()};
    c.sockets.listen = {{net::Transport::udp, net::Address{net::Ip::v4(0x7f000001), 0}}};
    c.sockets.relayed = {{net::Ip::v4(0x7f000001), net::Ip::v4(0x7f000001)}};
    return c;
  }
  net::Address start() {
    auto started = Relay::start(std::move(config));
    EXPECT_TRUE(started) << started.error().message;
    relay = std::move(*started);
    return relay->listening().front().address;
  }

  identity::RelayToken token(std::string_view user, const identity::TokenKey& relay_key,
                             std::int64_t seconds = 600) {
    const std::int64_t now = Loopback({net::Ip::v4(0x7f000001), 1}).unix_now() / 1000;
    identity::Credential credential;
    credential.domain = kDomain;
    credential.key = maker.public_key();
    credential.covers = {"sip:*@"};
    credential.not_before = static_cast<std::uint64_t>(now - 1000);
    credential.not_after = static_cast<std::uint64_t>(now + 86400);
    credential.sign(authority);
    const identity::TokenKey keys[] = {relay_key};
    return identity::make_relay_tokens(user, (now + seconds) * 1000, maker, credential, keys, random)
        ->front();
  }

  // A counter, when the relay's thread has copied it once more and it is this.
  std::uint64_t count(std::string_view name, std::uint64_t expected) const {
    std::uint64_t value = UINT64_MAX;
    for (int i = 0; i < 300 && value != expected; ++i) {
      for (const auto& [found, now] : relay->status().counters)
        if (found == name) value = now;
      std::this_thread::sleep_for(10ms);
    }
    return value;
  }
};

TEST_F(RelayTest, WithATokenPacketsPassBothWays) {
  const net::Address at_relay = start();
  Loopback wire(at_relay), peer(at_relay);
  TestClient alice(wire, "127.0.0.1:1");
  const identity::RelayToken made = token("alice", relay->token_key());
  alice.username = made.username;
  alice.password = made.password;
  const net::Address relayed = alice.allocate().relayed();
  ASSERT_NE(relayed, net::Address{});
  ASSERT_EQ(alice.bind(0x4000, peer.local().text()).code(), 0);
  alice.send_channel(0x4000, "to the peer");
  EXPECT_EQ(peer.next(), "to the peer");
  peer.send_to(relayed, "and back");
  EXPECT_EQ(wire.next(), std::string("\x40\0\0\x08"
                                     "and back",
                                     12));
  for (int i = 0; i < 20; ++i) peer.send_to(relayed, "equal");  // may come, and leave, in one piece
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(wire.next(), std::string("\x40\0\0\x05"
                                       "equal",
                                       9));
  EXPECT_EQ(count("relay_packets_total{to=\"client\"}", 21), 21u);
  EXPECT_EQ(relay->status().users, 1u);
}

TEST_F(RelayTest, TokensThatLetNobodyIn) {
  const net::Address at_relay = start();
  const identity::RelayTokens other(std::string(kDomain), authority.public_key(),
                                    identity::PrivateKey::generate(random));
  const identity::RelayToken good = token("alice", relay->token_key());
  const auto code = [&](const identity::RelayToken& tried) {
    Loopback wire(at_relay);
    TestClient client(wire, "127.0.0.1:1");
    client.username = tried.username;
    client.password = tried.password;
    return client.allocate().code();
  };
  EXPECT_EQ(code(token("alice", other.public_key())), 401);                            // another relay's
  EXPECT_EQ(code({good.username, token("alice", relay->token_key()).password}), 401);  // borrowed: overheard
  EXPECT_EQ(count("relay_refused_credentials_total{reason=\"wrong_password\"}", 2), 2u);
  EXPECT_EQ(code(token("alice", relay->token_key(), -1)), 401);
  EXPECT_EQ(count("relay_refused_credentials_total{reason=\"expired\"}", 1), 1u);
  identity::RelayToken altered = good;
  char& in_the_signature = altered.username[altered.username.size() - 20];
  in_the_signature = in_the_signature == 'x' ? 'y' : 'x';
  EXPECT_EQ(code(altered), 401);
  std::swap(maker, authority);  // signed by nobody whom this domain knows
  EXPECT_EQ(code(token("alice", relay->token_key())), 401);
  EXPECT_EQ(count("relay_refused_credentials_total{reason=\"forged\"}", 2), 2u);
  EXPECT_EQ(code({"nonsense", "x"}), 401);
  EXPECT_EQ(count("relay_refused_credentials_total{reason=\"unknown\"}", 1), 1u);
  EXPECT_EQ(code(good), 0);
}

// Of a phone that knows TURN with a user name and a password, and no more (RFC 8489 9.2).
TEST_F(RelayTest, APhoneHasItsAccount) {
  const auto accounts_of = [](std::string_view password) {
    const auto digest = [&](stun::PasswordAlgorithm algorithm) {
      return base::hex(stun::Key::long_term("1001", kDomain, password, algorithm).bytes());
    };
    auto accounts = std::make_shared<identity::Accounts>();
    accounts->set("1001", {digest(stun::PasswordAlgorithm::md5), digest(stun::PasswordAlgorithm::sha256)});
    accounts->set("1002", {digest(stun::PasswordAlgorithm::md5), ""});
    return accounts;
  };
  config.accounts = accounts_of("old");
  const net::Address at_relay = start();
  const auto code = [&](std::string_view user, std::string_view password, bool sha256 = false) {
    Loopback wire(at_relay);
    TestClient client(wire, "127.0.0.1:1");
    client.username = user;
    client.password = password;
    client.sha256 = sha256;
    // With room in the challenge for the algorithms (RFC 8489 9.2.3).
    return client.allocate([](stun::Writer& out) { out.text(Attribute::software, "a phone of today"); })
        .code();
  };
  EXPECT_EQ(code("1001", "old"), 0);
  EXPECT_EQ(code("1001", "old", true), 0);
  EXPECT_EQ(code("1001", "new"), 401);
  EXPECT_EQ(code("1002", "old", true), 401) << "has no secret for this algorithm";
  EXPECT_EQ(count("relay_refused_credentials_total{reason=\"wrong_password\"}", 2), 2u);
  relay->set_accounts(accounts_of("new"));
  EXPECT_EQ(code("1001", "new"), 0);
  EXPECT_EQ(code("1001", "old"), 401);
  EXPECT_EQ(code("1003", "old"), 401);
}

TEST_F(RelayTest, AFullRelaySendsClientsToAnother) {
  config.server.quota.allocations = 1;
  const net::Address at_relay = start();
  const std::set<net::Address> others{at("7.7.7.7:3478"), at("7.7.7.8:3478")};
  std::vector<net::Endpoint> all;
  for (const auto& other : others) all.push_back({net::Transport::udp, other});
  all.push_back({net::Transport::udp, at("[2a07::7]:3478")});  // of no use to who has come over IPv4,
  all.push_back({net::Transport::tcp, at("7.7.7.9:3478")});    // or over UDP
  relay->set_alternates(all);
  Loopback first(at_relay), second(at_relay);
  TestClient alice(first, "127.0.0.1:1"), bob(second, "127.0.0.1:2", "bob");
  ASSERT_EQ(alice.allocate().code(), 0);
  // Its thread hears of it in a later turn.
  const auto comes_to = [&](int code) {
    for (int i = 0; i < 1000; ++i) {
      if (const int now = bob.allocate().code(); now == code) return true;
      bob.refresh(0);
      std::this_thread::sleep_for(1ms);
    }
    return false;
  };
  ASSERT_TRUE(comes_to(300));
  std::set<net::Address> named;
  for (int i = 0; i < 40; ++i) {
    const Answer answer = bob.allocate();
    ASSERT_EQ(answer.code(), 300);
    named.insert(answer.message->address(Attribute::alternate_server).value_or(net::Address{}));
  }
  EXPECT_EQ(named, others);
  ASSERT_EQ(alice.refresh(0).code(), 0);
  relay->set_draining(true);
  EXPECT_TRUE(comes_to(300));
  relay->set_draining(false);
  EXPECT_TRUE(comes_to(0));
}

TEST_F(RelayTest, PortsComeFromTheirRangeAndGoBack) {
  config.sockets.first_port = 50101;
  config.sockets.last_port = 50104;
  const net::Address at_relay = start();
  std::deque<Loopback> wires;
  std::deque<TestClient> clients;
  const auto next = [&]() -> TestClient& {
    return clients.emplace_back(wires.emplace_back(at_relay), "127.0.0.1:1");
  };
  const auto even = [](stun::Writer& out) { out.even_port(true); };
  // Of 50101 to 50104 only 50102 is even with one above it.
  const Answer pair = next().allocate(even);
  ASSERT_EQ(pair.code(), 0);
  EXPECT_EQ(pair.relayed().port, 50102);
  const std::string token(pair.message->value(Attribute::reservation_token).value());
  EXPECT_EQ(next().allocate([&](auto& out) { out.text(Attribute::reservation_token, token); }).relayed().port,
            50103);
  EXPECT_EQ(next().allocate(even).code(), 508);
  EXPECT_EQ(next().allocate([](auto& out) { out.even_port(false); }).relayed().port, 50104);
  EXPECT_EQ(next().allocate().relayed().port, 50101);
  EXPECT_EQ(next().allocate().code(), 508);
  ASSERT_EQ(clients.front().refresh(0).code(), 0);
  EXPECT_EQ(next().allocate().relayed().port, 50102);
}

TEST_F(RelayTest, APortThatAnotherProgramHasIsNotGiven) {
  Loopback other({net::Ip::v4(0x7f000001), 0});
  config.sockets.first_port = config.sockets.last_port = other.local().port;
  Loopback wire(start());
  TestClient alice(wire, "127.0.0.1:1");
  EXPECT_EQ(alice.allocate().code(), 508);
}

TEST_F(RelayTest, ConnectionsWithoutAllocationsAreClosed) {
  config.sockets.stream_idle = 200ms;
  config.sockets.listen = {{net::Transport::tcp, net::Address{net::Ip::v4(0x7f000001), 0}}};
  const net::Address at_relay = start();
  const net::Descriptor silent = net::open_socket(at_relay.ip, SOCK_STREAM);
  sockaddr_storage to;
  const socklen_t size = at_relay.to_sockaddr(to);
  ::connect(silent.get(), reinterpret_cast<const sockaddr*>(&to), size);
  pollfd ended{silent.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 2000), 1);
  char byte;
  EXPECT_EQ(::recv(silent.get(), &byte, 1, 0), 0);
  EXPECT_EQ(count("relay_connections_closed_total{reason=\"idle\"}", 1), 1u);
}

TEST_F(RelayTest, AfterTheEndNothingListens) {
  const net::Address at_relay = start();
  Loopback wire(at_relay);
  TestClient alice(wire, "127.0.0.1:1");
  ASSERT_EQ(alice.allocate().code(), 0);
  relay.reset();
  const net::Descriptor again = net::open_socket(at_relay.ip, SOCK_DGRAM);
  EXPECT_TRUE(net::bind_to(again.get(), at_relay));
}

}  // namespace
}  // namespace causeway::relay
