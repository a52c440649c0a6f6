#include "ua/user_agent.h"

#include "base/log.h"
#include "dns/locator.h"
#include "net/real_network.h"
#include "net/system_resolver.h"
#include "net/tls.h"
#include "ua/media_session.h"
#include "ua/media_thread.h"
#include "ua/member_line.h"
#include "ua/relay_tunnels.h"

namespace causeway::ua {

// In the order in which they are made; they go the other way round, but for the transactions, which end
// before what they would tell.
struct UserAgent::Parts {
  Parts(base::Loop& l, MediaConfig media, bool ice)
      : loop(l),
        network(net::make_real_network(l, metrics)),
        transport(l, *network, metrics),
        transactions(std::make_unique<sip::TransactionLayer>(l, transport, random, metrics)),
        sessions(l, thread, random, std::move(media), ice, metrics) {}
  ~Parts() {
    agent.reset();
    line.reset();
    transactions.reset();
  }

  base::Status open_phone(UserAgentConfig& config);
  base::Result<dns::Supported> open_udp(net::Address local, const sip::Target* server);
  base::Status open_member(UserAgentConfig& config);

  base::Loop& loop;
  base::Metrics metrics;
  base::Random random;
  std::unique_ptr<net::TlsContext> tls;  // of servers
  std::unique_ptr<net::TlsContext> member_tls;
  std::unique_ptr<net::Network> network;
  sip::TransportLayer transport;
  std::unique_ptr<sip::TransactionLayer> transactions;
  MediaThread thread;
  MediaSessions sessions;
  std::unique_ptr<dns::Resolver> resolver;
  std::unique_ptr<dns::Locator> locator;
  std::unique_ptr<Line> line;
  std::unique_ptr<Agent> agent;
};

UserAgent::UserAgent() = default;
UserAgent::~UserAgent() = default;

// One socket for each family that may be needed: that of the server, or of the address that was asked for, or
// both. A machine need not have IPv6.
base::Result<dns::Supported> UserAgent::Parts::open_udp(net::Address local, const sip::Target* server) {
  const bool any = local.ip.is_unspecified();
  const bool v4 = !any ? local.ip.is_v4() : !server || server->endpoint.address.ip.is_v4();
  sip::TransportConfig is;
  is.tls_client = tls.get();
  if (any) local.ip = v4 ? net::Ip() : net::Ip::v6({});
  is.locals = {{net::Transport::udp, local, ""}};
  if (auto opened = transport.open(is); !opened) return std::unexpected(opened.error());
  dns::Supported can{.ipv4 = v4, .ipv6 = !v4};
  if (!any || server) return can;
  is.locals = {{net::Transport::udp, {net::Ip::v6({}), local.port}, ""}};
  can.ipv6 = transport.open(is).has_value();
  return can;
}

// As a phone: UDP, and streams to the server.
base::Status UserAgent::Parts::open_phone(UserAgentConfig& config) {
  const auto& told = config.phone->proxy;
  auto can = open_udp(config.local, told ? &*told : nullptr);
  if (!can) return std::unexpected(can.error());
  auto asks = dns::make_unbound_resolver(loop, metrics, config.dns);
  if (!asks) return std::unexpected(asks.error());
  resolver = std::move(*asks);
  locator = std::make_unique<dns::Locator>(*resolver, random, *can, metrics);
  line = std::make_unique<PhoneLine>(loop, transport, random, std::move(*config.phone), locator.get());
  return {};
}

// As a member: nothing but peer links, which it dials.
base::Status UserAgent::Parts::open_member(UserAgentConfig& config) {
  const identity::Bundle& bundle = *config.bundle;
  auto user = config.user.empty() ? user_of(bundle.credential) : base::Result<std::string>(config.user);
  if (!user) return std::unexpected(user.error());
  if (!bundle.credential.covers_uri("sip:" + *user + "@" + bundle.domain))
    return base::fail("expected a bundle whose credential covers sip:{}@{}, found one of others", *user,
                      bundle.domain);
  std::vector<net::Address> bootstrap;
  for (const std::string& host_port : bundle.bootstrap)
    if (auto found = net::resolve_now(host_port))
      bootstrap.insert(bootstrap.end(), found->begin(), found->end());
    else
      base::log::warn("ua", "bootstrap peer {}; going on with the others", found.error().message);
  if (bootstrap.empty())
    return base::fail(
        "expected at least one bootstrap peer in the bundle that can be found, found none; `causeway "
        "authority issue "
        "--bootstrap HOST:PORT` puts them there");
  auto made = identity::member_tls(bundle);
  if (!made) return std::unexpected(made.error());
  member_tls = std::move(*made);
  sip::TransportConfig is;
  is.member_tls = member_tls.get();
  is.member_name = identity::peer_host(bundle.peer_id(), bundle.domain);
  if (auto opened = transport.open(is); !opened) return opened;
  line = std::make_unique<MemberLine>(
      MemberLine::Parts{loop, random, metrics, *network, transport, *transactions}, bundle, std::move(*user),
      std::move(bootstrap));
  return {};
}

base::Result<std::unique_ptr<UserAgent>> UserAgent::make(UserAgentConfig config, base::Loop& loop,
                                                         AgentUser& user) {
  if (config.phone.has_value() == config.bundle.has_value())
    return base::fail("expected either an account or a bundle for the user agent");
  auto tls = net::TlsContext::public_client(config.ca_pem, true);
  if (!tls) return std::unexpected(tls.error());
  auto relay_tls = net::TlsContext::public_client(config.ca_pem, true);
  if (!relay_tls) return std::unexpected(relay_tls.error());
  config.media.tunnels = std::make_shared<RelayTunnels>(std::move(*relay_tls));
  std::unique_ptr<UserAgent> made(new UserAgent);
  made->parts_ = std::make_unique<Parts>(loop, std::move(config.media), config.ice);
  Parts& parts = *made->parts_;
  parts.tls = std::move(*tls);
  parts.transport.set_handler(*parts.transactions);
  auto opened = config.phone ? parts.open_phone(config) : parts.open_member(config);
  if (!opened) return std::unexpected(opened.error());
  parts.agent = std::make_unique<Agent>(
      Agent::Parts{loop, parts.random, parts.metrics, parts.transport, *parts.transactions}, *parts.line,
      parts.sessions, user, std::move(config.agent));
  for (PublicAddress& address : config.public_addresses)
    if (auto done = parts.agent->register_public(std::move(address)); !done)
      return std::unexpected(done.error());
  parts.agent->start();
  return made;
}

Agent& UserAgent::agent() { return *parts_->agent; }
const base::Metrics& UserAgent::metrics() const {
  parts_->sessions.collect();
  return parts_->metrics;
}

}  // namespace causeway::ua
