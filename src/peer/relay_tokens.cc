#include "peer/relay_tokens.h"

#include <algorithm>

#include "peer/report.h"

namespace causeway::peer {

std::string turn_uri(const net::Endpoint& endpoint) {
  return fmt::format("{}:{}:{}?transport={}", endpoint.transport == net::Transport::tls ? "turns" : "turn",
                     endpoint.address.ip.uri_text(), endpoint.address.port,
                     endpoint.transport == net::Transport::udp ? "udp" : "tcp");
}

base::Result<TokensGiven> make_tokens(const TokenRequest& request, const std::vector<overlay::Near>& relays,
                                      const identity::Bundle& bundle, base::UnixMs now,
                                      base::Random& random) {
  auto uri = lookup_key(request.user, bundle.domain);
  if (!uri) return std::unexpected(uri.error());
  const auto parsed = identity::parse_overlay_uri(*uri);
  if (!parsed || parsed->user.empty() || parsed->peer)
    return base::fail("'{}': expected a user such as sip:alice@{}", request.user, bundle.domain);
  if (request.lifetime <= 0)
    return base::fail("a relay token for {}: expected a lifetime of at least a second, came {}", *uri,
                      request.lifetime);
  TokensGiven given{.uri = *uri, .username = {}, .realm = bundle.domain};
  const auto end = static_cast<base::UnixMs>(bundle.credential.not_after) * 1000;
  given.expiry = std::min(now + request.lifetime * 1000, end);

  std::vector<identity::TokenKey> keys;
  for (const overlay::Near& relay : relays)
    if (relay.body.token_key) {
      keys.push_back(*relay.body.token_key);
      given.relays.push_back({relay, {}});
    }
  if (keys.empty())
    return base::fail(
        "no relay of {} answers: is there a peer with the role relay, and do its firewall and this machine's "
        "let "
        "UDP through? `causeway lookup turn:{}` shows what the overlay holds",
        bundle.domain, bundle.domain);
  auto tokens =
      identity::make_relay_tokens(parsed->user, given.expiry, bundle.key, bundle.credential, keys, random);
  if (!tokens) return std::unexpected(tokens.error());
  for (std::size_t i = 0; i < keys.size(); ++i) given.relays[i].password = std::move((*tokens)[i].password);
  given.username = std::move(tokens->front().username);
  return given;
}

std::vector<ua::RelayServer> relay_servers(const TokensGiven& given) {
  std::vector<ua::RelayServer> servers;
  for (const TokensGiven::One& one : given.relays) {
    const auto& endpoints = one.relay.body.endpoints;
    const auto udp = std::ranges::find(endpoints, net::Transport::udp, &net::Endpoint::transport);
    if (udp != endpoints.end()) servers.push_back({*udp, given.username, one.password, {}});
  }
  return servers;
}

}  // namespace causeway::peer
