#include "anchor/descriptions.h"

#include <algorithm>

#include <fmt/format.h>

#include "ua/words.h"

namespace causeway::anchor {

namespace {

using ua::MediaSection;
using ua::SdpLine;
using ua::SessionDescription;

constexpr std::string_view kPlain = "RTP/AVP";

// Attributes about how media travels, or that name other sections: each side of this peer has its own.
constexpr std::string_view kOfTransport[] = {
    "candidate",         "crypto",      "end-of-candidates", "fingerprint",   "group",     "ice-lite",
    "ice-mismatch",      "ice-options", "ice-pacing",        "ice-pwd",       "ice-ufrag", "mid",
    "remote-candidates", "rtcp",        "rtcp-mux",          "rtcp-mux-only", "setup",     "tls-id"};

std::string_view attribute_of(const SdpLine& line) {
  std::string_view text = line.value;
  return line.type == 'a' ? ua::take_until(text, ':') : std::string_view();
}

bool is_of_transport(const SdpLine& line) {
  return line.type == 'c' || std::ranges::find(kOfTransport, attribute_of(line)) != std::end(kOfTransport);
}

bool is_direction(const SdpLine& line) {
  using enum ua::Direction;
  return std::ranges::any_of(std::initializer_list<ua::Direction>{sendrecv, sendonly, recvonly, inactive},
                             [&](ua::Direction d) { return attribute_of(line) == ua::direction_name(d); });
}

base::Result<Said> read(std::string_view sdp, const ua::LocalMedia& local, const Said* offer) {
  auto description = ua::parse_sdp(sdp);
  if (!description) return std::unexpected(description.error());
  Said said{std::move(*description), 0, {}};
  const auto& sections = said.description.media;
  if (offer && sections.size() != offer->description.media.size())
    return base::fail("SDP: expected {} sections in the answer, as in the offer, found {}",
                      offer->description.media.size(), sections.size());
  base::Error why{"SDP: no audio"};
  for (std::size_t i = offer ? offer->section : 0; i < sections.size(); ++i) {
    if (sections[i].is("audio") && sections[i].port != 0) {
      auto media = ua::read_transport(said.description, sections[i], local, offer == nullptr);
      if (media) {
        said.section = i;
        said.media = std::move(*media);
        return said;
      }
      why = media.error();
    }
    if (offer) break;
  }
  return std::unexpected(why);
}

// RFC 3264 8.4: 0.0.0.0 means "on hold", which another address would hide.
void keep_on_hold(MediaSection& section, const ua::RemoteMedia& said) {
  if (said.ice || said.rtp.port != 0) return;
  std::erase_if(section.lines, is_direction);
  section.add('a', std::string(ua::direction_name(said.direction)));
}

// With `rtp` as its address, and nothing of the transport that it came over.
SessionDescription moved(const Said& said, const net::Address& rtp, const Said* offer) {
  SessionDescription result = said.description;
  std::erase_if(result.lines, is_of_transport);
  // RFC 8866 5: s=, i=, ..., c=, b=, t=: c= stands in front of what is about bandwidth and time.
  const auto place = std::ranges::find_if(
      result.lines, [](const SdpLine& line) { return std::string_view("btrzka").contains(line.type); });
  result.lines.insert(place, {'c', ua::connection_text(rtp.ip)});
  for (std::size_t i = 0; i < result.media.size(); ++i) {
    MediaSection& section = result.media[i];
    const MediaSection* offered = offer ? &offer->description.media[i] : nullptr;
    std::erase_if(section.lines, is_of_transport);
    section.ports = 1;
    section.port = rtp.port;
    if (i != said.section) {
      section.port = 0;
      section.lines.clear();
    } else {
      keep_on_hold(section, said.media);
      section.protocol = kPlain;
    }
    if (!offered) continue;
    section.protocol = offered->protocol;
    if (const auto name = offered->value("mid")) section.add('a', fmt::format("mid:{}", *name));
  }
  return result;
}

}  // namespace

base::Result<Said> read_phone(std::string_view sdp, const Said* offer) {
  ua::LocalMedia plain;
  plain.ice = false;
  return read(sdp, plain, offer);
}

base::Result<Said> read_world(std::string_view sdp, const ua::LocalMedia& local, const Said* offer) {
  return read(sdp, local, offer);
}

SessionDescription for_world(const Said& phone, const ua::LocalMedia& local, const Said* offer) {
  net::Address rtp = local.default_rtp;
  if (rtp.port == 0) rtp.port = 9;  // RFC 8840 4.1.1: no address yet; 0 would mean that nothing is wanted
  SessionDescription result = moved(phone, rtp, offer);
  if (local.ice && (!offer || offer->media.ice)) result.add('a', "ice-options:ice2");
  ua::add_transport(result.media[phone.section], local, offer ? &offer->media : nullptr);
  return result;
}

SessionDescription for_phone(const Said& world, const net::Address& rtp, const Said* offer) {
  return moved(world, rtp, offer);
}

std::string Numbering::write(SessionDescription description) {
  const auto origin = [&](std::uint32_t version) {
    return fmt::format("- {} {} {}", session_, version,
                       ua::connection_text(description.connection().value_or(net::Ip{})));
  };
  description.origin = origin(0);
  std::string text = ua::write(description);
  if (text != last_) {
    ++version_;
    last_ = std::move(text);
  }
  description.origin = origin(version_);
  return ua::write(description);
}

}  // namespace causeway::anchor
