// Time for the generator, and waiting for a socket until a time.
#pragma once

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <vector>

#include "batch_socket.h"

namespace load {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using Seconds = std::chrono::duration<double>;

// RFC 3261 17.1.1.1.
inline constexpr auto kT1 = std::chrono::milliseconds(500);
inline constexpr auto kT2 = std::chrono::seconds(4);
inline constexpr auto kGiveUp = 64 * kT1;

// Returns when one of the sockets can be read, or at `until`.
inline void wait(std::initializer_list<const Sockets*> sockets, Time until) {
  static std::vector<pollfd> polled;
  polled.clear();
  for (const Sockets* some : sockets)
    for (std::uint32_t i = 0; i < some->size(); ++i) polled.push_back({some->of(i).fd(), POLLIN, 0});
  const auto left = std::chrono::nanoseconds(std::max(until - Clock::now(), Clock::duration::zero()));
  const timespec patience{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
  ppoll(polled.data(), polled.size(), &patience, nullptr);
}

}  // namespace load
