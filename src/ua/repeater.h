// What a user agent itself says again until it is confirmed: a 2xx until its ACK (RFC 3261 13.3.1.4), a
// reliable provisional response until its PRACK (RFC 3262 3). T1, twice as long each time, for 64*T1 in all.
#pragma once

#include <algorithm>
#include <functional>

#include "base/limits.h"
#include "base/loop.h"

namespace causeway::ua {

class Repeater {
 public:
  Repeater(base::Loop& loop, std::function<void()> again, std::function<void()> given_up)
      : loop_(loop),
        again_(std::move(again)),
        given_up_(std::move(given_up)),
        timer_(loop.timers(), [this] { fire(); }) {}

  // `longest`: the pauses grow to that (T2), or without end if it is zero.
  void start(base::Duration longest) {
    longest_ = longest;
    pause_ = sip::limits::kT1;
    end_ = loop_.now() + sip::limits::k64T1;
    timer_.start(pause_);
  }
  void stop() { timer_.stop(); }
  bool waiting() const { return timer_.pending(); }

 private:
  void fire() {
    if (loop_.now() >= end_) return given_up_();
    again_();
    pause_ *= 2;
    if (longest_ > base::Duration::zero()) pause_ = std::min(pause_, longest_);
    timer_.start(std::min<base::Duration>(pause_, end_ - loop_.now()));
  }
  base::Loop& loop_;
  std::function<void()> again_, given_up_;
  base::Timer timer_;
  base::Duration pause_{}, longest_{};
  base::Instant end_{};
};

}  // namespace causeway::ua
