// What a relayed packet and a request cost without the kernel: the rest of the time of bench/rig is system
// calls.
#include <benchmark/benchmark.h>

#include "base/sim_loop.h"
#include "identity/relay_token.h"
#include "relay/server.h"
#include "stun/framing.h"

namespace {

using namespace causeway;
using namespace causeway::relay;
using stun::Attribute;
using stun::Class;
using stun::Method;

constexpr std::string_view kTransaction = "aTransaction";
constexpr std::size_t kVoice = 172;  // RTP with 20 ms of G.711

struct Nowhere final : Io {
  bool has_family(stun::Family) const override { return true; }
  std::optional<Opened> open(stun::Family, Wish) override {
    return Opened{.port = {ports++, {net::Ip::v4(0x05050505), 9}}, .next = {}};
  }
  void close(PortId) override {}
  void answer(const Client&, std::string_view bytes) override { answered.assign(bytes); }
  void to_client(const Client&, std::string_view bytes) override { benchmark::DoNotOptimize(bytes); }
  void copy_to_client(const Client&, std::string_view bytes) override { benchmark::DoNotOptimize(bytes); }
  void to_peer(PortId, const net::Address&, std::string_view bytes, bool) override {
    benchmark::DoNotOptimize(bytes);
  }
  PortId ports = 0;
  std::string answered;
};

// A server with allocations that have one channel each.
struct Relay {
  static constexpr std::string_view kUser = "99999999999:alice";
  base::SimLoop loop;
  base::Random random{1};
  base::Metrics metrics;
  Nowhere io;
  net::AddressPolicy policy;
  SharedSecret credentials{"secret"};
  Server server{{.realm = "p2psip.org",
                 .quota = {.allocations = 1'000'000, .user_allocations = 1'000'000},
                 .unauthenticated_per_second = 1'000'000},
                loop,
                random,
                metrics,
                io,
                policy,
                credentials};
  std::vector<Client> clients;
  net::Address peer{net::Ip::v4(0x08080808), 4000};

  explicit Relay(int count) {
    for (int i = 0; i < count; ++i) {
      Client& client = clients.emplace_back(
          Client{.remote = {net::Ip::v4(0x09000000 + static_cast<std::uint32_t>(i / 50000)),
                            static_cast<std::uint16_t>(i % 50000 + 1)}});
      request(client, Method::allocate, {});
      const std::string nonce(stun::Message::parse(io.answered)->value(Attribute::nonce).value());
      request(client, Method::allocate, nonce);
      request(client, Method::channel_bind, nonce);
    }
    if (server.allocations() != clients.size()) std::abort();
  }

