#include "net/network_core.h"

#include "base/limits.h"
#include "net/udp_batch.h"

namespace causeway::net {

namespace {

// Between two turns that follow each other at once: the loop's pace (base/epoll_loop.h), and rounding.
constexpr base::Duration kNoPause{4};

base::Instant clock_now() { return std::chrono::floor<base::Duration>(std::chrono::steady_clock::now()); }

}  // namespace

NetworkMetrics::NetworkMetrics(base::Metrics& m)
    : udp_received(m.counter("net_udp_received_total", "datagrams received")),
      udp_sent(m.counter("net_udp_sent_total", "datagrams handed to the kernel")),
      udp_receive_calls(m.counter("net_udp_receive_calls_total", "recvmmsg calls")),
      udp_send_calls(m.counter("net_udp_send_calls_total", "sendmmsg calls")),
      udp_dropped_queue_full(m.counter("net_udp_dropped_total{reason=\"queue_full\"}",
                                       "datagrams not sent: the kernel had no room for too long")),
      udp_dropped_refused(m.counter("net_udp_dropped_total{reason=\"refused\"}",
                                    "datagrams not sent: the kernel refused them (no route, too long)")),
      udp_dropped_by_kernel(m.counter("net_udp_dropped_total{reason=\"receive_buffer\"}",
                                      "datagrams lost because this peer did not read fast enough")),
      udp_unreachable(m.counter("net_udp_unreachable_total", "ICMP errors for datagrams that were sent")),
      accepted(m.counter("net_accepted_total", "stream connections accepted")),
      accept_failed(m.counter("net_accept_failed_total",
                              "stream connections turned away: no descriptors or memory left")),
      accept_refused(m.counter("net_accept_refused_total",
                               "stream connections turned away: their source has enough of them")),
      accept_made_room(m.counter("net_accept_made_room_total",
                                 "idle stream connections closed to make room for new ones")),
      connects(m.counter("net_connects_total", "stream connections begun")),
      handshakes_failed(
          m.counter("net_tls_handshakes_failed_total", "accepted connections whose TLS failed")),
      handshake_timeouts(m.counter("net_tls_handshake_timeouts_total",
                                   "accepted connections that did not finish TLS in time")),
      closed_remote(m.counter("net_stream_closed_total{reason=\"remote\"}", "streams the other side closed")),
      closed_refused(m.counter("net_stream_closed_total{reason=\"refused\"}", "streams that were refused")),
      closed_timeout(m.counter("net_stream_closed_total{reason=\"timeout\"}", "streams that timed out")),
      closed_tls(m.counter("net_stream_closed_total{reason=\"tls\"}", "streams that TLS ended")),
      closed_overflow(m.counter("net_stream_closed_total{reason=\"overflow\"}",
                                "streams closed because the other side did not read")),
      closed_reset(m.counter("net_stream_closed_total{reason=\"reset\"}", "streams the other side reset")),
      closed_local(m.counter("net_stream_closed_total{reason=\"local\"}", "streams closed by this side")),
      sent_after_close(m.counter("net_stream_sent_after_close_total",
                                 "messages dropped because their stream had ended")) {}

NetworkCore::NetworkCore(base::Loop& l, base::Metrics& m, const MostConnections& how_many, PortSharing ports)
    : loop(l),
      metrics(m),
      most(how_many),
      sharing(ports),
      udp_batch(std::make_unique<UdpBatch>()),
      read_buffer(limits::kMaxDatagram),
      write_buffer(limits::kMaxWrite) {
  loop.at_end_of_turn(this, [this] { end_of_turn(); });
}

NetworkCore::~NetworkCore() { loop.forget_end_of_turn(this); }

void NetworkCore::end_of_turn() {
  // By index: a flush may end with more to flush.
  for (std::size_t i = 0; i < to_flush_.size(); ++i) {
    Flushable* next = to_flush_[i];
    if (!next) continue;
    next->listed_at_ = Flushable::kNotListed;
    next->flush();
  }
  to_flush_.clear();
  last_turn_began_ = loop.now();
  last_turn_ended_ = clock_now();
}

std::chrono::microseconds NetworkCore::waited_in_stream() const {
  const bool busy = loop.now() - last_turn_ended_ <= kNoPause;
  return clock_now() - (busy ? last_turn_began_ : loop.now());
}

Flushable::~Flushable() {
  if (listed_at_ != kNotListed) core_.to_flush_[listed_at_] = nullptr;
}

void Flushable::flush_at_end_of_turn() {
  if (listed_at_ != kNotListed) return;
  listed_at_ = core_.to_flush_.size();
  core_.to_flush_.push_back(this);
}

}  // namespace causeway::net
