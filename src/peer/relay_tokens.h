// Tokens for the relays near this peer, made with this peer's own credential (identity/relay_token.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "identity/bundle.h"
#include "overlay/directory.h"
#include "ua/relay_server.h"

namespace causeway::peer {

// How a TURN client is told of a relay (RFC 7065): "turn:192.0.2.1:3478?transport=udp", over TLS
// "turns:192.0.2.1:5349?transport=tcp".
std::string turn_uri(const net::Endpoint& endpoint);

struct TokenRequest {
  std::string user;           // "sip:alice@D", or "alice"
  std::int64_t lifetime = 0;  // seconds
};

struct TokensGiven {
  std::string uri;  // whom they are for: sip:alice@D
  std::string username, realm;
  base::UnixMs expiry = 0;
  struct One {
    overlay::Near relay;
    std::string password;
  };
  std::vector<One> relays;
};

// One user name, and a password for each relay that has a token key. The errors say what to do. A token ends
// with the credential, if that is sooner.
base::Result<TokensGiven> make_tokens(const TokenRequest& request, const std::vector<overlay::Near>& relays,
                                      const identity::Bundle& bundle, base::UnixMs now, base::Random& random);

// Those of them that are reached over UDP, for a user agent of this process.
std::vector<ua::RelayServer> relay_servers(const TokensGiven& given);

}  // namespace causeway::peer
