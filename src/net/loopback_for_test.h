// A real network on loopback, and handlers that remember what they were told. For tests only.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/epoll_loop.h"
#include "net/descriptor.h"
#include "net/real_network.h"

namespace causeway::net::test {

using namespace std::chrono_literals;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

inline Address at(std::string_view text) { return *Address::parse(text); }
inline base::Buffer bytes(std::string_view text) { return base::Buffer::copy_of(text); }

class Talker final : public StreamHandler {
 public:
  void on_connected() override {
    connected = true;
    if (when_connected) when_connected();
  }
  void on_bytes(std::span<const char> b) override {
    text.append(b.data(), b.size());
    ++chunks;
    if (when_bytes) when_bytes();
  }
  void on_closed(const StreamClosed& why) override {
    EXPECT_FALSE(closed) << "told twice: " << why.text;
    closed = why;
    if (when_closed) when_closed();
  }
  std::function<void()> when_connected, when_bytes, when_closed;
  bool connected = false;
  std::string text;
  int chunks = 0;
  std::optional<StreamClosed> closed;
};

class Loopback : public testing::Test {
 protected:
  std::unique_ptr<base::Loop> loop = base::make_epoll_loop();
  base::Metrics metrics;
  std::unique_ptr<Network> network = make_real_network(*loop, metrics);

  std::uint64_t count(std::string_view name) const { return metrics.value(name); }

  // Runs the loop until `done`, or fails the test.
  void run_until(const std::function<bool()>& done, base::Duration limit = 5s) {
    const base::Instant end = loop->now() + limit;
    while (!done() && loop->now() < end) loop->run_for(1ms);
    EXPECT_TRUE(done()) << "did not happen in time";
  }
  void run(base::Duration span = 20ms) { loop->run_for(span); }
};

// A listener that keeps what it accepts, and one stream to it.
class StreamsOnLoopback : public Loopback {
 protected:
  void listen(TlsContext* tls = nullptr) {
    listener.reset();
    auto made = network->listen(at("127.0.0.1:0"), tls, [this](std::unique_ptr<Stream> s) {
      ++accepted;
      s->set_handler(served);
      server = std::move(s);
    });
    ASSERT_TRUE(made) << made.error().message;
    listener = std::move(*made);
  }
  void connect(TlsContext* tls = nullptr, std::string name = {}) {
    client = network->connect(listener->local(), {tls, std::move(name)}, caller);
  }
  // A socket of the test's own, without our code. Blocking.
  Descriptor raw_client(const char* from = "127.0.0.1") {
    Descriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage own{}, to{};
    const socklen_t own_length = Address{*Ip::parse(from), 0}.to_sockaddr(own);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&own), own_length), 0);
    const socklen_t length = listener->local().to_sockaddr(to);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), length), 0);
    return fd;
  }
  static void write(const Descriptor& fd, std::string_view text) {
    EXPECT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // What comes within the loop's next 20 ms.
  std::string read(const Descriptor& fd) {
    run();
    char text[4096];
    const ssize_t got = ::recv(fd.get(), text, sizeof text, MSG_DONTWAIT);
    return got > 0 ? std::string(text, static_cast<std::size_t>(got)) : "";
  }
  static void reset_connection(Descriptor& fd) {
    const linger at_once{1, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    fd.close();
  }

  Talker caller, served;
  int accepted = 0;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Stream> client, server;
};

}  // namespace causeway::net::test