  void request(const Client& client, Method method, const std::string& nonce) {
    char room[512];
    stun::Writer out(room, Class::request, method, kTransaction);
    if (method == Method::allocate) out.octet(Attribute::requested_transport, 17);
    if (method == Method::channel_bind) {
      out.channel(stun::kFirstChannel);
      out.xor_address(Attribute::xor_peer_address, peer);
    }
    if (!nonce.empty()) {
      out.text(Attribute::username, kUser);
      out.text(Attribute::realm, "p2psip.org");
      out.text(Attribute::nonce, nonce);
      out.integrity(Attribute::message_integrity,
                    stun::Key::long_term(kUser, "p2psip.org", SharedSecret::password("secret", kUser)));
    }
    server.on_client(client, out.view());
  }
};

void relay_channel_data_to_peer(benchmark::State& state) {
  Relay relay(static_cast<int>(state.range(0)));
  char bytes[stun::kChannelHeader + kVoice] = {};
  stun::write_channel_header(bytes, stun::kFirstChannel, kVoice);
  std::size_t next = 0;
  for (auto _ : state) {
    relay.server.on_client(relay.clients[next], {bytes, sizeof bytes});
    if (++next == relay.clients.size()) next = 0;
  }
}
BENCHMARK(relay_channel_data_to_peer)->Arg(100)->Arg(10000);

void relay_peer_to_channel_data(benchmark::State& state) {
  Relay relay(static_cast<int>(state.range(0)));
  char room[Packet::kHeadroom + kVoice + Packet::kTailroom] = {};
  PortId next = 0;
  for (auto _ : state) {
    relay.server.on_peer(next, relay.peer, {room + Packet::kHeadroom, kVoice});
    if (++next == relay.clients.size()) next = 0;
  }
}
BENCHMARK(relay_peer_to_channel_data)->Arg(100)->Arg(10000);

void relay_peer_to_data_indication(benchmark::State& state) {
  Relay relay(100);
  const net::Address another{relay.peer.ip, 4001};  // permitted, without a channel
  char room[Packet::kHeadroom + kVoice + Packet::kTailroom] = {};
  PortId next = 0;
  for (auto _ : state) {
    relay.server.on_peer(next, another, {room + Packet::kHeadroom, kVoice});
    if (++next == relay.clients.size()) next = 0;
  }
}
BENCHMARK(relay_peer_to_data_indication);

void relay_send_indication(benchmark::State& state) {
  Relay relay(100);
  char room[512];
  stun::Writer out(room, Class::indication, Method::send, kTransaction);
  out.xor_address(Attribute::xor_peer_address, relay.peer);
  out.text(Attribute::data, std::string(kVoice, 'v'));
  std::size_t next = 0;
  for (auto _ : state) {
    relay.server.on_client(relay.clients[next], out.view());
    if (++next == relay.clients.size()) next = 0;
  }
}
BENCHMARK(relay_send_indication);

void relay_challenge(benchmark::State& state) {
  Relay relay(1);
  const Client stranger{.remote = {net::Ip::v4(0x0a000001), 1}, .stream = true, .connection = 1};
  for (auto _ : state) relay.request(stranger, Method::allocate, {});
}
BENCHMARK(relay_challenge);

void stun_parse_refresh(benchmark::State& state) {
  char room[512];
  stun::Writer out(room, Class::request, Method::refresh, kTransaction);
  out.number(Attribute::lifetime, 600);
  out.text(Attribute::username, Relay::kUser);
  out.text(Attribute::realm, "p2psip.org");
  out.text(Attribute::nonce, "obMatJos2gAAA0123456789abcdef");
  out.integrity(Attribute::message_integrity, stun::Key::short_term("secret"));
  out.fingerprint();
  for (auto _ : state) benchmark::DoNotOptimize(stun::Message::parse(out.view()));
}
BENCHMARK(stun_parse_refresh);

void stun_check_integrity(benchmark::State& state) {
  char room[512];
  const stun::Key key = stun::Key::long_term("alice", "p2psip.org", "secret");
  stun::Writer out(room, Class::request, Method::refresh, kTransaction);
  out.text(Attribute::username, Relay::kUser);
  out.text(Attribute::nonce, "obMatJos2gAAA0123456789abcdef");
  out.integrity(Attribute::message_integrity, key);
  const auto message = stun::Message::parse(out.view());
  for (auto _ : state)
    if (!stun::check_integrity(*message, Attribute::message_integrity, key)) state.SkipWithError("refused");
}
BENCHMARK(stun_check_integrity);

void relay_token_check(benchmark::State& state) {
  base::Random random(1);
  const auto authority = identity::PrivateKey::generate(random), own = identity::PrivateKey::generate(random);
  identity::Credential credential;
  credential.domain = "p2psip.org";
  credential.key = own.public_key();
  credential.covers = {"sip:*@"};
  credential.not_after = 1'900'000'000;
  credential.sign(authority);
  identity::RelayTokens relay("p2psip.org", authority.public_key(), own);
  const identity::TokenKey keys[] = {relay.public_key()};
  const auto token = identity::make_relay_tokens("alice", 1'850'000'000'000, own, credential, keys, random);
  for (auto _ : state)
    if (!relay.check(token->front().username, 1'800'000'000'000)) state.SkipWithError("refused");
  state.counters["characters"] = static_cast<double>(token->front().username.size());
}
BENCHMARK(relay_token_check);

}  // namespace
