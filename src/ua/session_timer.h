// Session timers (RFC 4028): a call whose other end has vanished ends by itself.
//
// One of the two refreshes the session (re-INVITE or UPDATE) when half of the agreed interval is over; the
// other ends the call shortly before the end of an interval without a refresh.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "sip/message.h"

namespace causeway::ua {

class SessionTimer {
 public:
  using Lines = std::vector<std::pair<std::string, std::string>>;

  SessionTimer(base::Loop& loop, base::Duration wanted, std::function<void()> refresh,
               std::function<void()> expired);

  // What our INVITE or UPDATE says of it (7.1, 7.4).
  Lines in_request() const;
  // A 422 has come: the interval that it wants; false if it says none (7.3).
  bool take_422(const sip::Message& response);
  // A 2xx to our request (7.2). Without Session-Expires there is no timer; starts anew with each.
  void take_response(const sip::Message& response);

  // An INVITE or UPDATE has come (9). Empty: it is fine; else its 422's Min-SE.
  static std::optional<std::string> too_short(const sip::Message& request);
  // What our 2xx says, and the timer starts.
  Lines take_request(const sip::Message& request);

  void stop() { timer_.stop(); }
  bool running() const { return timer_.pending(); }

 private:
  void run(base::Duration interval, bool we_refresh);

  base::Duration wanted_, least_;
  bool in_force_ = false, we_refresh_ = true;
  std::function<void()> refresh_, expired_;
  base::Timer timer_;
};

}  // namespace causeway::ua
