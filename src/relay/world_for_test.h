// A TURN server under a fake clock, with clients that speak to it and a list of what it lets out.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>
#include <string>

#include "base/encoding.h"
#include "base/sim_loop.h"
#include "relay/server.h"
#include "stun/framing.h"

namespace causeway::relay::testing {

using namespace std::chrono_literals;
using net::Address;
using stun::Attribute;
using stun::Class;
using stun::Method;

inline Address at(std::string_view text) { return Address::parse(text).value(); }

// A lists of packets in place of sockets.
class FakeIo final : public Io {
 public:
  struct Sent {
    Client client;  // to a client, or
    PortId port;    // from this port
    Address peer;   // to this peer
    std::string bytes;
    bool dont_fragment = false;
  };

  bool has_family(stun::Family family) const override { return families.contains(family); }
  std::optional<Opened> open(stun::Family family, Wish wish) override {
    if (open_ports.size() >= most_ports) return std::nullopt;
    if (wish != Wish::any && next_port % 2 != 0) ++next_port;
    Opened opened{.port = make(family), .next = {}};
    if (wish == Wish::even_and_next) opened.next = make(family);
    return opened;
  }
  void close(PortId port) override { EXPECT_EQ(open_ports.erase(port), 1u); }
  void answer(const Client& client, std::string_view bytes) override { to_client(client, bytes); }
  void to_client(const Client& client, std::string_view bytes) override {
    to_clients.push_back({client, kNoPort, {}, std::string(bytes)});
  }
  void copy_to_client(const Client& client, std::string_view bytes) override { to_client(client, bytes); }
  void to_peer(PortId port, const Address& peer, std::string_view bytes, bool dont_fragment) override {
    EXPECT_TRUE(open_ports.contains(port));
    to_peers.push_back({{}, port, peer, std::string(bytes), dont_fragment});
  }

  std::set<stun::Family> families{stun::Family::ipv4, stun::Family::ipv6};
  std::size_t most_ports = 1000;
  std::uint16_t next_port = 50000;
  std::set<PortId> open_ports;
  std::deque<Sent> to_clients, to_peers;

 private:
  Port make(stun::Family family) {
    PortId id = 0;
    while (open_ports.contains(id)) ++id;
    open_ports.insert(id);
    return {id,
            at(fmt::format("{}:{}", family == stun::Family::ipv4 ? "5.5.5.5" : "[2a05::5]", next_port++))};
  }
};

// What a TestClient speaks to.
class Wire {
 public:
  virtual ~Wire() = default;
  virtual void send(const Client& from, std::string_view bytes) = 0;
  // The answer to what was sent last; empty if none comes.
  virtual std::string answer(const Client& to) = 0;
  virtual base::UnixMs unix_now() const = 0;
};

struct World : ::testing::Test, Wire {
  static constexpr std::string_view kSecret = "north";
  base::SimLoop loop;
  base::Random random{7};
  base::Metrics metrics;
  FakeIo io;
  net::AddressPolicy policy;
  SharedSecret credentials{std::string(kSecret)};
  ServerConfig config{.realm = "p2psip.org"};
  std::unique_ptr<Server> server;

  Server& start() {
    server = std::make_unique<Server>(config, loop, random, metrics, io, policy, credentials);
    return *server;
  }
  std::uint64_t count(std::string_view name) const { return metrics.value(name); }
  std::uint64_t dropped(std::string_view reason) const {
    return count(fmt::format("relay_dropped_total{{reason=\"{}\"}}", reason));
  }
  void from_client(const Client& client, std::string_view bytes) { server->on_client(client, bytes); }

  void send(const Client& from, std::string_view bytes) override {
    io.to_clients.clear();
    from_client(from, bytes);
  }
  std::string answer(const Client& to) override {
    if (io.to_clients.empty()) return {};
    EXPECT_EQ(io.to_clients.size(), 1u);
    EXPECT_EQ(io.to_clients.front().client, to);
    std::string bytes = std::move(io.to_clients.front().bytes);
    io.to_clients.clear();
    return bytes;
  }
  base::UnixMs unix_now() const override { return loop.unix_now(); }
  void from_peer(PortId port, std::string_view peer, std::string_view data) {
    std::string room(Packet::kHeadroom, '#');
    room += data;
    room.append(Packet::kTailroom, '#');
    server->on_peer(port, at(peer), {room.data() + Packet::kHeadroom, data.size()});
  }
};

// What an answer says, copied out of it.
struct Answer {
  std::string bytes;
  std::optional<stun::Message> message;
  int code() const {
    return !message ? -1 : message->kind() == Class::success ? 0 : message->error().value_or(-2);
  }
  std::uint32_t lifetime() const { return message->number(Attribute::lifetime).value_or(UINT32_MAX); }
  Address relayed() const { return message->xor_address(Attribute::xor_relayed_address).value_or(Address{}); }
};

// A client that answers challenges as RFC 8489 9.2.5 has it.
class TestClient {
 public:
  TestClient(Wire& wire, std::string_view address, std::string user = "alice")
      : wire_(wire), who{.remote = at(address)}, user_(std::move(user)) {
    expires(wire.unix_now() / 1000 + 86400);
  }

