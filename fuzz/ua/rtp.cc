// RTP, RTCP and telephone events of anybody: what is read lies inside the packet, and is read again when
// written.
#include "ua/rtp.h"

#include <array>
#include <cstdlib>

#include "base/encoding.h"
#include "ua/dtmf.h"
#include "ua/limits.h"
#include "ua/rtcp.h"

using namespace causeway;

namespace {

void check_rtp(std::string_view packet) {
  const auto read = ua::parse_rtp(packet);
  if (!read) return;
  const char* const end = packet.data() + packet.size();
  if (read->payload.data() < packet.data() || read->payload.data() + read->payload.size() > end) std::abort();
  std::array<char, 70000> room;
  const auto again = ua::parse_rtp({room.data(), ua::write_rtp(*read, room)});
  if (!again || again->payload != read->payload || again->sequence != read->sequence ||
      again->timestamp != read->timestamp || again->ssrc != read->ssrc || again->marker != read->marker)
    std::abort();
  if (const auto event = ua::parse_telephone_event(read->payload)) {
    ua::DtmfReceiver receiver;
    receiver.on_packet(*event, read->timestamp);
    if (receiver.on_packet(*event, read->timestamp)) std::abort();
  }
}

void check_rtcp(std::string_view packet) {
  const auto read = ua::parse_rtcp(packet, 1, 2);
  if (!read || !read->about_us) return;
  std::array<char, ua::limits::kMaxPacket> room;
  const std::size_t size = ua::write_rtcp(
      {.ssrc = read->sender, .info = read->info, .block = read->about_us, .cname = packet, .bye = read->bye},
      room);
  const auto again = ua::parse_rtcp({room.data(), size}, 1, 2);
  if (!again || again->sender != read->sender || again->about_us->lost != read->about_us->lost) std::abort();
}

// The same bytes as sequence numbers, in the order they come.
void check_source(std::string_view bytes) {
  if (bytes.size() < 2) return;
  const auto number = [&](std::size_t at) {
    return static_cast<std::uint16_t>(static_cast<std::uint8_t>(bytes[at]) << 8 |
                                      static_cast<std::uint8_t>(bytes[at + 1]));
  };
  ua::RtpSource source(1, number(0), 8000);
  for (std::size_t at = 0; at + 2 <= bytes.size(); at += 2) {
    const bool taken = source.on_sequence(number(at)) == ua::RtpSource::Verdict::taken;
    if (taken && static_cast<std::uint16_t>(source.extended()) != number(at)) std::abort();
    if (taken && source.on_sequence(number(at)) == ua::RtpSource::Verdict::taken) std::abort();
    source.on_arrival(number(at), base::Instant(base::Duration(at)));
    if (source.lost() < 0) std::abort();
  }
  source.take_fraction_lost();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view packet = base::as_text({data, size});
  if (size > 65535) return 0;
  check_rtp(packet);
  check_rtcp(packet);
  check_source(packet);
  ua::kind_of(packet);
  return 0;
}
