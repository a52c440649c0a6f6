#include "peer/relay_offer.h"

#include <algorithm>

namespace causeway::peer {

RelayOffer::RelayOffer(Parts parts, std::string uri, overlay::ServiceBody body)
    : parts_(std::move(parts)),
      uri_(std::move(uri)),
      body_(std::move(body)),
      timer_(parts_.loop.timers(), [this] { look(); }) {
  look();
}

void RelayOffer::withdraw() {
  timer_.stop();
  parts_.directory.withdraw(uri_);
}

void RelayOffer::look() {
  timer_.start(kLook);
  const relay::Relay::Status now = parts_.status();
  const std::int64_t capacity = body_.capacity;
  body_.load = static_cast<std::uint32_t>(std::clamp<std::int64_t>(now.ports_in_use, 0, capacity));
  if (now.draining || now.ports_in_use >= capacity)
    parts_.directory.withdraw(uri_);
  else
    parts_.directory.offer(uri_, body_);
  const bool nearly_full = 4 * now.ports_in_use >= 3 * capacity;
  const bool due =
      looked_for_others_ == base::Instant{} || parts_.loop.now() - looked_for_others_ >= kLookForOthers;
  if ((now.draining || nearly_full) && due) look_for_others();
}

void RelayOffer::look_for_others() {
  looked_for_others_ = parts_.loop.now();
  // One more than wanted: this peer finds itself, too.
  parts_.directory.find_near(uri_, parts_.round_trips, kOthers + 1,
                             [this, alive = std::weak_ptr(alive_)](const std::vector<overlay::Near>& found) {
                               if (alive.expired()) return;
                               std::vector<net::Endpoint> others;
                               for (const overlay::Near& one : found)
                                 if (one.body.peer != body_.peer)
                                   others.insert(others.end(), one.body.endpoints.begin(),
                                                 one.body.endpoints.end());
                               parts_.set_alternates(std::move(others));
                             });
}

}  // namespace causeway::peer
