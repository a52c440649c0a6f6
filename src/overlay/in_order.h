// Datagrams that were sent to one address in one turn of the loop are taken in the order in which they
// were sent. The library below sends a value of more than 600 bytes as a head and parts, and forgets
// parts that overtake their head; networks do reorder what is sent back to back.
//
// Each datagram carries a burst number, and its place in the burst. One that comes too early waits for
// those before it, but never longer than kMaxHold: a lost datagram costs that and nothing else.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <utility>

#include "base/encoding.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "net/address.h"

namespace causeway::overlay {

class InOrder {
 public:
  struct Mark {
    std::uint32_t burst = 0;
    std::uint8_t place = 0;
  };
  using Deliver = std::function<void(const net::Address& from, std::span<const std::uint8_t> bytes)>;
  // `after_late` is called after something was delivered that has waited in vain.
  InOrder(base::Loop& loop, base::Metrics& metrics, Deliver deliver, base::Task after_late);

  Mark mark(const net::Address& to);
  void take(const net::Address& from, Mark mark, std::span<const std::uint8_t> bytes);

 private:
  using Key = std::pair<net::Address, std::uint32_t>;
  struct Burst {
    std::uint32_t next = 0;
    std::map<std::uint32_t, base::Bytes> early;
  };
  void end_old();
  void wait();

  base::Loop& loop_;
  Deliver deliver_;
  base::Task after_late_;
  base::Timer late_;
  std::uint32_t last_burst_ = 0;
  base::Instant sending_since_{};
  std::map<net::Address, Mark> sending_;  // in this turn
  std::map<Key, Burst> bursts_;
  std::deque<std::pair<base::Instant, Key>> begun_;  // bursts_ by age
  std::size_t held_ = 0;
  base::Counter& not_held_;
};

}  // namespace causeway::overlay
