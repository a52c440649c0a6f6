// turn: clients of a TURN server under test, and the peers they talk to, over UDP on loopback. One line of
// JSON.
//
//   turn --server 127.0.0.1:3478 --secret S --clients 100 --rate 50 --seconds 10 --size 172 --burst 1
//   turn --server 127.0.0.1:3478 --secret S --clients 10000 --rate 0        set-up alone
//
// Each client makes an allocation and binds a channel to a peer of its own; then client and peer send each
// other `rate` packets a second (--rate -1: as fast as the server takes them, each side keeping a window of
// packets on their way). With --burst 8 eight packets leave one sender at once, in one piece, as a card puts
// together what comes at once. Counted is what arrived on both sides, and how long it took.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "net/descriptor.h"
#include "net/packet_batch.h"
#include "relay/credentials.h"
#include "stun/framing.h"
#include "stun/writer.h"

namespace {

using namespace causeway;
using stun::Attribute;
using stun::Class;
using stun::Method;
using Clock = std::chrono::steady_clock;

constexpr std::uint16_t kChannel = stun::kFirstChannel;
constexpr int kMismatch = 437, kAttempts = 5;
constexpr int kWindow = 4;  // packets on their way from each side, with --rate -1

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "turn: %s\n", why.c_str());
  std::exit(1);
}

struct Options {
  net::Address server{net::Ip::v4(0x7f000001), 3478};
  std::string secret, realm;
  int clients = 100, size = 172, burst = 1;
  double rate = 50, seconds = 10;
};

Options read_options(int count, char** words) {
  Options o;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view name = words[i];
    const char* value = words[i + 1];
    if (name == "--server") {
      const auto parsed = net::Address::parse(value);
      if (!parsed) fail(parsed.error().message);
      o.server = *parsed;
    } else if (name == "--secret") {
      o.secret = value;
    } else if (name == "--clients") {
      o.clients = std::atoi(value);
    } else if (name == "--size") {
      o.size = std::max(std::atoi(value), 16);
    } else if (name == "--burst") {
      o.burst = std::max(std::atoi(value), 1);
    } else if (name == "--rate") {
      o.rate = std::atof(value);
    } else if (name == "--seconds") {
      o.seconds = std::atof(value);
    } else {
      fail("unknown option " + std::string(name));
    }
  }
  return o;
}

std::uint64_t now_ns() { return static_cast<std::uint64_t>(Clock::now().time_since_epoch().count()); }

// Packets on their way out, until flush().
class Sender {
 public:
  explicit Sender(bool in_pieces) : batch({.segments = in_pieces}) {}
  void send(net::PacketSocket& from, const net::Address& to, std::size_t size, bool as_channel_data) {
    char* packet = room_[next_++ % room_.size()].data();
    char* data = packet + (as_channel_data ? stun::kChannelHeader : 0);
    const std::uint64_t now = now_ns();
    std::memcpy(data, &now, sizeof now);
    if (as_channel_data) stun::write_channel_header(packet, kChannel, size);
    batch.send(from, to, {packet, static_cast<std::size_t>(data - packet) + size});
  }
  net::PacketBatch batch;

 private:
  // What has not left yet is at most one batch.
  std::vector<std::array<char, 2048>> room_{2 * net::PacketBatch::kPackets};
  std::size_t next_ = 0;
};

class Client {
 public:
  Client(const Options& o, int number) : options_(o), number_(number) {
    open(server_);
    if (o.rate != 0) open(peer_);
  }

  void set_up() {
    username_ = std::to_string(std::time(nullptr) + 86400) + ":bench";
    password_ = relay::SharedSecret::password(options_.secret, username_);
    connect();
    for (int attempt = 0; !request(Method::allocate); ++attempt) {
      if (attempt == kAttempts) refused();
      if (error_ != kMismatch) continue;  // 401, with the nonce
      open(server_);                      // RFC 8656 6.3.4: an allocation from this port is not gone yet
      connect();
    }
    if (!request(Method::channel_bind)) refused();
  }

  // Gives the allocation back: the next client may have this port.
  void end() { request(Method::refresh); }

  // From the client through the relay to the peer, or back.
  void send(bool from_client, Sender& sender) {
    const auto size = static_cast<std::size_t>(options_.size);
    if (from_client)
      sender.send(server_, options_.server, size, true);
    else
      sender.send(peer_, relayed_, size, false);
    ++sent;
  }

  // Takes what has come on one side; how many.
  int take(bool at_client, net::PacketBatch& batch, std::vector<std::uint32_t>& delays) {
    int got = 0;
    const std::size_t head = at_client ? stun::kChannelHeader : 0;
    for (const net::PacketBatch::Packet& packet : batch.receive(fd(at_client), net::limits::kBatch)) {
      if (packet.size < head + 8) continue;
      std::uint64_t then;
      std::memcpy(&then, packet.data + head, sizeof then);
      delays.push_back(static_cast<std::uint32_t>((now_ns() - then) / 1000));
      ++got;
    }
    return got;
  }

  int fd(bool client_side) const { return (client_side ? server_ : peer_).fd.get(); }
  std::uint64_t sent = 0;

 private:
  static void open(net::PacketSocket& socket) {
    const net::Address local{net::Ip::v4(0x7f000001), 0};
    socket.fd = net::open_socket(local.ip, SOCK_DGRAM);
    if (!socket.fd || !net::bind_to(socket.fd.get(), local)) fail("no socket: " + net::error_text(errno));
  }
  [[noreturn]] void refused() const {
    fail(error_ ? "the server answers " + std::to_string(error_) : "the server is silent");
  }
  void connect() {
    sockaddr_storage to;
    const socklen_t size = options_.server.to_sockaddr(to);
    if (::connect(server_.fd.get(), reinterpret_cast<sockaddr*>(&to), size) != 0) fail("connect");
  }