  void expires(std::int64_t seconds) {
    username = fmt::format("{}:{}", seconds, user_);
    password = SharedSecret::password(World::kSecret, username);
  }

  using Attributes = std::function<void(stun::Writer&)>;
  // Sends a request with credentials, once more if the server wants a new nonce. The last answer.
  Answer ask(Method method, const Attributes& attributes = {}) {
    Answer answer;
    for (int i = 0; i < 3; ++i) {
      answer = send(method, attributes);
      if (answer.code() != 401 && answer.code() != 438) return answer;
      if (answer.code() == 401 && proved_) return answer;
      take_challenge(answer);
    }
    return answer;
  }

  // One request as it is, and its answer (no message if there is none).
  Answer send(Method method, const Attributes& attributes = {}) {
    char room[2000];
    transaction[0] = static_cast<char>(transaction[0] + 1);
    stun::Writer out(room, Class::request, method, transaction);
    if (attributes) attributes(out);
    proved_ = !nonce.empty();
    if (proved_) {
      out.text(Attribute::username, username);
      out.text(Attribute::realm, realm);
      out.text(Attribute::nonce, nonce);
      if (sha256) {
        out.text(Attribute::password_algorithms, offered);
        out.password_algorithm(stun::PasswordAlgorithm::sha256);
      }
      out.integrity(sha256 ? Attribute::message_integrity_sha256 : Attribute::message_integrity, key());
    }
    if (fingerprints) out.fingerprint();
    EXPECT_TRUE(out.fits());
    last = out.view();
    return exchange(last);
  }

  Answer exchange(std::string bytes) {
    wire_.send(who, bytes);
    Answer answer;
    answer.bytes = wire_.answer(who);
    if (answer.bytes.empty()) return answer;
    const auto parsed = stun::Message::parse(answer.bytes);
    EXPECT_TRUE(parsed);
    if (parsed) answer.message = *parsed;
    if (proved_ && answer.message && answer.code() != 401 && answer.code() != 438 && answer.code() != 400) {
      const Attribute type = sha256 ? Attribute::message_integrity_sha256 : Attribute::message_integrity;
      EXPECT_TRUE(stun::check_integrity(*answer.message, type, key())) << answer.code();
    }
    return answer;
  }

  void take_challenge(const Answer& answer) {
    nonce = answer.message->value(Attribute::nonce).value_or("");
    realm = answer.message->value(Attribute::realm).value_or("");
    offered = answer.message->value(Attribute::password_algorithms).value_or("");
    EXPECT_FALSE(nonce.empty());
  }

  stun::Key key() const {
    return stun::Key::long_term(username, realm, password,
                                sha256 ? stun::PasswordAlgorithm::sha256 : stun::PasswordAlgorithm::md5);
  }

  Answer allocate(const Attributes& more = {}) {
    return ask(Method::allocate, [&](stun::Writer& out) {
      out.octet(Attribute::requested_transport, 17);
      if (more) more(out);
    });
  }
  Answer refresh(std::uint32_t lifetime) {
    return ask(Method::refresh, [&](stun::Writer& out) { out.number(Attribute::lifetime, lifetime); });
  }
  Answer permit(std::initializer_list<std::string_view> peers) {
    return ask(Method::create_permission, [&](stun::Writer& out) {
      for (const std::string_view peer : peers) out.xor_address(Attribute::xor_peer_address, at(peer));
    });
  }
  Answer bind(std::uint16_t channel, std::string_view peer) {
    return ask(Method::channel_bind, [&](stun::Writer& out) {
      out.channel(channel);
      out.xor_address(Attribute::xor_peer_address, at(peer));
    });
  }
  void send_indication(std::string_view peer, std::string_view data, bool dont_fragment = false) {
    char room[2000];
    stun::Writer out(room, Class::indication, Method::send, transaction);
    out.xor_address(Attribute::xor_peer_address, at(peer));
    if (dont_fragment) out.flag(Attribute::dont_fragment);
    out.text(Attribute::data, data);
    wire_.send(who, out.view());
  }
  void send_channel(std::uint16_t channel, std::string_view data) {
    std::string bytes(stun::kChannelHeader, '\0');
    stun::write_channel_header(bytes.data(), channel, data.size());
    wire_.send(who, bytes + std::string(data));
  }

 private:
  Wire& wire_;

 public:
  Client who;
  std::string username, password, nonce, realm, offered, last;
  std::string transaction = "aTransaction";
  bool sha256 = false, fingerprints = false;

 private:
  std::string user_;
  bool proved_ = false;
};

}  // namespace causeway::relay::testing
