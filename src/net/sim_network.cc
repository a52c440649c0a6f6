#include "net/sim_network.h"

#include <algorithm>

#include "net/sim_stream.h"
#include "net/sim_world.h"

namespace causeway::net {
namespace {

// What one host sees of the world.
class HostNetwork final : public Network {
 public:
  HostNetwork(SimNetwork::World& world, sim::Host& host) : world_(world), host_(host) {}

  base::Result<std::unique_ptr<UdpSocket>> open_udp(const Address& local, UdpHandler& handler) override {
    const base::Result<Address> bound = world_.bind(host_, local, "udp");
    if (!bound) return std::unexpected(bound.error());
    return std::make_unique<sim::UdpEnd>(world_, *bound, handler);
  }

  base::Result<std::unique_ptr<Listener>> listen(const Address& local, TlsContext* tls,
                                                 Accept on_accept) override {
    const base::Result<Address> bound = world_.bind(host_, local, tls ? "tls" : "tcp");
    if (!bound) return std::unexpected(bound.error());
    return std::make_unique<sim::ListenEnd>(world_, *bound, tls, std::move(on_accept));
  }

  std::unique_ptr<Stream> connect(const Address& remote, const TlsClient& tls,
                                  StreamHandler& handler) override {
    const Address local{host_.ip, world_.free_port(host_)};
    auto end = std::make_unique<sim::StreamEnd>(world_, local, remote);
    end->set_handler(handler);
    auto connection = std::make_unique<sim::Connection>(world_, local, remote, tls);
    sim::Connection& begun = *connection;
    world_.connections.emplace(&begun, std::move(connection));
    begun.request(*end);
    return end;
  }

  Ip source_ip_for(const Ip& remote) override {
    if (remote.is_v4() == host_.ip.is_v4()) return host_.ip;
    return remote.is_v4() ? Ip() : Ip::v6({});
  }

  std::chrono::microseconds waited() const override { return host_.waited; }

 private:
  SimNetwork::World& world_;
  sim::Host& host_;
};

}  // namespace

std::vector<std::string> SimHost::member_names() const {
  std::vector<std::string> names{member_name};
  names.insert(names.end(), member_uris.begin(), member_uris.end());
  return names;
}

SimNetwork::SimNetwork(base::Loop& loop, base::Random& random)
    : world_(std::make_unique<World>(loop, random)) {}
SimNetwork::~SimNetwork() = default;

std::unique_ptr<Network> SimNetwork::host(const Ip& ip, SimHost identity) {
  sim::Host& host = world_->host(ip);
  if (!identity.member_name.empty()) host.identity.member_name = std::move(identity.member_name);
  if (!identity.member_uris.empty()) host.identity.member_uris = std::move(identity.member_uris);
  if (!identity.public_names.empty()) host.identity.public_names = std::move(identity.public_names);
  return std::make_unique<HostNetwork>(*world_, host);
}

void SimNetwork::set_delay(base::Duration least, base::Duration most) {
  world_->least_delay = least;
  world_->most_delay = std::max(least, most);
}

void SimNetwork::set_loss(double probability) { world_->loss = probability; }
void SimNetwork::cut(const Ip& a, const Ip& b) { world_->cuts.insert(std::minmax(a, b)); }
void SimNetwork::heal(const Ip& a, const Ip& b) { world_->cuts.erase(std::minmax(a, b)); }
void SimNetwork::kill(const Ip& ip) { world_->host(ip).dead = true; }
void SimNetwork::revive(const Ip& ip) { world_->host(ip).dead = false; }
void SimNetwork::shelter(const Ip& ip) { world_->host(ip).sheltered = true; }
void SimNetwork::let_in(const Ip& ip, const Ip& from) { world_->host(ip).inside.insert(from); }
void SimNetwork::set_waited(const Ip& ip, std::chrono::microseconds waited) {
  world_->host(ip).waited = waited;
}
void SimNetwork::on_packet(std::function<void(const SimPacket&)> tap) { world_->tap = std::move(tap); }
const SimNetwork::Totals& SimNetwork::totals() const { return world_->totals; }

}  // namespace causeway::net
