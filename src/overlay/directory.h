// The service directory (draft 3.3): which peers offer a service under its well-known URI.
//
// sip:D        proxy peers        (draft 3.3.1)
// turn:D, ...  relay agent peers  (draft 3.3.2)
//
// A provider publishes its service record and refreshes it (offer / withdraw). A user asks for
// candidates (find): they come in an order drawn at random, the less loaded first, those that failed lately
// last, so that one dead peer costs one try and nobody is everybody's first choice. The list is kept
// fresh by listening while it is used.
//
// Where distance matters, as with media, a user asks for those near him (find_near): that order, sorted by
// what was measured, and only those that answered. So nobody is led to a peer that has died.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "base/random.h"
#include "overlay/overlay.h"
#include "overlay/round_trips.h"

namespace causeway::overlay {

struct Near {
  ServiceBody body;
  base::Duration round_trip;
};
// The same by distance: those whose round trips differ by at most a quarter, or 5 ms, are equally near and
// stay in their order.
std::vector<Near> nearest_first(std::vector<Near> in_order);

class Directory {
 public:
  static constexpr base::Duration kLife = std::chrono::seconds(120);
  static constexpr base::Duration kRefresh = std::chrono::seconds(40);
  static constexpr base::Duration kPause = std::chrono::seconds(10);
  static constexpr base::Duration kFailurePenalty = std::chrono::seconds(30);

  Directory(base::Loop& loop, Overlay& overlay, const Signer& signer, base::Random& random,
            base::Metrics& metrics);
  ~Directory();

  // Publishes now and every kRefresh, until withdrawn (a tombstone) or destroyed (nothing is sent). May be
  // called as often as the body changes: a version follows the one before it, or a tombstone, after kPause at
  // the earliest, and a load that differs by less than a twentieth of the capacity waits for the refresh. To
  // withdraw is not put off.
  void offer(std::string uri, ServiceBody body);
  void withdraw(std::string_view uri);

  // Calls `done` exactly once; at once if the list is fresh. Empty: nobody offers it.
  void find(std::string_view uri, std::function<void(std::vector<ServiceBody>)> done);
  // At most so many that answer STUN at an UDP endpoint of theirs within RoundTrips::kPatience, the nearest
  // first. Calls `done` exactly once; until then `round_trips` must be there.
  void find_near(std::string_view uri, RoundTrips& round_trips, std::size_t most,
                 std::function<void(std::vector<Near>)> done);
  // The caller could not reach that peer: it is offered last for kFailurePenalty.
  void failed(const identity::PeerId& peer);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::overlay
