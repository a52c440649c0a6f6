#include "anchor/phone_side.h"

#include <glib-unix.h>
#include <sys/socket.h>

#include <utility>

#include "anchor/limits.h"
#include "net/packet_batch.h"
#include "ua/limits.h"

namespace causeway::anchor {

base::Result<Ports> open_ports(const net::Ip& at, PortRange range, base::Random& random) {
  const std::uint32_t first = (range.first + 1U) / 2, pairs = (range.last + 1U) / 2 - first;
  for (int i = 0; pairs > 0 && i < limits::kMaxPortTries; ++i) {
    const auto port = static_cast<std::uint16_t>(2 * (first + random.below(pairs)));
    Ports ports{net::open_socket(at, SOCK_DGRAM), net::open_socket(at, SOCK_DGRAM), {at, port}};
    if (!ports.rtp || !ports.rtcp) return base::fail("no socket for the phone's media");
    if (net::bind_to(ports.rtp.get(), {at, port}) &&
        net::bind_to(ports.rtcp.get(), {at, static_cast<std::uint16_t>(port + 1)}))
      return ports;
  }
  return base::fail("no free pair of ports at {} from {} to {}", at.text(), range.first, range.last);
}

bool is_media(std::string_view packet) {
  const ua::PacketKind kind = ua::kind_of(packet);
  return packet.size() <= ua::limits::kMaxPacket &&
         (kind == ua::PacketKind::rtcp || (kind == ua::PacketKind::rtp && ua::parse_rtp(packet)));
}

MediaMetrics::MediaMetrics(base::Metrics& m)
    : to_world(m.counter("anchor_packets_total{to=\"world\"}",
                         "packets of phones that went on to the other side")),
      to_phone(m.counter("anchor_packets_total{to=\"phone\"}",
                         "packets of the other side that went on to the phone")),
      source(m.counter("anchor_packets_refused_total{reason=\"source\"}",
                       "packets at a phone's port from who is not that phone, dropped")),
      malformed(m.counter("anchor_packets_refused_total{reason=\"malformed\"}",
                          "what is neither RTP nor RTCP, or too long, dropped")),
      unauthentic(m.counter("anchor_packets_refused_total{reason=\"unauthentic\"}",
                            "SRTP that is not of the other side, or came before its keys, dropped")),
      rate(m.counter("anchor_packets_refused_total{reason=\"rate\"}",
                     "packets of phones beyond the most a second, dropped")),
      no_path(m.counter("anchor_packets_refused_total{reason=\"no path\"}",
                        "packets of phones before there was a way to the other side, dropped")),
      no_rtcp(
          m.counter("anchor_packets_refused_total{reason=\"no rtcp\"}",
                    "RTCP of phones for who neither multiplexes it nor names an address for it, dropped")),
      not_taken(
          m.counter("anchor_packets_refused_total{reason=\"not taken\"}",
                    "packets of phones for which the socket had no room, or beyond the most a second for "
                    "who knows no ICE, dropped")),
      no_phone(m.counter("anchor_packets_refused_total{reason=\"no phone\"}",
                         "packets to phones that have not shown where they are, dropped")) {}

PhoneSide::PhoneSide(ua::MediaThread& thread, Ports ports, const net::Ip& phone, MediaMetrics& metrics,
                     OnPacket on_packet)
    : thread_(thread),
      phone_(phone),
      metrics_(metrics),
      on_packet_(std::move(on_packet)),
      rate_(limits::kMaxFromPhone) {
  open(rtp_, std::move(ports.rtp));
  open(rtcp_, std::move(ports.rtcp));
}

void PhoneSide::open(Way& way, net::Descriptor fd) {
  way.side = this;
  way.fd = std::move(fd);
  way.source = g_unix_fd_source_new(way.fd.get(), G_IO_IN);
  const auto ready = [](gint, GIOCondition, gpointer self) -> gboolean {
    static_cast<Way*>(self)->read();
    return G_SOURCE_CONTINUE;
  };
  g_source_set_callback(way.source, G_SOURCE_FUNC(static_cast<GUnixFDSourceFunc>(ready)), &way, nullptr);
  g_source_attach(way.source, thread_.context());
}

PhoneSide::Way::~Way() {
  if (source == nullptr) return;
  g_source_destroy(source);
  g_source_unref(source);
}

void PhoneSide::move(const net::Ip& phone) {
  if (std::exchange(phone_, phone) == phone) return;
  for (Way* way : {&rtp_, &rtcp_}) way->seen.reset();
}

void PhoneSide::set_named(const net::Address& rtp, const net::Address& rtcp) {
  for (auto [way, named] : {std::pair(&rtp_, rtp), std::pair(&rtcp_, rtcp)}) {
    if (way->named == named) continue;
    way->named = named;
    way->seen.reset();  // it has moved
  }
}

bool PhoneSide::Way::is_from_phone(const net::Address& from, base::Instant now) const {
  if (from == seen || from == named) return true;
  return from.ip == side->phone_ && (!seen || now - seen_at >= limits::kSourceSilence);
}

std::optional<net::Address> PhoneSide::Way::target() const {
  if (named.port == 0 || seen) return seen;
  return named.ip == side->phone_ ? std::optional(named) : std::nullopt;
}

void PhoneSide::Way::read() {
  std::array<char, ua::limits::kMaxPacket + 1> room;
  for (int i = 0; i < limits::kMaxAtOnce; ++i) {
    sockaddr_storage bytes{};
    socklen_t length = sizeof bytes;
    const ssize_t size = ::recvfrom(fd.get(), room.data(), room.size(), MSG_DONTWAIT,
                                    reinterpret_cast<sockaddr*>(&bytes), &length);
    if (size < 0) return;
    const std::string_view packet(room.data(), static_cast<std::size_t>(size));
    const net::Address from = net::Address::from_sockaddr(reinterpret_cast<const sockaddr&>(bytes));
    const base::Instant now = ua::MediaThread::now();
    MediaMetrics& metrics = side->metrics_;
    if (!is_from_phone(from, now)) {
      ++metrics.source;
    } else if (!is_media(packet)) {
      ++metrics.malformed;
    } else if (!side->rate_.takes_one(now)) {
      ++metrics.rate;
    } else {
      seen = from;
      seen_at = side->heard_ = now;
      side->on_packet_(packet, ua::kind_of(packet) == ua::PacketKind::rtcp);
    }
  }
}

void PhoneSide::send(std::string_view packet, bool rtcp) {
  const Way& way = rtcp ? rtcp_ : rtp_;
  const auto target = way.target();
  if (!target) return void(++metrics_.no_phone);
  if (net::send_packet(way.fd.get(), *target, packet)) ++metrics_.to_phone;
}

}  // namespace causeway::anchor
