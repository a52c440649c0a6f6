#include "ua/relay_tunnels.h"

#include <sys/prctl.h>

#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>

#include "base/epoll_loop.h"
#include "net/real_network.h"

namespace causeway::ua {
namespace {

// A connection of libnice's, and the one to the relay that it is carried on by. The first that ends takes the
// other with it.
class Pipe {
 public:
  // Who is told that it has ended may destroy it. `by_relay`: not by this side.
  using Ended = std::function<void(Pipe& pipe, bool by_relay)>;

  Pipe(net::Network& network, const net::Address& relay, const net::TlsClient& tls,
       std::unique_ptr<net::Stream> near, Ended ended)
      : near_end_{*this, false}, far_end_{*this, true}, ended_(std::move(ended)), near_(std::move(near)) {
    far_ = network.connect(relay, tls, far_end_);
    near_->set_handler(near_end_);
  }

 private:
  struct End final : net::StreamHandler {
    End(Pipe& of, bool at_relay) : pipe(of), is_relay(at_relay) {}
    void on_bytes(std::span<const char> bytes) override {
      net::Stream& to = is_relay ? *pipe.near_ : *pipe.far_;
      to.send(base::Buffer::copy_of({bytes.data(), bytes.size()}));
    }
    void on_closed(const net::StreamClosed&) override { pipe.ended_(pipe, is_relay); }
    Pipe& pipe;
    const bool is_relay;
  };
  End near_end_, far_end_;
  Ended ended_;
  std::unique_ptr<net::Stream> near_, far_;
};

}  // namespace

// `loop_` and what is made of it belong to the thread.
class RelayTunnels::Impl {
 public:
  explicit Impl(std::unique_ptr<net::TlsContext> tls) : tls_(std::move(tls)) {
    thread_ = std::thread([this] {
      ::prctl(PR_SET_NAME, "relay tunnels");
      loop_->run();
    });
  }
  ~Impl() {
    loop_->post_from_any_thread([this] { loop_->stop(); });
    thread_.join();
  }

  base::Result<net::Address> open(const net::Endpoint& relay, const std::string& name) {
    if (relay.transport == net::Transport::tls && tls_ == nullptr)
      return base::fail("relay {}: there is no TLS context; give one, or use the relay over UDP or TCP",
                        relay.text());
    std::promise<base::Result<net::Address>> opened;
    loop_->post_from_any_thread([&] { opened.set_value(open_here(relay, name)); });
    return opened.get_future().get();
  }

  std::uint64_t lost(const net::Address& opened) const {
    const std::lock_guard lock(mutex_);
    const auto found = lost_.find(opened);
    return found == lost_.end() ? 0 : found->second;
  }

 private:
  using Key = std::tuple<net::Endpoint, std::string>;

  base::Result<net::Address> open_here(const net::Endpoint& relay, const std::string& name) {
    auto& listener = listeners_[{relay, name}];
    if (listener) return listener->local();
    const auto loopback = net::Ip::parse(relay.address.ip.is_v4() ? "127.0.0.1" : "::1");
    auto made = network_->listen({*loopback, 0}, nullptr, [this, relay, name, &listener](auto stream) {
      carry_on(std::move(stream), listener->local(), relay, name);
    });
    if (!made) {
      listeners_.erase({relay, name});
      return std::unexpected(made.error());
    }
    listener = std::move(*made);
    return listener->local();
  }

  void carry_on(std::unique_ptr<net::Stream> near, const net::Address& at, const net::Endpoint& relay,
                const std::string& name) {
    const net::TlsClient tls{relay.transport == net::Transport::tls ? tls_.get() : nullptr,
                             name.empty() ? relay.address.ip.text() : name};
    auto pipe = std::make_unique<Pipe>(*network_, relay.address, tls, std::move(near),
                                       [this, at](Pipe& ended, bool by_relay) {
                                         if (by_relay) {
                                           const std::lock_guard lock(mutex_);
                                           ++lost_[at];
                                         }
                                         pipes_.erase(&ended);  // and with it what this stands in
                                       });
    Pipe* const key = pipe.get();
    pipes_.emplace(key, std::move(pipe));
  }

  std::unique_ptr<base::Loop> loop_ = base::make_epoll_loop();
  base::Metrics metrics_;
  std::unique_ptr<net::Network> network_ = net::make_real_network(*loop_, metrics_);
  std::unique_ptr<net::TlsContext> tls_;
  std::map<Key, std::unique_ptr<net::Listener>> listeners_;
  std::map<Pipe*, std::unique_ptr<Pipe>> pipes_;
  mutable std::mutex mutex_;
  std::map<net::Address, std::uint64_t> lost_;
  std::thread thread_;
};

RelayTunnels::RelayTunnels(std::unique_ptr<net::TlsContext> tls)
    : impl_(std::make_unique<Impl>(std::move(tls))) {}
RelayTunnels::~RelayTunnels() = default;
base::Result<net::Address> RelayTunnels::open(const net::Endpoint& relay, const std::string& name) {
  return impl_->open(relay, name);
}
std::uint64_t RelayTunnels::lost(const net::Address& opened) const { return impl_->lost(opened); }

}  // namespace causeway::ua
