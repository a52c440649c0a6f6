// What others hear of this peer's relay: its service record under turn:D (draft 3.3.2), with the load as it
// is; none while it is full or draining. And what the relay hears of others: where it sends clients whom it
// cannot take itself (ALTERNATE-SERVER).
//
// Looks at the relay every second. The Directory decides how often there is a new version.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "overlay/directory.h"
#include "relay/relay.h"

namespace causeway::peer {

class RelayOffer {
 public:
  static constexpr base::Duration kLook = std::chrono::seconds(1);
  // Others are looked for from three quarters of the capacity on, so that they are known when it is full.
  static constexpr base::Duration kLookForOthers = std::chrono::seconds(10);
  static constexpr std::size_t kOthers = 3;

  struct Parts {  // all must outlive the offer
    base::Loop& loop;
    overlay::Directory& directory;
    overlay::RoundTrips& round_trips;
    std::function<relay::Relay::Status()> status;
    std::function<void(std::vector<net::Endpoint>)> set_alternates;
  };
  // `body` without a load: that comes from the relay.
  RelayOffer(Parts parts, std::string uri, overlay::ServiceBody body);

  void withdraw();

 private:
  void look();
  void look_for_others();

  Parts parts_;
  std::string uri_;
  overlay::ServiceBody body_;
  base::Instant looked_for_others_{};
  base::Timer timer_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace causeway::peer
