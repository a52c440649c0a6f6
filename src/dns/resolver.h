// Asking the DNS. Answers come decoded; a name that does not exist and a name without such records are
// both an empty list (RFC 3263 treats them alike), a resolver that cannot be reached is an error.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/metrics.h"
#include "base/result.h"
#include "net/address.h"

namespace causeway::dns {

struct Naptr {
  std::uint16_t order = 0, preference = 0;
  std::string flags, service, regexp, replacement;  // replacement without the final dot
};
struct Srv {
  std::uint16_t priority = 0, weight = 0, port = 0;
  std::string target;
};

template <class T>
using OnRecords = std::function<void(base::Result<std::vector<T>>)>;

class Resolver {
 public:
  virtual ~Resolver() = default;
  // Called exactly once each, at once or later, on the loop's thread; never after destruction.
  virtual void naptr(const std::string& name, OnRecords<Naptr> done) = 0;
  virtual void srv(const std::string& name, OnRecords<Srv> done) = 0;
  virtual void addresses(const std::string& name, bool ipv4, bool ipv6, OnRecords<net::Ip> done) = 0;
};

struct ResolverConfig {
  std::vector<std::string> servers;  // "192.0.2.53" or "192.0.2.53@5353"; empty: /etc/resolv.conf
  bool dnssec = false;
  std::int64_t max_ttl_seconds = 3600;
};

// libunbound, with its cache. Lookups run beside the loop; results come on it.
base::Result<std::unique_ptr<Resolver>> make_unbound_resolver(base::Loop& loop, base::Metrics& metrics,
                                                              const ResolverConfig& config);

}  // namespace causeway::dns
