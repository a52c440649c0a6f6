#include "relay/relay.h"

#include <sys/resource.h>

#include <mutex>
#include <thread>

#include "base/epoll_loop.h"
#include "base/log.h"
#include "net/real_network.h"

namespace causeway::relay {
namespace {

constexpr const char* kLog = "relay";
constexpr base::Duration kStatusEvery = std::chrono::seconds(1);

// The name of an account (which may be all digits), or `expiry:user`, or a relay token, which begins with its
// version: 'A' in base64.
class AnyCredentials final : public Credentials {
 public:
  explicit AnyCredentials(const RelayConfig& config)
      : secret_(config.secret),
        tokens_(config.domain, config.authority, config.key),
        has_secret_(!config.secret.empty()) {
    accounts_.set(config.accounts);
  }

  std::expected<Grant, Refusal> find(std::string_view username, base::UnixMs now) override {
    if (auto holder = accounts_.find(username, now)) return holder;
    if (!username.empty() && username[0] >= '0' && username[0] <= '9')
      return has_secret_ ? secret_.find(username, now) : std::unexpected(Refusal::unknown);
    auto granted = tokens_.check(username, now);
    if (granted) return Grant{std::move(granted->user), std::move(granted->password), granted->until};
    switch (granted.error()) {
      case identity::RelayTokens::Refusal::malformed:
        return std::unexpected(Refusal::unknown);
      case identity::RelayTokens::Refusal::expired:
        return std::unexpected(Refusal::expired);
      case identity::RelayTokens::Refusal::forged:
        break;
    }
    return std::unexpected(Refusal::forged);
  }
  void set_accounts(std::shared_ptr<const identity::Accounts> accounts) {
    accounts_.set(std::move(accounts));
  }
  identity::TokenKey token_key() const { return tokens_.public_key(); }

 private:
  SharedSecret secret_;
  AccountHolders accounts_;
  identity::RelayTokens tokens_;
  bool has_secret_;
};

// Each allocation is a descriptor: as many as the system lets this process have.
void raise_descriptor_limit(std::int64_t allocations) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max != RLIM_INFINITY && static_cast<std::int64_t>(limit.rlim_max) < 2 * allocations)
    base::log::warn(
        kLog,
        "relay.max_allocations is {}, but there are only {} descriptors for their ports; raise the "
        "limit (ulimit -Hn, or LimitNOFILE)",
        allocations, limit.rlim_max);
}

}  // namespace

// Everything but `thread_` and what `mutex_` guards belongs to the relay's thread once that runs.
class Relay::Impl {
 public:
  explicit Impl(RelayConfig config)
      : config_(std::move(config)),
        loop_(base::make_epoll_loop(config_.pace)),
        network_(net::make_real_network(*loop_, metrics_, {}, config_.sockets.sharing)),
        credentials_(config_),
        token_key_(credentials_.token_key()),
        renew_(loop_->timers(), [this] { renew_status(); }) {
    policy_.allow(config_.allowed);
  }

  ~Impl() {
    if (thread_.joinable()) {
      loop_->post_from_any_thread([this] { loop_->stop(); });
      thread_.join();
    }
    if (sockets_) sockets_->close_all();
    server_.reset();
  }

  base::Status start() {
    if (config_.tls) {
      auto tls = net::TlsContext::public_server(*config_.tls);
      if (!tls) return std::unexpected(tls.error());
      tls_ = std::move(*tls);
      tls_->keep_messages_apart();
      config_.sockets.tls = tls_.get();
    }
    raise_descriptor_limit(config_.server.quota.allocations);
    renew_own_addresses();
    sockets_ = std::make_unique<Sockets>(*loop_, *network_, random_, metrics_, config_.sockets);
    server_ =
        std::make_unique<Server>(config_.server, *loop_, random_, metrics_, *sockets_, policy_, credentials_);
    if (auto opened = sockets_->open(*server_); !opened) return opened;
    listening_ = sockets_->locals();
    renew_status();
    thread_ = std::thread([this] { loop_->run(); });
    return {};
  }

  void renew_own_addresses() {
    std::vector<net::Ip> own = net::interface_addresses();
    for (const auto& relayed : config_.sockets.relayed) own.push_back(relayed.known);
    policy_.set_own(std::move(own));
  }

  void set_alternates(const std::vector<net::Endpoint>& others) {
    server_->set_alternate([this, others](const Client& client) -> std::optional<net::Address> {
      std::vector<net::Address> fitting;
      for (const net::Endpoint& one : others)
        if (one.transport == sockets_->transport_of(client) &&
            one.address.ip.is_v4() == client.remote.ip.is_v4())
          fitting.push_back(one.address);
      if (fitting.empty()) return std::nullopt;
      return fitting[random_.below(fitting.size())];
    });
  }

  void renew_status() {
    if (++renewals_ % 60 == 0) {  // interfaces come and go
      renew_own_addresses();
      sockets_->follow_addresses();
    }
    Status now{server_->allocations(), server_->users(), server_->ports_in_use(), server_->draining(), {}};
    // The network's own counters must not have the names of the peer's.
    for (const auto& row : metrics_.rows())
      now.counters.emplace_back(row.name.starts_with("relay_") ? row.name : "relay_" + row.name,
                                row.counter.value);
    {
      const std::lock_guard lock(mutex_);
      status_ = std::move(now);
    }
    renew_.start(kStatusEvery);
  }

  RelayConfig config_;
  base::Metrics metrics_;
  base::Random random_;
  std::unique_ptr<base::Loop> loop_;
  std::unique_ptr<net::Network> network_;
  net::AddressPolicy policy_;
  AnyCredentials credentials_;
  const identity::TokenKey token_key_;
  std::unique_ptr<net::TlsContext> tls_;
  std::unique_ptr<Sockets> sockets_;
  std::unique_ptr<Server> server_;
  base::Timer renew_;
  std::uint64_t renewals_ = 0;
  std::vector<net::Endpoint> listening_;
  std::thread thread_;
  mutable std::mutex mutex_;
  Status status_;
};

Relay::Relay(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Relay::~Relay() = default;

base::Result<std::unique_ptr<Relay>> Relay::start(RelayConfig config) {
  auto impl = std::make_unique<Impl>(std::move(config));
  if (auto started = impl->start(); !started) return std::unexpected(started.error());
  return std::unique_ptr<Relay>(new Relay(std::move(impl)));
}

std::vector<net::Endpoint> Relay::listening() const { return impl_->listening_; }
identity::TokenKey Relay::token_key() const { return impl_->token_key_; }

Relay::Status Relay::status() const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->status_;
}

void Relay::set_draining(bool draining) {
  impl_->loop_->post_from_any_thread([impl = impl_.get(), draining] {
    impl->server_->set_draining(draining);
    impl->renew_status();
  });
}

void Relay::set_accounts(std::shared_ptr<const identity::Accounts> accounts) {
  impl_->loop_->post_from_any_thread(
      [impl = impl_.get(), accounts = std::move(accounts)] { impl->credentials_.set_accounts(accounts); });
}

void Relay::set_alternates(std::vector<net::Endpoint> others) {
  impl_->loop_->post_from_any_thread(
      [impl = impl_.get(), others = std::move(others)] { impl->set_alternates(others); });
}

}  // namespace causeway::relay
