#include "ua/dtmf.h"

#include "stun/message.h"
#include "stun/writer.h"
#include "ua/limits.h"

namespace causeway::ua {
namespace {

constexpr std::string_view kDigits = "0123456789*#ABCD";
constexpr int kToneFrames = 5;  // 100 ms; ITU-T Q.24 wants 40
constexpr int kEndPackets = 3;  // the first is that of the tone's last frame

}  // namespace

std::optional<TelephoneEvent> parse_telephone_event(std::string_view payload) {
  if (payload.size() < kTelephoneEvent) return std::nullopt;
  const auto flags = static_cast<std::uint8_t>(payload[1]);
  return TelephoneEvent{.event = static_cast<std::uint8_t>(payload[0]),
                        .end = (flags & 0x80) != 0,
                        .volume = static_cast<std::uint8_t>(flags & 0x3f),
                        .duration = stun::read_u16(payload, 2)};
}

void write_telephone_event(const TelephoneEvent& event, char* to) {
  to[0] = static_cast<char>(event.event);
  to[1] = static_cast<char>((event.end ? 0x80 : 0) | (event.volume & 0x3f));
  stun::write_u16(to + 2, event.duration);
}

std::optional<char> digit_of(std::uint8_t event) {
  if (event >= kDigits.size()) return std::nullopt;
  return kDigits[event];
}

std::optional<std::uint8_t> event_of(char digit) {
  if (digit >= 'a' && digit <= 'd') digit = static_cast<char>(digit - 'a' + 'A');
  const std::size_t at = kDigits.find(digit);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<std::uint8_t>(at);
}

bool DtmfSender::add(std::string_view digits) {
  for (const char digit : digits) {
    const auto event = event_of(digit);
    if (!event) continue;
    if (waiting_.size() >= limits::kMaxWaitingDigits) return false;
    waiting_.push_back(*event);
  }
  return true;
}

std::optional<DtmfSender::Packet> DtmfSender::next(std::uint32_t frame) {
  if (waiting_.empty()) return std::nullopt;
  const int step = ++step_;
  if (step == kToneFrames + kEndPackets) {  // a frame of audio; with it the pause has 60 ms, Q.24 wants 40
    step_ = 0;
    waiting_.pop_front();
    return std::nullopt;
  }
  const auto length = static_cast<std::uint32_t>(step < kToneFrames ? step : kToneFrames) * frame;
  return Packet{.event = {.event = waiting_.front(),
                          .end = step >= kToneFrames,
                          .duration = static_cast<std::uint16_t>(length)},
                .first = step == 1};
}

std::optional<char> DtmfReceiver::on_packet(const TelephoneEvent& event, std::uint32_t timestamp) {
  if (last_ == timestamp) return std::nullopt;
  // What is older is a packet of an earlier event that was overtaken.
  if (last_ && static_cast<std::int32_t>(timestamp - *last_) < 0) return std::nullopt;
  last_ = timestamp;
  return digit_of(event.event);
}

}  // namespace causeway::ua
