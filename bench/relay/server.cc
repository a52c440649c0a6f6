// relay_alone: the relay without the peer around it, with what it does to be fast switched on and off, to
// tell what each brings. Runs until it is ended.
//
//   relay_alone --listen 127.0.0.1:3478 --secret S --threads 2 --batch 1 --segments 0 --pace 0
//
// With several threads each has a relay of its own; the kernel gives every client to one of them
// (SO_REUSEPORT).
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "relay/relay.h"

namespace {

using namespace causeway;

struct Options {
  net::Address listen{net::Ip::v4(0x7f000001), 3478};
  std::string secret;
  int threads = 1, batch = net::PacketBatch::kPackets;
  std::optional<int> pace;
  bool segments = true;
};

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "relay_alone: %s\n", why.c_str());
  std::exit(1);
}

Options read_options(int count, char** words) {
  Options o;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view name = words[i];
    const char* value = words[i + 1];
    if (name == "--listen") {
      const auto parsed = net::Address::parse(value);
      if (!parsed) fail(parsed.error().message);
      o.listen = *parsed;
    } else if (name == "--secret") {
      o.secret = value;
    } else if (name == "--threads") {
      o.threads = std::atoi(value);
    } else if (name == "--batch") {
      o.batch = std::max(std::atoi(value), 1);
    } else if (name == "--pace") {
      o.pace = std::atoi(value);
    } else if (name == "--segments") {
      o.segments = std::atoi(value) != 0;
    } else {
      fail("unknown option " + std::string(name));
    }
  }
  return o;
}

relay::RelayConfig config_of(const Options& o, base::Random& random) {
  constexpr std::int64_t kMany = 1'000'000;
  relay::RelayConfig config{.key = identity::PrivateKey::generate(random)};
  config.authority = config.key.public_key();
  config.domain = config.server.realm = "p2p.test";
  config.server.quota = {.allocations = kMany, .user_allocations = kMany};
  config.server.unauthenticated_per_second = kMany;
  config.secret = o.secret;
  config.allowed = {*net::Range::parse("127.0.0.0/8")};
  config.sockets.listen = {{net::Transport::udp, o.listen}};
  config.sockets.relayed = {{o.listen.ip, o.listen.ip}};
  if (o.pace) config.pace = std::chrono::microseconds(*o.pace);
  config.sockets.first_port = 20000;
  config.sockets.last_port = 60000;
  config.sockets.batch = {.most = static_cast<std::size_t>(o.batch), .segments = o.segments};
  return config;
}

}  // namespace

int main(int count, char** words) {
  const Options o = read_options(count, words);
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  base::Random random;
  std::vector<std::unique_ptr<relay::Relay>> relays;
  for (int i = 0; i < o.threads; ++i) {
    relay::RelayConfig config = config_of(o, random);
    if (o.threads > 1) config.sockets.sharing = i == 0 ? net::PortSharing::first : net::PortSharing::further;
    auto relay = relay::Relay::start(std::move(config));
    if (!relay) fail(relay.error().message);
    relays.push_back(std::move(*relay));
  }
  int signal = 0;
  sigwait(&ends, &signal);
}
