// Registers many users, as fast as the server answers: up to `window` REGISTERs are under way.
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
  std::uint32_t window = 500;
  double rate = 0;  // a second, 0: as fast as the server answers
};

struct RegistrationResult {
  std::uint32_t accepted = 0, refused = 0, sent_again = 0;
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
  void take(std::string_view message);

  RegistrationPlan plan_;
  Sockets& phones_;
  RegistrationResult result_;
  Time began_{};
  std::uint32_t next_ = 0;
  std::vector<bool> answered_;  // by index: user number less the first
  std::deque<Sent> under_way_;  // oldest first; answered ones are taken off when they come to the front
  std::uint32_t open_ = 0;
};

}  // namespace load
