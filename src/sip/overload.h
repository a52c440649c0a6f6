// Overload: seen where work waits, ended by taking in no more than fits.
//
// A server that takes everything it is offered carries nothing once that is too much: what it reads has
// waited for so long that its sender has sent it again, and the copies fill the queue further. So the age of
// what is read is watched (net::Network::waited), and new work is refused while it is old.
//
//   normal --nothing read was younger than the target, for kOverloadWindow--> overload
//   overload --nothing read was older, for kOverloadCalm--> normal
//
// In overload each new call is judged by its own age: refused if it has waited for the target or longer, else
// taken. Refusing costs a thirtieth of carrying a call, so the queue shrinks to the target at once, and then
// what is taken is what fits: the server is never idle and never later than that, whatever is offered and
// whatever a call costs. There is no rate to estimate and no gain to tune, and when the load falls, the queue
// is empty in the same moment. A pause (a machine that stood still for a while) is no overload: its queue is
// gone within the window.
//
// What costs others more to lose is refused later (Stage): a new registration (without it a phone is not
// reached), and what a member sends (another peer has taken it in already).
//
// This is the judgement alone, by the loop's clock; admission.h asks it.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/limits.h"
#include "base/loop.h"
#include "base/metrics.h"

namespace causeway::sip {

struct OverloadConfig {
  // New requests are refused while requests wait longer than this to be read. Zero: never.
  base::Duration target{};
  // Server transactions at one time; more requests get 503.
  std::size_t max_transactions = limits::kMaxServerTransactions;
};

// For an operator.
struct OverloadState {
  bool on = false;
  base::Duration since{};              // that long
  std::chrono::microseconds waited{};  // what was read last, until it was read
  int admitted_percent = 100;          // of the new requests of the last second
};

class Overload {
 public:
  enum class Stage { first, later };

  Overload(base::Loop& loop, base::Metrics& metrics);

  void set_target(base::Duration target);

  // What is going to be handled has waited for so long.
  void on_read(std::chrono::microseconds waited) {
    waited_ = waited;
    if (waited >= target_) [[unlikely]]
      return on_late();
    if (watching_) calm_down();
  }

  bool on() const { return on_; }
  // Whether something new is refused that on_read was told of.
  bool refuses(Stage stage) const {
    return on_ && waited_ >= (stage == Stage::first ? target_ : limits::kLaterStage * target_);
  }
  // Whether one more may be told that it is refused. Beyond a budget, silence is all that there is time for.
  bool has_budget() const { return answered_ < limits::kRefusalsPerWindow; }
  void on_refused(bool told);
  // One that might have been refused was taken.
  void on_admitted();

  OverloadState state() const;

 private:
  void on_late();
  void calm_down();
  void on_window();
  void begin();
  void end();
  void note_share();

  struct Counts {
    std::uint64_t admitted = 0, refused = 0;
  };

  base::Loop& loop_;
  std::chrono::microseconds target_ = std::chrono::microseconds::max();
  std::chrono::microseconds waited_{};
  bool on_ = false;
  bool watching_ = false;  // something was late: is all of a window?
  base::Timer window_;
  base::Instant window_began_{}, last_late_{}, began_{}, last_logged_{};
  std::uint64_t answered_ = 0;  // in this window
  int windows_ = 0;
  int admitted_percent_ = 100;
  Counts since_begin_, since_share_;

  base::Counter& times_;
  base::Counter& admitted_;
  base::Counter& refused_;
  base::Counter& dropped_;
};

}  // namespace causeway::sip
