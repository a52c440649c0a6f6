// What a peer tells its operator, as JSON (one line each).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "identity/bundle.h"
#include "overlay/overlay.h"
#include "proxy/proxy.h"
#include "registrar/registrar.h"
#include "sip/transaction.h"

namespace causeway::peer {

struct StatusParts {
  const identity::Bundle& bundle;
  const std::set<identity::Role>& roles;
  base::Duration uptime;
  base::UnixMs now;
  const std::vector<net::Address>& links;
  const sip::TransportLayer& transport;
  const sip::TransactionLayer& transactions;
  const overlay::Overlay& overlay;
  const registrar::Registrar* registrar;
  const proxy::Proxy& proxy;
  const base::Metrics& metrics;
  std::vector<std::string> warnings;
};
std::string report_status(const StatusParts& parts);
std::string report_lookup(std::string_view uri, const std::vector<overlay::Overlay::Found>& found,
                          base::UnixMs now);
std::string report_error(std::string_view sentence);

// The normal form under which a URI's records stand: "sip:Alice@P2PSIP.org" -> "sip:Alice@p2psip.org";
// "alice" is taken for sip:alice@D. An error for URIs of another domain.
base::Result<std::string> lookup_key(std::string_view uri, std::string_view domain);

}  // namespace causeway::peer
