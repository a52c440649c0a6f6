// What a worker stands on: time, chance, sockets, the DNS, and counters of its own.
#pragma once

#include <memory>

#include "base/loop.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/result.h"
#include "dns/resolver.h"
#include "net/network.h"
#include "peer/config.h"

namespace causeway::peer {

struct Ground {
  base::Loop& loop;
  net::Network& network;
  base::Random& random;
  base::Metrics& metrics;
  dns::Resolver& resolver;
};

// The real one. It belongs to the thread that makes it.
class RealGround {
 public:
  // The first worker's sockets find out that no other program has their ports, those of the others join.
  RealGround(const Config& config, unsigned worker);
  // Apart, since it makes a thread: signals are to be blocked first (base/signals.h).
  base::Status open_resolver();

  // With the resolver.
  Ground ground() { return {*loop_, *network_, random_, metrics_, *resolver_}; }
  base::Loop& loop() { return *loop_; }
  base::Metrics& metrics() { return metrics_; }

 private:
  const Config& config_;
  std::unique_ptr<base::Loop> loop_;
  base::Metrics metrics_;
  base::Random random_;
  std::unique_ptr<net::Network> network_;
  std::unique_ptr<dns::Resolver> resolver_;
};

}  // namespace causeway::peer
