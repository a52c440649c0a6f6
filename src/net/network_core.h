// What all sockets of one RealNetwork share: the loop, the counters, memory that is only in use within
// one call, and the list of those that have something to send when the turn ends.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/loop.h"
#include "base/metrics.h"
#include "net/network.h"
#include "net/port_sharing.h"

namespace causeway::net {

struct NetworkMetrics {
  explicit NetworkMetrics(base::Metrics& m);
  base::Counter& udp_received;
  base::Counter& udp_sent;
  base::Counter& udp_receive_calls;
  base::Counter& udp_send_calls;
  base::Counter& udp_dropped_queue_full;
  base::Counter& udp_dropped_refused;
  base::Counter& udp_dropped_by_kernel;
  base::Counter& udp_unreachable;
  base::Counter& accepted;
  base::Counter& accept_failed;
  base::Counter& accept_refused;
  base::Counter& accept_made_room;
  base::Counter& connects;
  base::Counter& handshakes_failed;
  base::Counter& handshake_timeouts;
  base::Counter& closed_remote;
  base::Counter& closed_refused;
  base::Counter& closed_timeout;
  base::Counter& closed_tls;
  base::Counter& closed_overflow;
  base::Counter& closed_reset;
  base::Counter& closed_local;
  base::Counter& sent_after_close;
};

class NetworkCore;
class UdpBatch;

// Something that hands its queue to the kernel at the end of the turn.
class Flushable {
 public:
  virtual void flush() = 0;

 protected:
  explicit Flushable(NetworkCore& core) : core_(core) {}
  virtual ~Flushable();
  void flush_at_end_of_turn();
  NetworkCore& core_;

 private:
  friend class NetworkCore;
  static constexpr std::size_t kNotListed = static_cast<std::size_t>(-1);
  std::size_t listed_at_ = kNotListed;
};

class NetworkCore {
 public:
  NetworkCore(base::Loop& l, base::Metrics& m, const MostConnections& how_many, PortSharing ports);
  ~NetworkCore();
  NetworkCore(const NetworkCore&) = delete;
  NetworkCore& operator=(const NetworkCore&) = delete;

  base::Loop& loop;
  NetworkMetrics metrics;
  const MostConnections most;
  const PortSharing sharing;
  std::unique_ptr<UdpBatch> udp_batch;  // the slots that datagrams are received into
  std::vector<char> read_buffer;        // a chunk of a stream, until its handler returns
  std::vector<char> write_buffer;       // small messages gathered into one TLS record
  std::chrono::microseconds waited{};   // Network::waited

  // The longest that bytes can have waited which are found now in a stream that was read to its end before.
  // They came after the last look at all descriptors, at the begin of a turn: of the one before this, or of
  // this one if the loop has been idle between the two. (What one turn leaves behind in a stream has waited
  // for longer; its sender is held up by flow control.)
  std::chrono::microseconds waited_in_stream() const;

 private:
  friend class Flushable;
  void end_of_turn();
  std::vector<Flushable*> to_flush_;
  base::Instant last_turn_began_{}, last_turn_ended_{};
};

}  // namespace causeway::net
