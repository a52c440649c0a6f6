#include "anchor/world_test.h"

#include <thread>

#include "base/encoding.h"
#include "net/packet_batch.h"
#include "ua/rtp.h"
#include "ua/thread_sanitizer_for_test.h"

namespace causeway::anchor::test {

void Socket::send(const net::Address& to, std::string_view packet) const {
  EXPECT_TRUE(net::send_packet(fd_.get(), to, packet));
}

std::string Socket::next_packet(base::Duration patience) const {
  const auto until = std::chrono::steady_clock::now() + patience;
  do {
    char bytes[2048];
    const ssize_t size = ::recv(fd_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (size > 0) return {bytes, static_cast<std::size_t>(size)};
    std::this_thread::sleep_for(2ms);
  } while (std::chrono::steady_clock::now() < until);
  return {};
}

std::string Socket::next(base::Duration patience) const {
  const auto until = std::chrono::steady_clock::now() + patience;
  do {
    const std::string bytes = next_packet(2ms);
    if (const auto packet = ua::parse_rtp(bytes)) return std::string(packet->payload);
  } while (std::chrono::steady_clock::now() < until);
  return {};
}

std::string rtp(std::string_view payload) {
  std::array<char, 256> room;
  const std::size_t size =
      ua::write_rtp({.payload_type = 0, .sequence = 1, .ssrc = 7, .payload = payload}, room);
  return {room.data(), size};
}

std::string rtcp() { return {"\x80\xc9\x00\x01\x00\x00\x00\x07", 8}; }

std::string phone_sdp(const net::Address& at, std::string_view more) {
  return fmt::format(
      "v=0\r\no=phone 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} RTP/AVP 0 101\r\n"
      "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n{2}",
      at.ip.text(), at.port, more);
}

void World::start(AnchorConfig config) {
  if (anchors) anchors->stop();
  if (config.local_addresses.empty()) config.local_addresses = {kHere};
  if (is_loopback_allowed) config.allowed = {*net::Range::parse("127.0.0.0/8")};
  anchors = std::make_shared<Anchors>(config);
  Door::Parts parts{.anchors = anchors, .loop = *loop, .stands_for = {}, .local_for = {}, .relays = {}};
  parts.stands_for = [](std::string_view) { return true; };
  parts.local_for = [](const net::Ip&) { return kHere; };
  parts.relays = [this](std::string_view, Door::Parts::Relays found) {
    if (relays_answer) found(relays);
  };
  door = std::make_unique<Door>(std::move(parts));
}

std::string World::write(const Text& text) {
  const auto tag = [](const std::string& t) { return t.empty() ? "" : ";tag=" + t; };
  const std::string line = text.status ? fmt::format("SIP/2.0 {} Said", text.status)
                                       : fmt::format("{} sip:x@p2psip.org SIP/2.0", text.method);
  return fmt::format(
      "{}\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:f@p2psip.org>{}\r\n"
      "To: <sip:t@p2psip.org>{}\r\nCall-ID: {}\r\nCSeq: {} {}\r\n{}Content-Length: {}\r\n\r\n{}",
      line, tag(text.from), tag(text.to), text.call, text.cseq, text.method,
      text.sdp.empty() ? "" : "Content-Type: application/sdp\r\n", text.sdp.size(), text.sdp);
}

std::shared_ptr<World::Passed> World::show(const Text& text, Crossing crossing, const std::string& user) {
  const std::string bytes = write(text);
  sip::Message message;
  EXPECT_TRUE(message.parse(bytes)) << bytes;
  auto passed = std::make_shared<Passed>();
  door->request(message, crossing, user, signals_from,
                [passed, sdp = text.sdp](proxy::PhoneHook::Shown shown) {
                  passed->done = true;
                  passed->refused = shown.refused;
                  passed->reason = shown.reason;
                  passed->leg = shown.leg;
                  passed->sdp = sdp;
                  sip::Message changed;
                  if (shown.request && changed.parse(shown.request.view())) passed->sdp = changed.body();
                });
  return passed;
}

World::Passed World::pass(const Text& text, Crossing crossing, const std::string& user) {
  const auto passed = show(text, crossing, user);
  EXPECT_TRUE(wait([&] { return passed->done; }));
  return *passed;
}

std::string World::respond(proxy::PhoneLeg& leg, const Text& text, Crossing crossing) {
  const std::string bytes = write(text);
  sip::Message message;
  EXPECT_TRUE(message.parse(bytes)) << bytes;
  const auto changed = leg.response(message, crossing);
  sip::Message parsed;
  return changed && parsed.parse(changed.view()) ? std::string(parsed.body()) : text.sdp;
}

std::uint64_t World::count(std::string_view metric) {
  for (const auto& row : anchors->counters())
    if (row.name == metric) return row.counter.value;
  ADD_FAILURE() << "no counter " << metric;
  return 0;
}

net::Address World::told(const std::string& sdp) {
  const auto description = ua::parse_sdp(sdp);
  if (!description || description->media.empty()) return {};
  return {description->connection_for(description->media[0]).value_or(net::Ip{}), description->media[0].port};
}

void World::expect_media(const net::Address& at, Side& far) {
  EXPECT_TRUE(far.wait([&] { return far.connected > 0; })) << far.why;
  // The way is found at either end in its own time.
  EXPECT_TRUE(wait([&] {
    phone.send(at, rtp("from the phone"));
    return far.hears(rtp("from the phone"), 50ms);
  }));
  EXPECT_TRUE(far.send(rtp("from far")));
  EXPECT_EQ(phone.next(), "from far");
}

}  // namespace causeway::anchor::test
