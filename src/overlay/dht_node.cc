#include "overlay/dht_node.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include <opendht/dht.h>

#include "base/limits.h"
#include "base/log.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;

// The longest sleep of the node: its own housekeeping is every minute or so.
constexpr base::Duration kLongestSleep = 60s;
// Good nodes from which on one that is silent is not waited for: more than hold a record.
constexpr std::size_t kMany = 12;

dht::InfoHash hash_of(const DhtKey& key) { return dht::InfoHash(key.data(), key.size()); }

DhtKey key_of(const dht::InfoHash& hash) {
  DhtKey key;
  std::copy_n(hash.data(), key.size(), key.begin());
  return key;
}

dht::SockAddr sock_addr(const net::Address& address) {
  sockaddr_storage storage{};
  socklen_t length = address.to_sockaddr(storage);
  return dht::SockAddr(storage, length);
}

DhtValue view_of(const dht::Value& value) {
  bool plain = !value.owner && !value.recipient && value.user_type.empty() && value.signature.empty() &&
               value.cypher.empty();
  return {value.type, value.id, plain, value.data};
}

std::string text_of(const dht::Node& node) {
  identity::PeerId peer(key_of(node.id));
  return fmt::format("{} at {}", peer.text(), node.getAddrStr());
}

// The library's view of our socket. What comes in goes to Dht::periodic, not through this.
class Socket final : public dht::net::DatagramSocket {
 public:
  // `has_many`: there are enough others that one who is silent need not be waited for.
  Socket(SealedSocket& socket, const bool& has_many) : socket_(socket), has_many_(has_many) {
    if (auto local = socket.local(true)) bound4_ = sock_addr(*local);
    if (auto local = socket.local(false)) bound6_ = sock_addr(*local);
  }
  int sendTo(const dht::SockAddr& to, const std::uint8_t* data, std::size_t size, bool) override {
    if (!to) return EAFNOSUPPORT;
    switch (socket_.send(net::Address::from_sockaddr(*to.get()), {data, size})) {
      case SealedSocket::Sent::ok:
        return 0;
      case SealedSocket::Sent::silent:
        return has_many_ ? EHOSTUNREACH : 0;  // the library: node is gone
      case SealedSocket::Sent::unsendable:
        break;
    }
    return EMSGSIZE;
  }
  bool hasIPv4() const override { return socket_.has_v4(); }
  bool hasIPv6() const override { return socket_.has_v6(); }
  const dht::SockAddr& getBoundRef(sa_family_t family) const override {
    return family == AF_INET6 ? bound6_ : bound4_;
  }
  void stop() override {}

 private:
  SealedSocket& socket_;
  const bool& has_many_;
  dht::SockAddr bound4_, bound6_;
};

}  // namespace

struct DhtNode::Impl {
  Impl(base::Loop& the_loop, SealedSocket& the_socket, const Config& config, Hooks the_hooks)
      : loop(the_loop),
        socket(the_socket),
        hooks(std::move(the_hooks)),
        dht(std::make_unique<Socket>(socket, has_many), library_config(config),
            std::shared_ptr<dht::Logger>{}),
        wake(loop.timers(), [this] { drive(); }) {
    // The library's own limits end in loops without end when they are reached; HeldRecords has ours.
    dht.setStorageLimit(std::size_t{1} << 40);
    register_types(config);
    socket.set_handlers(
        [this](const net::Address& from, std::span<const std::uint8_t> plain) { feed(from, plain); },
        [this] { drive(); });
    soon();
  }

  ~Impl() { socket.set_handlers({}, {}); }

  static dht::Config library_config(const Config& config) {
    dht::Config c;
    c.node_id = dht::InfoHash(config.peer.bytes().data(), config.peer.bytes().size());
    c.network = config.network;
    c.max_req_per_sec = limits::kMaxRequestsPerSecond;
    c.max_peer_req_per_sec = limits::kMaxRequestsPerSecondPerAddress;
    return c;
  }

  // Types that are not registered are stored by the library without a question, so all are.
  void register_types(const Config& config) {
    auto refuse = [this](dht::InfoHash, std::shared_ptr<dht::Value>&, const dht::InfoHash&,
                         const dht::SockAddr&) {
      hooks.refused_type();
      return false;
    };
    auto refuse_edit = [this](dht::InfoHash, const std::shared_ptr<dht::Value>&, std::shared_ptr<dht::Value>&,
                              const dht::InfoHash&, const dht::SockAddr&) {
      hooks.refused_edit();
      return false;
    };
    dht::ValueType refused{0, {}, 10min, refuse, refuse_edit};
    for (std::uint32_t id = 0; id < config.refused_types; ++id) {
      refused.id = static_cast<dht::ValueType::Id>(id);
      dht.registerType(refused);
    }
    for (const Type& type : config.types)
      dht.registerType(
          {type.id,
           {},
           type.life,
           [this](dht::InfoHash key, std::shared_ptr<dht::Value>& value, const dht::InfoHash&,
                  const dht::SockAddr&) { return hooks.store(key_of(key), view_of(*value), emptier(value)); },
           refuse_edit});
  }

