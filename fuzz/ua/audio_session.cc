// A call whose port gets anything from anybody: plain, with DTLS that waits, and with DTLS that has begun.
//
// Input: a byte that says which, then packets: a byte for the time that passes (in steps of 4 ms), two for
// the length, the bytes. What leaves is bounded by time, whatever comes.
#include "ua/audio_session.h"

#include <algorithm>
#include <cstdlib>

#include "base/encoding.h"
#include "ua/codec.h"
#include "ua/dtls.h"
#include "ua/dtmf.h"
#include "ua/limits.h"

using namespace causeway;
using namespace std::chrono_literals;

namespace {

struct Outside final : ua::AudioSession::Outside {
  void send(std::string_view packet) override {
    if (packet.size() > ua::limits::kMaxPacket) std::abort();
    ++sent;
  }
  void on_dtmf(char digit) override {
    if (!ua::event_of(digit)) std::abort();
  }
  void on_secured() override { std::abort(); }  // without the key of the certificate
  void on_ended(std::string why) override {
    if (why.empty() || ended) std::abort();
    ended = true;
  }
  std::uint64_t sent = 0;
  bool ended = false;
};

ua::RemoteMedia remote(unsigned how) {
  ua::RemoteMedia media;
  media.rtcp_mux = true;
  media.codecs = {{8, "PCMA", 8000, 1, {}},
                  {96, "opus", 48000, 2, {}},
                  {0, "PCMU", 8000, 1, {}},
                  {101, "telephone-event", 8000, 1, {}}};
  if (how & 4) std::swap(media.codecs[0], media.codecs[1]);
  media.keying = how & 1 ? ua::Keying::dtls_srtp : ua::Keying::plain;
  static const auto other = *ua::DtlsIdentity::make();
  media.fingerprint = other->fingerprint();
  media.setup = how & 2 ? ua::RemoteMedia::Setup::active : ua::RemoteMedia::Setup::passive;
  return media;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  base::Random random{1};
  base::Metrics counted;
  ua::AudioMetrics metrics(counted);
  Outside outside;
  ua::AudioSession session(*ua::AudioSetup::open("", ""), random, metrics, outside);
  const base::Instant begin{1'000'000ms};
  base::Instant now = begin;
  session.start(remote(data[0]), now);
  session.on_path(now);
  std::uint64_t packets = 0;
  for (++data, --size; size >= 3; ++packets) {
    now += data[0] * 4ms;
    while (session.next_wake() <= now && session.next_wake() > begin) {
      const base::Instant wake = session.next_wake();
      session.on_time(now);
      if (session.next_wake() <= wake) break;  // DTLS waits by another clock
    }
    const std::size_t length = std::min<std::size_t>(std::size_t{data[1]} << 8 | data[2], size - 3);
    session.on_packet(base::as_text({data + 3, length}), now);
    data += 3 + length;
    size -= 3 + length;
  }
  session.stop(now);
  const ua::MediaStatistics all = session.statistics();
  if (all.packets_received + all.packets_refused > packets + 1) std::abort();
  // Frames and reports of this time; with DTLS a flight of a few packets for each of theirs.
  const auto frames = static_cast<std::uint64_t>((now - begin) / 20ms);
  if (outside.sent > frames + 20 + 8 * packets) std::abort();
  return 0;
}
