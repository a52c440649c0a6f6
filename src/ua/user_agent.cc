#include "ua/user_agent.h"

#include "base/log.h"
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
        sessions(l, thread, random, std::move(media), ice) {}
  ~Parts() {
    agent.reset();
    line.reset();
    transactions.reset();
  }

  base::Status open_phone(UserAgentConfig& config);
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
  std::unique_ptr<Line> line;
  std::unique_ptr<Agent> agent;
};

UserAgent::UserAgent() = default;
UserAgent::~UserAgent() = default;

// As a phone: UDP, and streams to the server.
base::Status UserAgent::Parts::open_phone(UserAgentConfig& config) {
  const net::Ip server = config.phone->proxy.endpoint.address.ip;
  if (config.local.ip.is_unspecified() && config.local.ip.is_v4() != server.is_v4())
    config.local.ip = server.is_v4() ? net::Ip() : net::Ip::v6({});
  sip::TransportConfig is;
  is.locals = {{net::Transport::udp, config.local, ""}};
  is.tls_client = tls.get();
  if (auto opened = transport.open(is); !opened) return opened;
  line = std::make_unique<PhoneLine>(loop, transport, random, std::move(*config.phone));
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
const base::Metrics& UserAgent::metrics() const { return parts_->metrics; }

}  // namespace causeway::ua
