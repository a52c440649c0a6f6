// How much this peer itself says to strangers over UDP.
//
// The source address of a datagram can be forged, and then the answer goes to somebody who has asked for
// nothing. So what a peer says of its own accord (challenges, errors, answers to OPTIONS and STUN, and
// whatever it sends again) to an address that has proved nothing is
//   - never longer than twice the request (kMostGrowth): make_short_response (rewrite.h) leaves out what need
//     not be said, or nothing is said;
//   - no more than `rate` a second for each source (an IPv4 address, or the /64 that an IPv6 address stands
//     in), after a burst of kStrangerBurst's worth.
// What a phone or another server has answered is not counted: it passes.
//
// A source that is what it says loses nothing: each sign that an answer has arrived there (an ACK that bears
// the To tag of our answer, an account's digest) gives two answers more than the one that was paid, so the
// budget doubles with every round trip as long as they come, and for kProvenFor the rate is ten times as
// high.
//
// Sources are kept in a table of fixed size, four places to a row, in a row that only who knows the secret
// can tell. A new one takes the place in which the least is lost: of the source whose budget is nearest to
// that of one never seen. A million forged sources push out each other, and neither who is being limited nor
// who has proved himself.
#pragma once

#include <cstdint>
#include <vector>

#include "base/limits.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "base/siphash.h"
#include "net/address.h"

namespace causeway::sip {

class SourceLimit {
 public:
  struct Config {
    std::uint32_t rate = 50;  // answers a second to one source; 0: any number
    base::SipHash::Key secret{};
  };
  static constexpr std::size_t kMostGrowth = 2;

  SourceLimit(base::Loop& loop, base::Metrics& metrics);
  void configure(const Config& config);

  // Whether the address can be forged at all: not where streams lead, and not inside this machine.
  static bool can_be_forged(net::Transport transport, const net::Ip& source) {
    return transport == net::Transport::udp && !source.is_loopback();
  }
  // May one more answer go there? It is paid for with that.
  bool take(const net::Ip& source);
  // An answer has arrived there.
  void arrived(const net::Ip& source);
  const base::SipHash::Key& secret() const { return config_.secret; }
  // Within kProvenFor.
  bool is_proven(const net::Ip& source) const;
  // An answer was not given because it would have been longer than kMostGrowth requests.
  void count_too_long() { ++too_long_; }

  std::size_t bytes() const { return places_.size() * sizeof(Place); }

 private:
  struct Place {
    std::uint64_t source = 0;  // 0: free
    std::int32_t budget = 0;   // thousandths of an answer
    std::uint32_t at = 0;      // when that was true: milliseconds since start_
    std::uint32_t proven = 0;  // the last arrived(); 0: never
  };
  static constexpr std::size_t kPlaces = 4;

  std::uint32_t clock() const { return static_cast<std::uint32_t>((loop_.now() - start_).count()) + 1; }
  bool proven_at(const Place& place, std::uint32_t now) const;
  std::int64_t rate(const Place& place, std::uint32_t now) const;
  std::int64_t burst(const Place& place, std::uint32_t now) const;
  std::int64_t budget(const Place& place, std::uint32_t now) const;
  std::int64_t worth(const Place& place, std::uint32_t now) const;
  std::size_t row_of(std::uint64_t source) const;
  Place& place_of(const net::Ip& ip, std::uint32_t now);

  base::Loop& loop_;
  Config config_;
  base::Instant start_;
  std::vector<Place> places_;  // taken with the first stranger

  base::Counter& answered_;
  base::Counter& limited_;
  base::Counter& too_long_;
  base::Counter& proofs_;
};

}  // namespace causeway::sip
