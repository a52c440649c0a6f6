// Registers many users, as fast as the server answers: up to `window` REGISTERs are under way. Who gets a 503
// with Retry-After tries again then.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "batch_socket.h"
#include "clock.h"

namespace load {

struct RegistrationPlan {
  std::string domain;
  std::uint32_t first = 1, users = 1000;  // u1, u2, ...
  std::uint32_t window = 200;
  double rate = 0;  // a second, 0: as fast as the server answers
};

struct RegistrationResult {
  std::uint32_t accepted = 0, refused = 0, postponed = 0, sent_again = 0;
  double seconds = 0;
};

class Registrations {
 public:
  Registrations(RegistrationPlan plan, Sockets& phones);
  RegistrationResult run();

 private:
  struct Sent {
    std::uint32_t index;
    Time at;
  };
  std::string request(std::uint32_t index) const;
  void send(std::uint32_t index);
  void send_new(Time now);
  void send_again(Time now);
  void send_postponed(Time now);
  void take(std::string_view message, Time now);

  RegistrationPlan plan_;
  Sockets& phones_;
  RegistrationResult result_;
  Time began_{};
  std::uint32_t next_ = 0;
  std::vector<bool> answered_;           // by index: user number less the first
  std::vector<std::uint8_t> postponed_;  // how often
  std::vector<Sent> waiting_;            // until then
  std::deque<Sent> under_way_;  // oldest first; answered ones are taken off when they come to the front
  std::uint32_t open_ = 0;
};

}  // namespace load
