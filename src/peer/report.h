// What a peer tells its operator, as JSON (one line each).
#pragma once

#include <deque>
#include <set>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "identity/bundle.h"
#include "overlay/directory.h"
#include "overlay/overlay.h"
#include "peer/relay_tokens.h"
#include "relay/relay.h"
#include "sip/overload.h"

namespace causeway::peer {

// What one worker is doing. Counters are added up over the workers.
struct WorkerFigures {
  unsigned worker = 0;
  double cpu_seconds = 0;  // of its thread, since it began
  std::size_t connections = 0, server_transactions = 0, client_transactions = 0, calls_in_setup = 0,
              bindings = 0;
  sip::OverloadState overload;
  std::deque<base::Metrics::Row> counters;
};

struct StatusParts {
  const identity::Bundle& bundle;
  const std::set<identity::Role>& roles;
  base::Duration uptime;
  base::UnixMs now;
  const std::vector<net::Address>& links;
  std::vector<net::Endpoint> sip;
  const overlay::Engine& overlay;
  std::string reached;  // how others reach it
  std::size_t accounts;
  std::vector<WorkerFigures> workers;  // by number
  const relay::Relay* relay;           // null: none
  std::vector<std::string> warnings;
};
std::string report_status(const StatusParts& parts);
// Of a worker that is in overload.
std::string overload_warning(const WorkerFigures& worker);
// `near`: the relays under it that answer, null for other services.
std::string report_lookup(std::string_view uri, const std::vector<overlay::Engine::Found>& found,
                          const std::vector<overlay::Near>* near, base::UnixMs now);
std::string report_tokens(const TokensGiven& given);
std::string report_done();
std::string report_error(std::string_view sentence);

// The normal form under which a URI's records stand: "sip:Alice@P2PSIP.org" -> "sip:Alice@p2psip.org";
// "alice" is taken for sip:alice@D. An error for URIs of another domain.
base::Result<std::string> lookup_key(std::string_view uri, std::string_view domain);

}  // namespace causeway::peer
