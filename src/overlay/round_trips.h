// How far away services are: round trips of STUN Binding requests (RFC 8489) over UDP, measured from this
// peer.
//
// Who answers is alive, too, which a record cannot say: it outlives a peer that was killed by up to two
// minutes. So a place that is silent for kPatience has no round trip, and is not offered to anybody. It is
// asked again by whoever measures later than kSilenceBelieved, but is not waited for: a firewall that keeps
// UDP from some relays, or from all, does not delay every call.
//
// A request is sent again every kAgain, each time with a transaction of its own, so that an answer is never
// taken for that to another request. What was measured is believed for kBelieved, and shared by all who ask
// meanwhile.
//
// One thread: that of the Loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/loop.h"
#include "base/metrics.h"
#include "base/random.h"
#include "net/network.h"

namespace causeway::overlay {

class RoundTrips {
 public:
  static constexpr base::Duration kPatience = std::chrono::seconds(1);
  static constexpr base::Duration kAgain = std::chrono::milliseconds(40);
  static constexpr base::Duration kBelieved = std::chrono::seconds(5);
  static constexpr base::Duration kSilenceBelieved = std::chrono::seconds(1);
  // When enough have answered, how much longer others of about the same distance are waited for.
  static constexpr base::Duration kSlack = std::chrono::milliseconds(20);
  // When one has answered, how much longer others are waited for: those that are farther away, or whose first
  // answers were lost. Five questions go out meanwhile: where a third of them or their answers is lost, a
  // call is to know of more than one relay all the same.
  static constexpr base::Duration kSlackForMore = std::chrono::milliseconds(200);

  RoundTrips(base::Loop& loop, net::Network& network, base::Random& random, base::Metrics& metrics);
  ~RoundTrips();

  // One peer's addresses, at which it answers STUN over UDP: the one that answers first counts.
  using Place = std::vector<net::Address>;
  // In the order of the places; nothing for one that has not answered.
  using Times = std::vector<std::optional<base::Duration>>;
  // As `enough`: who is silent is waited for, too.
  static constexpr std::size_t kAll = SIZE_MAX;
  // Calls `done` exactly once, in a later turn: when all have answered that were not silent the last time, or
  // kPatience is over; and once one has answered no later than after kSlackForMore, or kSlack when `enough`
  // have. Never after destruction.
  void measure(std::vector<Place> places, std::size_t enough, std::function<void(Times)> done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::overlay
