// From configuration and bundle to what the parts of a peer are made with.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "anchor/anchors.h"
#include "dns/locator.h"
#include "identity/bundle.h"
#include "net/network.h"
#include "net/tls.h"
#include "overlay/opendht_overlay.h"
#include "peer/config.h"
#include "relay/relay.h"
#include "sip/transport.h"

namespace causeway::peer {

// The roles that a credential gives: those all of whose URIs it covers.
std::set<identity::Role> roles_of(const identity::Credential& credential);

struct Contexts {
  std::unique_ptr<net::TlsContext> server;  // null without a certificate
  std::unique_ptr<net::TlsContext> client;
  std::unique_ptr<net::TlsContext> member;
};
base::Result<Contexts> make_contexts(const Config& config, const identity::Bundle& bundle);

base::Result<sip::TransportConfig> transport_config(const Config& config, const identity::Bundle& bundle,
                                                    const Contexts& tls);

// What other peers are told to dial: overlay.advertise, else the addresses listened on, with the
// machine's own address in place of a wildcard.
std::vector<net::Address> advertised_links(const Config& config, const std::vector<net::Address>& listening,
                                           net::Network& network);

// The same for what clients reach; what cannot be reached from outside is left out. `relayed`: addresses that
// a relay makes known as others (relay.advertise).
std::vector<net::Endpoint> advertised_endpoints(
    const std::vector<net::Endpoint>& listening, net::Network& network,
    const std::vector<relay::SocketsConfig::Relayed>& relayed = {});

// `links`: where the peer links listen; the overlay takes the same port, so that one number is enough.
base::Result<overlay::OpenDhtConfig> overlay_config(const Config& config, const identity::Bundle& bundle,
                                                    const std::vector<net::Address>& links);

base::Result<relay::RelayConfig> relay_config(const Config& config, const identity::Bundle& bundle,
                                              net::Network& network);

anchor::AnchorConfig anchor_config(const Config& config);

dns::Supported supported(const sip::TransportLayer& transport);

}  // namespace causeway::peer