  bool request(Method method) {
    char room[1024];
    char transaction[stun::kTransactionSize] = {};
    std::memcpy(transaction, &number_, sizeof number_);
    transaction[8] = static_cast<char>(++requests_);
    stun::Writer out(room, Class::request, method, {transaction, sizeof transaction});
    if (method == Method::allocate) out.octet(Attribute::requested_transport, 17);
    if (method == Method::refresh) out.number(Attribute::lifetime, 0);
    if (method == Method::channel_bind) {
      out.channel(kChannel);
      const net::Address nobody{net::Ip::v4(0x7f000001), 9};
      out.xor_address(Attribute::xor_peer_address, peer_.fd ? net::local_address(peer_.fd.get()) : nobody);
    }
    if (!nonce_.empty()) {
      out.text(Attribute::username, username_);
      out.text(Attribute::realm, realm_);
      out.text(Attribute::nonce, nonce_);
      out.integrity(Attribute::message_integrity, stun::Key::long_term(username_, realm_, password_));
    }
    error_ = 0;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const std::string_view bytes = out.view();
      ::send(server_.fd.get(), bytes.data(), bytes.size(), 0);
      pollfd ready{server_.fd.get(), POLLIN, 0};
      while (::poll(&ready, 1, 500) == 1) {
        char answer[2048];
        const ssize_t n = ::recv(server_.fd.get(), answer, sizeof answer, 0);
        const auto message =
            stun::Message::parse({answer, static_cast<std::size_t>(std::max<ssize_t>(n, 0))});
        if (!message || message->transaction() != std::string_view(transaction, sizeof transaction)) continue;
        if (const auto nonce = message->value(Attribute::nonce)) nonce_ = *nonce;
        if (const auto realm = message->value(Attribute::realm)) realm_ = *realm;
        if (const auto relayed = message->xor_address(Attribute::xor_relayed_address)) relayed_ = *relayed;
        error_ = message->error().value_or(0);
        return message->kind() == Class::success;
      }
    }
    return false;
  }

  const Options& options_;
  net::PacketSocket server_, peer_;
  int number_, requests_ = 0, error_ = 0;
  std::string username_, password_, nonce_, realm_;
  net::Address relayed_;
};

double percentile(std::vector<std::uint32_t>& sorted, double share) {
  return sorted.empty() ? 0
                        : sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

int main(int count, char** words) {
  const Options o = read_options(count, words);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < o.clients; ++i) clients.push_back(std::make_unique<Client>(o, i));
  const auto start = Clock::now();
  for (auto& client : clients) client->set_up();
  const double set_up = std::chrono::duration<double>(Clock::now() - start).count();
  std::printf("{\"allocations\": %d, \"set_up_seconds\": %.3f}\n", o.clients, set_up);
  std::fflush(stdout);
  if (o.rate == 0) {
    ::pause();  // whoever measures looks at the server now, and ends this
    return 0;
  }

  const net::Descriptor set(::epoll_create1(0));
  for (std::size_t i = 0; i < clients.size(); ++i)
    for (const bool side : {true, false}) {
      epoll_event event{.events = EPOLLIN, .data = {.u64 = 2 * i + side}};
      ::epoll_ctl(set.get(), EPOLL_CTL_ADD, clients[i]->fd(side), &event);
    }
  Sender sender(o.burst > 1);
  net::PacketBatch incoming;
  for (auto& client : clients)
    for (const bool side : {true, false}) incoming.take_in_pieces(client->fd(side));
  std::vector<std::uint32_t> delays;
  delays.reserve(10'000'000);
  const bool saturate = o.rate < 0;
  if (saturate)
    for (auto& client : clients)
      for (int i = 0; i < kWindow; ++i)
        for (const bool side : {true, false}) client->send(side, sender);
  const double step = saturate ? 0 : 1 / (o.rate * static_cast<double>(2 * clients.size()));
  std::uint64_t due = 0;
  const auto burst = static_cast<std::uint64_t>(o.burst);
  const auto begin = Clock::now();
  double passed = 0;
  while ((passed = std::chrono::duration<double>(Clock::now() - begin).count()) < o.seconds + 0.5) {
    if (!saturate && passed < o.seconds)
      for (; static_cast<double>(due) * step <= passed; ++due)
        clients[due / 2 / burst % clients.size()]->send(due / burst % 2 == 0, sender);
    sender.batch.flush();
    epoll_event events[256];
    const int n = ::epoll_wait(set.get(), events, 256, 1);
    for (int i = 0; i < n; ++i) {
      Client& client = *clients[events[i].data.u64 / 2];
      const bool at_client = events[i].data.u64 % 2;
      int got = client.take(at_client, incoming, delays);
      if (saturate && passed < o.seconds)
        while (got-- > 0) client.send(!at_client, sender);
    }
  }
  std::uint64_t sent = 0;
  for (auto& client : clients) sent += client->sent;
  for (auto& client : clients) client->end();
  const std::size_t received = delays.size();
  std::sort(delays.begin(), delays.end());
  std::printf("{\"sent\": %llu, \"received\": %zu, \"p50_us\": %.0f, \"p99_us\": %.0f}\n",
              static_cast<unsigned long long>(sent), received, percentile(delays, 0.5),
              percentile(delays, 0.99));
}
