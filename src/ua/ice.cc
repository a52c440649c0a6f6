#include "ua/ice.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "ua/ice_path.h"
#include "ua/limits.h"
#include "ua/rate.h"
#include "ua/relay_tunnels.h"
#include "ua/relay_watch.h"

namespace causeway::ua {

class IceAgent::Impl final : public IcePath::Owner {
 public:
  Impl(MediaThread& thread, IceConfig config, Events& events)
      : thread_(thread),
        config_(std::move(config)),
        events_(events),
        watch_(thread, [this] { lose_relay(); }) {
    use(std::move(config_.relays));
    newest_ = make_path();
  }

  void gather() {
    rounds_ = 1;
    gathering_since_ = MediaThread::now();
    newest_->gather();
  }
  bool is_gathered() const { return newest_->is_gathered(); }
  void describe(LocalMedia& media) const { newest_->describe(media); }

  void set_remote(const RemoteMedia& remote) {
    statistics_.candidates_left_out += remote.candidates_left_out;
    // RFC 8839 4.4.1.1.1: other credentials than before are a restart. If this side has not begun it, it
    // follows.
    const auto& known = newest_->remote_credentials();
    if (remote.ice && (!newest_->has_consent() || (known && *known != *remote.ice))) restart();
    newest_->set_remote(remote);
  }

  void follow(const RemoteMedia& remote) {
    statistics_.candidates_left_out += remote.candidates_left_out;
    newest_->follow(remote);
  }

  void restart() {
    if (newest_->is_selected()) in_use_ = std::move(newest_);
    newest_ = make_path();
    gather();
  }
  void restart(std::vector<RelayServer> relays) {
    const auto is_lost = [this](const RelayServer& relay) { return lost_.contains(relay.endpoint); };
    // Of those that are all there is, one may live again.
    if (!std::ranges::all_of(relays, is_lost)) std::erase_if(relays, is_lost);
    use(std::move(relays));
    restart();
  }

  IcePath* path() const { return newest_->is_selected() ? newest_.get() : in_use_.get(); }
  bool is_connected() const { return path() != nullptr; }
  std::string selected_pair() const { return is_connected() ? path()->pair() : std::string(); }
  const Statistics& statistics() const { return statistics_; }

  bool send(std::span<const std::uint8_t> packet) {
    IcePath* const by = path();
    if (by == nullptr) return ++statistics_.refused_no_path, false;
    if (!by->has_consent() && !sent_.takes_one(MediaThread::now())) return ++statistics_.refused_rate, false;
    if (!by->send(packet)) return false;
    ++statistics_.sent;
    return true;
  }

 private:
  std::unique_ptr<IcePath> make_path() { return std::make_unique<IcePath>(thread_, config_, *this); }

  void path_gathered(IcePath& of) override {
    if (&of == newest_.get()) events_.on_gathered();
  }

  void path_selected(IcePath& of) override {
    if (&of != newest_.get() && &of != path()) return;
    if (&of == newest_.get()) in_use_.reset();
    watch_relay(of);
    events_.on_connected(of.pair());
  }

  void path_failed(IcePath& of, const std::string& why) override {
    if (&of == in_use_.get()) {
      in_use_.reset();  // the restart goes on
      return;
    }
    if (ask_relays_again(of)) return;
    const bool by_relay = watch_.has_ended();  // of which libnice says no more than that the path is gone
    if (!is_connected()) watch_.stop();
    if (by_relay)
      lose_relay();
    else
      events_.on_failed(why);
  }

  // There is no call without a relay, and none has answered: packets may have been lost.
  bool ask_relays_again(const IcePath& of) {
    const bool may_help = config_.relay_only && !config_.relays.empty() && rounds_ < limits::kRelayRounds;
    const bool in_time = MediaThread::now() - gathering_since_ < limits::kRelayPatience;
    if (of.is_gathered() || !may_help || !in_time) return false;
    const std::optional<RemoteMedia> remote = of.waiting_remote();
    newest_ = make_path();  // `of` is gone
    ++rounds_;
    newest_->gather();
    if (remote) newest_->set_remote(*remote);
    return true;
  }

