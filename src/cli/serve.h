// What `causeway peer` and `causeway try` have in common: a loop, the real network, a resolver, one
// peer, its control socket, and an end on SIGINT or SIGTERM. SIGHUP reads the accounts anew.
#pragma once

#include <functional>

#include "base/result.h"
#include "identity/bundle.h"
#include "peer/config.h"
#include "peer/peer.h"

namespace causeway::cli {

// Returns the exit code when the peer was told to stop. `on_ready` runs once it listens.
base::Result<int> serve(peer::Config config, identity::Bundle bundle,
                        std::function<void(peer::Peer&)> on_ready);

// The KEY=VALUE of each --set, in the order written.
base::Status apply_sets(base::SettingsTable& table, const std::vector<std::string>& sets);

}  // namespace causeway::cli
