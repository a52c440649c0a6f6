// Keys as named telephone events (RFC 4733).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>

namespace causeway::ua {

struct TelephoneEvent {
  std::uint8_t event = 0;
  bool end = false;
  std::uint8_t volume = 10;    // -dBm0
  std::uint16_t duration = 0;  // in timestamp units
};
inline constexpr std::size_t kTelephoneEvent = 4;  // bytes

std::optional<TelephoneEvent> parse_telephone_event(std::string_view payload);
void write_telephone_event(const TelephoneEvent& event, char* to);  // kTelephoneEvent bytes

// 0-9 * # A-D are the events 0 to 15 (RFC 4733 3.2).
std::optional<char> digit_of(std::uint8_t event);
std::optional<std::uint8_t> event_of(char digit);

// Keys to be sent, one after the other: 100 ms each and 60 ms between them.
class DtmfSender {
 public:
  struct Packet {
    TelephoneEvent event;
    bool first;  // of its event: has the marker and the timestamp of now, which the others repeat
  };
  // What is no key is passed over; false if there was no room for all.
  bool add(std::string_view digits);
  // The next packets, called once a frame of so many timestamp units: none if audio is sent instead. The last
  // packet of an event is sent three times (RFC 4733 2.5.1.4), in frames of their own.
  std::optional<Packet> next(std::uint32_t frame);
  bool is_idle() const { return waiting_.empty() && step_ == 0; }

 private:
  std::deque<std::uint8_t> waiting_;
  int step_ = 0;  // of the key at the front, in frames
};

// Each key once, although each comes in many packets and some are lost.
class DtmfReceiver {
 public:
  // The key of a new event.
  std::optional<char> on_packet(const TelephoneEvent& event, std::uint32_t timestamp);

 private:
  std::optional<std::uint32_t> last_;  // timestamp of the event that was told
};

}  // namespace causeway::ua
