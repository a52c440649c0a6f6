// The side of a call that faces the phone: a pair of UDP ports, RTP and RTCP, plain.
//
// Packets are taken from the address that the phone has named in its description, and from the address that
// it signals from, at whatever port they come first (symmetric RTP, RFC 4961: NATs). They are sent to where
// the phone's come from; before any has come, to the address that it has named, if it signals from there too.
// So nobody gets packets that he has not asked for because a phone says that he is one.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/metrics.h"
#include "base/random.h"
#include "base/result.h"
#include "net/descriptor.h"
#include "ua/media_thread.h"
#include "ua/rate.h"
#include "ua/rtp.h"

namespace causeway::anchor {

// An even port and the next one (RFC 3550 11).
struct Ports {
  net::Descriptor rtp, rtcp;
  net::Address address;  // of RTP
};
struct PortRange {
  std::uint16_t first, last;
};
// The error says that there is no pair left.
base::Result<Ports> open_ports(const net::Ip& at, PortRange range, base::Random& random);

// Whether a packet is whole RTP or RTCP, and not too long.
bool is_media(std::string_view packet);

// Counters of the media thread.
struct MediaMetrics {
  explicit MediaMetrics(base::Metrics& metrics);
  base::Counter &to_world, &to_phone;                      // packets that went on
  base::Counter &source, &malformed, &unauthentic, &rate;  // refused
  base::Counter &no_path, &no_rtcp, &not_taken, &no_phone;
};

// On the media thread.
class PhoneSide {
 public:
  using OnPacket = std::function<void(std::string_view packet, bool rtcp)>;
  // `phone`: the address that it signals from.
  PhoneSide(ua::MediaThread& thread, Ports ports, const net::Ip& phone, MediaMetrics& metrics,
            OnPacket on_packet);

  // It signals from elsewhere now.
  void move(const net::Ip& phone);
  // What it has named; no port: it wants nothing.
  void set_named(const net::Address& rtp, const net::Address& rtcp);
  void send(std::string_view packet, bool rtcp);
  base::Instant heard() const { return heard_; }  // when something came last

 private:
  // One of the two ports.
  struct Way {
    ~Way();
    void read();
    bool is_from_phone(const net::Address& from, base::Instant now) const;
    // Where packets go; nothing if nobody has asked for any.
    std::optional<net::Address> target() const;

    PhoneSide* side = nullptr;
    net::Descriptor fd;
    GSource* source = nullptr;
    net::Address named;
    std::optional<net::Address> seen;
    base::Instant seen_at{};
  };
  void open(Way& way, net::Descriptor fd);

  ua::MediaThread& thread_;
  net::Ip phone_;
  MediaMetrics& metrics_;
  OnPacket on_packet_;
  ua::Rate rate_;
  base::Instant heard_{};
  Way rtp_, rtcp_;
};

}  // namespace causeway::anchor