  static Empty emptier(const std::shared_ptr<dht::Value>& value) {
    return [weak = std::weak_ptr(value)] {
      if (auto v = weak.lock()) dht::Blob{}.swap(v->data);
    };
  }

  // ---- driving the library

  void feed(const net::Address& from, std::span<const std::uint8_t> plain) {
    // The library reads an empty datagram as "none".
    if (!plain.empty()) next = dht.periodic(plain.data(), plain.size(), sock_addr(from), dht::clock::now());
  }

  void drive() {
    next = dht.periodic(nullptr, 0, dht::SockAddr{}, dht::clock::now());
    dht.updateStatus(AF_INET);
    dht.updateStatus(AF_INET6);
    sleep();
    hooks.after();
  }

  void sleep() {
    auto wait = std::chrono::ceil<base::Duration>(next - dht::clock::now());
    wake.start(std::clamp(wait, base::Duration::zero(), kLongestSleep));
  }

  // After a call that gave the library something to do.
  void soon() { wake.start(base::Duration::zero()); }

  base::Loop& loop;
  SealedSocket& socket;
  Hooks hooks;
  bool has_many = false;
  dht::Dht dht;
  base::Timer wake;
  dht::time_point next{};
};

DhtNode::DhtNode(base::Loop& loop, SealedSocket& socket, const Config& config, Hooks hooks)
    : impl_(std::make_unique<Impl>(loop, socket, config, std::move(hooks))) {}
DhtNode::~DhtNode() = default;

void DhtNode::ping(const net::Address& to) {
  impl_->dht.pingNode(sock_addr(to));
  impl_->soon();
}

DhtNode::Empty DhtNode::put(const DhtKey& key, const DhtValue& value) {
  auto made =
      std::make_shared<dht::Value>(value.type, dht::Blob(value.data.begin(), value.data.end()), value.id);
  impl_->dht.put(hash_of(key), made, dht::DoneCallback{});
  impl_->soon();
  return Impl::emptier(made);
}

void DhtNode::cancel_put(const DhtKey& key, std::uint64_t id) { impl_->dht.cancelPut(hash_of(key), id); }

namespace {

void give(const DhtNode::OnValues& on_values, const std::vector<std::shared_ptr<dht::Value>>& values) {
  std::vector<DhtValue> views;
  views.reserve(values.size());
  for (const auto& value : values) views.push_back(view_of(*value));
  on_values(views);
}

}  // namespace

void DhtNode::get(const DhtKey& key, OnValues on_values, OnDone on_done) {
  impl_->dht.get(hash_of(key),
                 dht::GetCallback([on_values = std::move(on_values)](
                                      const std::vector<std::shared_ptr<dht::Value>>& values) {
                   give(on_values, values);
                   return true;
                 }),
                 dht::DoneCallback([on_done = std::move(on_done)](
                                       bool, const std::vector<std::shared_ptr<dht::Node>>& nodes) {
                   std::vector<std::string> names;
                   for (const auto& node : nodes) names.push_back(text_of(*node));
                   on_done(std::move(names));
                 }));
  impl_->soon();
}

DhtNode::Token DhtNode::listen(const DhtKey& key, OnValues on_values) {
  Token token = 0;
  try {
    token = impl_->dht.listen(
        hash_of(key),
        dht::ValueCallback([on_values = std::move(on_values)](
                               const std::vector<std::shared_ptr<dht::Value>>& values, bool expired) {
          if (!expired) give(on_values, values);
          return true;
        }));
  } catch (const std::exception& e) {
    base::log::warn("overlay", "a key cannot be listened to: {}", e.what());
  }
  impl_->soon();
  return token;
}

void DhtNode::unlisten(const DhtKey& key, Token token) {
  impl_->dht.cancelListen(hash_of(key), token);
  impl_->soon();
}

DhtNode::Status DhtNode::status() const {
  Status status;
  for (sa_family_t family : {AF_INET, AF_INET6}) {
    dht::NodeStats stats = impl_->dht.getNodesStats(family);
    status.good += stats.good_nodes;
    status.known += stats.getKnownNodes();
  }
  impl_->has_many = status.good >= kMany;
  return status;
}

std::vector<SavedNode> DhtNode::nodes() const {
  std::vector<SavedNode> nodes;
  for (const dht::NodeExport& node : impl_->dht.exportNodes()) {
    const auto& address = reinterpret_cast<const sockaddr&>(node.ss);
    nodes.push_back({net::Address::from_sockaddr(address), identity::PeerId(key_of(node.id))});
  }
  return nodes;
}

}  // namespace causeway::overlay
