#include "peer/setup.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/log.h"
#include "net/system_resolver.h"

namespace causeway::peer {

namespace {

constexpr const char* kLog = "peer";

base::Result<std::string> read_pem(const char* setting, const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return base::fail("{}: {}: {}", setting, path, std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// Names are looked up once, at start, by the system's resolver: it is what works before this peer's own.
std::vector<net::Address> resolve(const std::string& host_port) {
  auto found = net::resolve_now(host_port);
  if (found) return std::move(*found);
  base::log::warn(kLog, "bootstrap peer {}; going on with the others", found.error().message);
  return {};
}

// The address from which this machine sends to the world; unspecified if it does not.
net::Ip own_address(bool v4, net::Network& network) {
  // An address of the documentation range stands for "somewhere else": only the routing table is asked.
  return network.source_ip_for(*net::Ip::parse(v4 ? "198.51.100.1" : "2001:db8::1"));
}

// One address of each family, from the settings or else from the routing table.
base::Result<std::vector<relay::SocketsConfig::Relayed>> relayed_addresses(const Config& config,
                                                                           net::Network& network) {
  std::vector<relay::SocketsConfig::Relayed> all;
  for (const std::string& text : config.relay_addresses) {
    const net::Ip ip = net::Ip::parse(text).value_or(net::Ip());
    for (const auto& one : all)
      if (one.local.is_v4() == ip.is_v4())
        return base::fail("relay.addresses: '{}': expected one address of a family", text);
    all.push_back({ip, ip});
  }
  if (all.empty())
    for (const bool v4 : {true, false})
      if (const net::Ip ip = own_address(v4, network); !ip.is_unspecified()) all.push_back({ip, ip});
  for (const std::string& text : config.relay_advertise) {
    const net::Ip known = net::Ip::parse(text).value_or(net::Ip());
    const auto same =
        std::ranges::find_if(all, [&](const auto& one) { return one.local.is_v4() == known.is_v4(); });
    if (same == all.end())
      return base::fail("relay.advertise: '{}': there is no relay address of this family", text);
    same->known = known;
  }
  if (all.empty())
    return base::fail(
        "relay.addresses: this machine has no address to relay from; name one, or set relay.listen = []");
  return all;
}

}  // namespace

base::Result<relay::RelayConfig> relay_config(const Config& config, const identity::Bundle& bundle,
                                              net::Network& network) {
  relay::RelayConfig result;
  for (const std::string& text : config.relay_listen) {
    auto endpoint = net::Endpoint::parse(text);
    if (!endpoint) return base::fail("relay.listen: {}", endpoint.error().message);
    result.sockets.listen.push_back(*endpoint);
  }
  auto relayed = relayed_addresses(config, network);
  if (!relayed) return std::unexpected(relayed.error());
  result.sockets.relayed = std::move(*relayed);
  result.sockets.first_port = static_cast<std::uint16_t>(config.relay_first_port);
  result.sockets.last_port = static_cast<std::uint16_t>(config.relay_last_port);
  result.server = {.realm = bundle.domain,
                   .quota = {config.relay_allocations, config.relay_user_allocations, config.relay_bytes,
                             config.relay_user_bytes},
                   .max_lifetime = config.relay_max_lifetime,
                   .unauthenticated_per_second = config.relay_stranger_answers};
  for (const std::string& text : config.relay_allow) {
    auto range = net::Range::parse(text);
    if (!range) return base::fail("relay.allow: {}", range.error().message);
    result.allowed.push_back(*range);
  }
  const bool own = !config.relay_certificate.empty();
  if (own || !config.sip_certificate.empty()) {
    auto certificate = read_pem(own ? "relay.certificate" : "sip.certificate",
                                own ? config.relay_certificate : config.sip_certificate);
    if (!certificate) return std::unexpected(certificate.error());
    auto key = read_pem(own ? "relay.key" : "sip.key", own ? config.relay_key : config.sip_key);
    if (!key) return std::unexpected(key.error());
    result.tls = {std::move(*certificate), std::move(*key)};
  }
  result.secret = config.relay_secret;
  result.domain = bundle.domain;
  result.authority = bundle.authority;
  result.key = bundle.key;
  return result;
}

anchor::AnchorConfig anchor_config(const Config& config) {
  anchor::AnchorConfig result{.ports = {static_cast<std::uint16_t>(config.anchor_first_port),
                                        static_cast<std::uint16_t>(config.anchor_last_port)},
                              .most_calls = static_cast<std::size_t>(config.anchor_calls),
                              .most_of_user = static_cast<std::size_t>(config.anchor_user_calls)};
  for (const std::string& text : config.relay_allow)
    if (const auto range = net::Range::parse(text)) result.allowed.push_back(*range);
  // Phones that are told another address for SIP have their media go there, too.
  const std::string_view host = config.sip_advertise;
  if (const auto address = net::Address::parse(host, 5060)) result.advertise = address->ip;
  return result;
}

std::set<identity::Role> roles_of(const identity::Credential& credential) {
  using identity::Role;
  std::set<Role> roles;
  for (Role role : {Role::registrar, Role::proxy, Role::relay})
    if (std::ranges::all_of(identity::covers_of(role), [&](const std::string& uri) {
          return std::ranges::find(credential.covers, uri) != credential.covers.end();
        }))
      roles.insert(role);
  return roles;
}

base::Result<Contexts> make_contexts(const Config& config, const identity::Bundle& bundle) {
  Contexts all;
  auto member = identity::member_tls(bundle);
  if (!member) return std::unexpected(member.error());
  all.member = std::move(*member);
  std::string ca;
  if (!config.sip_ca.empty()) {
    auto pem = read_pem("sip.ca", config.sip_ca);
    if (!pem) return std::unexpected(pem.error());
    ca = std::move(*pem);
  }
  auto client = net::TlsContext::public_client(ca, config.sip_verify);
  if (!client) return base::fail("sip.ca: {}", client.error().message);
  all.client = std::move(*client);
  if (config.sip_certificate.empty()) return all;
  auto certificate = read_pem("sip.certificate", config.sip_certificate);
  if (!certificate) return std::unexpected(certificate.error());
  auto key = read_pem("sip.key", config.sip_key);
  if (!key) return std::unexpected(key.error());
  auto server = net::TlsContext::public_server({*certificate, *key});
  if (!server) return base::fail("sip.certificate, sip.key: {}", server.error().message);
  all.server = std::move(*server);
  return all;
}

base::Result<sip::TransportConfig> transport_config(const Config& config, const identity::Bundle& bundle,
                                                    const Contexts& tls) {
  sip::TransportConfig result;
  for (const std::string& text : config.sip_listen) {
    auto endpoint = net::Endpoint::parse(text);
    if (!endpoint) return base::fail("sip.listen: {}", endpoint.error().message);
    result.locals.push_back({endpoint->transport, endpoint->address, config.sip_advertise});
  }
  auto link = net::Address::parse(config.overlay_listen);
  if (!link) return base::fail("overlay.listen: {}", link.error().message);
  result.tls_server = tls.server.get();
  result.tls_client = tls.client.get();
  result.member_locals = {*link};
  result.member_tls = tls.member.get();
  result.member_name = identity::peer_host(bundle.peer_id(), bundle.domain);
  result.strangers.rate = static_cast<std::uint32_t>(config.share(config.sip_stranger_answers));
  return result;
}

std::vector<net::Address> advertised_links(const Config& config, const std::vector<net::Address>& listening,
                                           net::Network& network) {
  if (auto address = net::Address::parse(config.overlay_advertise)) return {*address};
  std::vector<net::Address> links = listening;
  for (net::Address& link : links)
    if (link.ip.is_unspecified()) {
      link.ip = own_address(link.ip.is_v4(), network);
      base::log::info(kLog, "other peers are told to dial {} (overlay.advertise chooses another)",
                      link.text());
    }
  return links;
}

std::vector<net::Endpoint> advertised_endpoints(const std::vector<net::Endpoint>& listening,
                                                net::Network& network,
                                                const std::vector<relay::SocketsConfig::Relayed>& relayed) {
  std::vector<net::Endpoint> all;
  for (net::Endpoint endpoint : listening) {
    net::Ip& ip = endpoint.address.ip;
    const auto made_known = std::ranges::find_if(relayed, [&](const auto& one) {
      return one.local.is_v4() == ip.is_v4() && (ip.is_unspecified() || one.local == ip);
    });
    if (made_known != relayed.end())
      ip = made_known->known;
    else if (ip.is_unspecified())
      ip = own_address(ip.is_v4(), network);
    if (!ip.is_unspecified()) all.push_back(endpoint);
  }
  return all;
}

base::Result<overlay::OpenDhtConfig> overlay_config(const Config& config, const identity::Bundle& bundle,
                                                    const std::vector<net::Address>& links) {
  overlay::OpenDhtConfig result{
      .domain = bundle.domain, .peer = bundle.peer_id(), .network_key = bundle.network_key, .listen = links};
  for (const auto* list : {&bundle.bootstrap, &config.overlay_bootstrap})
    for (const std::string& host_port : *list)
      for (const net::Address& address : resolve(host_port))
        if (std::ranges::find(links, address) == links.end()) result.bootstrap.push_back(address);
  if (!config.state_dir.empty()) result.nodes_file = config.state_dir + "/nodes-" + bundle.peer_id().text();
  result.jitter = config.overlay_join_jitter;
  result.most_stored = static_cast<std::size_t>(config.overlay_stored_mb) << 20;
  return result;
}

dns::Supported supported(const sip::TransportLayer& transport) {
  dns::Supported can{.udp = false, .tcp = true, .tls = true, .ipv4 = false, .ipv6 = false};
  for (const net::Endpoint& local : transport.locals()) {
    if (local.transport == net::Transport::udp) can.udp = true;
    (local.address.ip.is_v4() ? can.ipv4 : can.ipv6) = true;
  }
  return can;
}

}  // namespace causeway::peer
