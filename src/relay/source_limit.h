// How many answers without credentials one source gets: a token bucket for each, in a table of fixed size.
// Sources (net::Ip::source) that fall into the same bucket share it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/limits.h"
#include "base/random.h"
#include "base/time.h"
#include "net/address.h"

namespace causeway::relay {

class SourceLimit {
 public:
  SourceLimit(base::Random& random, std::int64_t per_second)
      : seed_(random.u64()), per_second_(static_cast<double>(per_second)), buckets_(limits::kSourceBuckets) {}

  // May this source have one more now? Takes it if so.
  bool take(const net::Ip& source, base::Instant now) {
    Bucket& bucket = buckets_[(source.source() ^ seed_) * 0x9e3779b97f4a7c15u >> 52];
    const double most = 2 * per_second_;  // a burst of two seconds
    const double passed = std::chrono::duration<double>(now - bucket.filled).count();
    bucket.used = std::max(0.0, bucket.used - passed * per_second_);
    bucket.filled = now;
    if (bucket.used + 1 > most) return false;
    bucket.used += 1;
    return true;
  }

 private:
  struct Bucket {
    base::Instant filled{};
    double used = 0;
  };
  static_assert(limits::kSourceBuckets == 1u << 12);

  std::uint64_t seed_;
  double per_second_;
  std::vector<Bucket> buckets_;
};

}  // namespace causeway::relay