  void path_packet(IcePath& of, std::span<const std::uint8_t> packet) override {
    const base::Instant now = MediaThread::now();
    if (!received_.takes_one(now)) return void(++statistics_.refused_rate);
    if (&of == path()) watch_.heard(now);
    ++statistics_.received;
    events_.on_packet(packet);
  }

  // Relays as they are known outside, and where libnice reaches them.
  void use(std::vector<RelayServer> relays) {
    relays.resize(std::min(relays.size(), limits::kMaxRelays));
    relays_.clear();
    config_.relays.clear();
    for (const RelayServer& relay : relays) {
      RelayServer reached = relay;
      if (net::is_stream(relay.endpoint.transport) && config_.tunnels) {
        const auto at = config_.tunnels->open(relay.endpoint, relay.tls_name);
        if (!at) {
          base::log::warn("ice", "{}", at.error().message);
          continue;
        }
        reached.endpoint = {net::Transport::tcp, *at};
      } else if (relay.endpoint.transport == net::Transport::tls) {
        base::log::warn("ice", "relay {}: expected tunnels for relays over TLS (IceConfig)",
                        relay.endpoint.text());
        continue;
      }
      relays_.push_back(relay);
      config_.relays.push_back(reached);
    }
  }

  void watch_relay(const IcePath& of) {
    watch_.stop();
    const auto relay = std::ranges::find_if(
        config_.relays, [&](const RelayServer& r) { return of.relay() == r.endpoint.address; });
    if (relay == config_.relays.end()) return;
    const net::Address at = relay->endpoint.address;
    if (relay->endpoint.transport == net::Transport::udp)
      watch_.start(at);
    else if (config_.tunnels)
      watch_.start(at, [tunnels = config_.tunnels, at, before = config_.tunnels->lost(at)] {
        return tunnels->lost(at) != before;
      });
  }

  void lose_relay() {
    const auto lost = std::ranges::find_if(
        config_.relays, [&](const RelayServer& relay) { return relay.endpoint.address == watch_.relay(); });
    if (lost == config_.relays.end()) return;
    const auto known = relays_.begin() + (lost - config_.relays.begin());
    const RelayServer relay = *known;
    lost_.insert(relay.endpoint);
    config_.relays.erase(lost);
    relays_.erase(known);
    events_.on_relay_lost(relay);
  }

  MediaThread& thread_;
  IceConfig config_;                 // its relays are as libnice reaches them
  std::vector<RelayServer> relays_;  // the same, as they are known; without those that have been lost
  std::set<net::Endpoint> lost_;     // in this call
  Events& events_;
  std::unique_ptr<IcePath> newest_;  // what the last offer or answer was about
  std::unique_ptr<IcePath> in_use_;  // during a restart: the path until then, if there was one
  int rounds_ = 0;                   // how often the relays have been asked, since the last restart
  base::Instant gathering_since_{};
  Rate sent_{limits::kMaxSentPerSecond}, received_{limits::kMaxReceivedPerSecond};
  Statistics statistics_;
  RelayWatch watch_;
};

IceAgent::IceAgent(MediaThread& thread, IceConfig config, Events& events)
    : impl_(std::make_unique<Impl>(thread, std::move(config), events)) {}
IceAgent::~IceAgent() = default;

void IceAgent::gather() { impl_->gather(); }
bool IceAgent::is_gathered() const { return impl_->is_gathered(); }
void IceAgent::describe(LocalMedia& media) const { impl_->describe(media); }
void IceAgent::set_remote(const RemoteMedia& remote) { impl_->set_remote(remote); }
void IceAgent::follow(const RemoteMedia& remote) { impl_->follow(remote); }
void IceAgent::restart() { impl_->restart(); }
void IceAgent::restart(std::vector<RelayServer> relays) { impl_->restart(std::move(relays)); }
bool IceAgent::is_connected() const { return impl_->is_connected(); }
std::string IceAgent::selected_pair() const { return impl_->selected_pair(); }
bool IceAgent::send(std::span<const std::uint8_t> packet) { return impl_->send(packet); }
const IceAgent::Statistics& IceAgent::statistics() const { return impl_->statistics(); }

}  // namespace causeway::ua
