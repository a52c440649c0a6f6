#include "ua/offer_answer.h"

#include <algorithm>
#include <functional>

#include "ua/limits.h"
#include "ua/sdp.h"
#include "ua/words.h"

namespace causeway::ua {
namespace {

using Setup = RemoteMedia::Setup;

constexpr std::string_view kDirections[] = {"sendrecv", "sendonly", "recvonly", "inactive"};
constexpr std::string_view kSetups[] = {"actpass", "active", "passive"};
constexpr std::string_view kEvents = "telephone-event";

bool sends(Direction d) { return d == Direction::sendrecv || d == Direction::sendonly; }
bool receives(Direction d) { return d == Direction::sendrecv || d == Direction::recvonly; }
Direction direction_of(bool sending, bool receiving) {
  if (sending) return receiving ? Direction::sendrecv : Direction::sendonly;
  return receiving ? Direction::recvonly : Direction::inactive;
}

// ---- writing

SessionDescription make_session(const LocalMedia& local, bool ice, std::uint64_t session,
                                std::uint32_t version) {
  SessionDescription description;
  const std::string where = connection_text(local.default_rtp.ip);
  description.origin = fmt::format("- {} {} {}", session, version, where);
  description.add('s', "-");
  description.add('c', where);
  description.add('t', "0 0");
  if (ice) {
    description.add('a', "ice-options:ice2");
    description.add('a', fmt::format("ice-pacing:{}", limits::kIcePacing));
  }
  return description;
}

void add_codecs(MediaSection& section, const std::vector<Payload>& codecs) {
  for (const Payload& codec : codecs) {
    section.formats.push_back(std::to_string(codec.number));
    std::string map = fmt::format("rtpmap:{} {}/{}", codec.number, codec.name, codec.rate);
    if (codec.channels != 1) map += fmt::format("/{}", codec.channels);
    section.add('a', std::move(map));
    if (!codec.fmtp.empty()) section.add('a', fmt::format("fmtp:{} {}", codec.number, codec.fmtp));
  }
}

void add_ice(MediaSection& section, const LocalMedia& local, bool rtcp_apart) {
  section.add('a', "ice-ufrag:" + local.credentials.ufrag);
  section.add('a', "ice-pwd:" + local.credentials.password);
  for (const Candidate& candidate : local.candidates) section.add('a', "candidate:" + write(candidate));
  if (!rtcp_apart) return;
  for (const Candidate& candidate : local.rtcp_candidates) section.add('a', "candidate:" + write(candidate));
}

void add_dtls(MediaSection& section, const LocalMedia& local, Setup setup) {
  section.add('a', "fingerprint:" + local.fingerprint);
  section.add('a', fmt::format("setup:{}", kSetups[static_cast<std::size_t>(setup)]));
}

// RFC 3605
void add_rtcp(MediaSection& section, const LocalMedia& local) {
  if (!local.default_rtcp) return;
  section.add('a',
              fmt::format("rtcp:{} {}", local.default_rtcp->port, connection_text(local.default_rtcp->ip)));
}

MediaSection audio_section(const LocalMedia& local, std::string_view protocol, Direction direction,
                           const std::vector<Payload>& codecs) {
  MediaSection section;
  section.media = "audio";
  // RFC 8840 4.1.1: 9 where there is no address yet; 0 would mean that nothing is wanted.
  section.port = local.default_rtp.port != 0 ? local.default_rtp.port : 9;
  section.protocol = protocol;
  add_codecs(section, codecs);
  section.add('a', std::string(direction_name(direction)));
  return section;
}

// ---- reading

// Payload types that RFC 3551 6 has given away: those that need no rtpmap.
std::optional<Payload> static_payload(std::uint8_t number) {
  if (number == 0) return Payload{0, "PCMU", 8000, 1, {}};
  if (number == 8) return Payload{8, "PCMA", 8000, 1, {}};
  return std::nullopt;
}

// "111 opus/48000/2", if it is about that number.
std::optional<Payload> mapped_payload(std::string_view map, std::string_view format) {
  if (take_word(map) != format) return std::nullopt;
  Payload payload;
  payload.name = take_until(map, '/');
  const auto rate = number_in<unsigned>(take_until(map, '/'));
  const auto channels = map.empty() ? std::optional(1u) : number_in<unsigned>(map);
  if (payload.name.empty() || !rate || !channels) return std::nullopt;
  payload.rate = *rate;
  payload.channels = *channels;
  return payload;
}

std::optional<Payload> payload_of(const MediaSection& section, std::string_view format) {
  const auto number = number_in<std::uint8_t>(format);
  if (!number || *number > 127) return std::nullopt;
  std::optional<Payload> payload = static_payload(*number);
  for (const std::string_view map : section.values("rtpmap"))
    if (auto mapped = mapped_payload(map, format)) {
      payload = std::move(mapped);
      break;
    }
  if (!payload) return std::nullopt;
  payload->number = *number;
  for (std::string_view fmtp : section.values("fmtp"))
    if (take_word(fmtp) == format) {
      payload->fmtp = fmtp;
      break;
    }
  return payload;
}

// Those that both have, with the numbers and in the order of the other side.
std::vector<Payload> common_codecs(const MediaSection& section, const std::vector<Payload>& own) {
  std::vector<Payload> common;
  const std::size_t count = std::min(section.formats.size(), limits::kMaxPayloads);
  for (std::size_t i = 0; i < count; ++i) {
    auto payload = payload_of(section, section.formats[i]);
    if (!payload) continue;
    const auto is_it = [&](const Payload& other) { return payload->is_same_codec(other); };
    const auto is_its_number = [&](const Payload& other) { return payload->number == other.number; };
    if (std::ranges::any_of(own, is_it) && std::ranges::none_of(common, is_its_number))
      common.push_back(std::move(*payload));
  }
  return common;
}

bool has_audio(const std::vector<Payload>& codecs) {
  return std::ranges::any_of(codecs, [](const Payload& p) { return !is_same_word(p.name, kEvents); });
}

// "SHA-256 ab:cd..." as "sha-256 AB:CD...", if it is a hash that is good enough, and as long as it says.
std::optional<std::string> fingerprint_in(std::string_view value) {
  std::string hash(take_word(value)), digits(value);
  std::ranges::transform(hash, hash.begin(), sip::scan::lower);
  const std::size_t bytes = hash == "sha-256" ? 32 : hash == "sha-384" ? 48 : hash == "sha-512" ? 64 : 0;
  if (bytes == 0 || digits.size() != 3 * bytes - 1) return std::nullopt;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i % 3 == 2 ? digits[i] != ':' : !sip::scan::is(digits[i], sip::scan::kHex)) return std::nullopt;
    if (digits[i] >= 'a') digits[i] = static_cast<char>(digits[i] - 0x20);
  }
  return hash + ' ' + digits;
}

class Reader {
 public:
  Reader(const SessionDescription& description, const MediaSection& section, const LocalMedia& local)
      : description_(description), section_(section), local_(local) {}

  base::Result<RemoteMedia> read(bool is_offer) {
    remote_.codecs = common_codecs(section_, local_.codecs);
    if (!has_audio(remote_.codecs)) return base::fail("SDP: no audio codec that both sides have");
    return read_transport(is_offer);
  }

  base::Result<RemoteMedia> read_transport(bool is_offer) {
    std::string_view origin = description_.origin;
    take_word(origin);
    remote_.session = take_word(origin);
    remote_.version = take_word(origin);
    remote_.rtcp_mux = section_.has("rtcp-mux");
    if (local_.ice) read_ice();
    base::Status read = read_addresses();
    if (read) read = read_keying(is_offer);
    if (!read) return std::unexpected(read.error());
    read_direction();
    return std::move(remote_);
  }

 private:
  std::optional<std::string_view> value(std::string_view attribute) const {
    return description_.value_for(section_, attribute);
  }
  net::Address default_address() const {
    return {description_.connection_for(section_).value_or(net::Ip{}), section_.port};
  }

  void read_ice() {
    const auto ufrag = value("ice-ufrag"), password = value("ice-pwd");
    if (!ufrag || !password || !is_ice_text(*ufrag, 4, limits::kMaxIceCredential) ||
        !is_ice_text(*password, 22, limits::kMaxIceCredential) || section_.has("ice-mismatch"))
      return;
    const net::Address named = default_address();
    // RFC 8840 4.1.1: no address yet.
    bool found = named.ip.is_unspecified() || named.port == 9;
    for (const std::string_view text : section_.values("candidate")) {
      auto candidate = parse_candidate(text);
      if (!candidate) ++remote_.candidates_refused;
      if (!candidate || candidate->component > 2) continue;
      const bool is_rtcp = candidate->component == 2;
      if (is_rtcp && remote_.rtcp_mux) continue;
      found = found || (!is_rtcp && candidate->address == named);
      keep(std::move(*candidate), is_rtcp ? remote_.rtcp_candidates : remote_.candidates);
    }
    if (!found) {
      remote_.candidates.clear();
      remote_.rtcp_candidates.clear();
      remote_.ice_mismatch = true;
      return;
    }
    remote_.ice = IceCredentials{std::string(*ufrag), std::string(*password)};
    remote_.ice_lite = description_.has("ice-lite");
    const auto pacing = number_in<unsigned>(description_.value("ice-pacing").value_or(""));
    if (pacing && *pacing <= limits::kMaxIcePacing) remote_.ice_pacing = *pacing;
    for (std::string_view options = value("ice-options").value_or(""); !options.empty();)
      remote_.ice2 = take_word(options) == "ice2" || remote_.ice2;
  }

  // The best ones, by priority, each address once.
  void keep(Candidate candidate, std::vector<Candidate>& kept) {
    const auto same = std::ranges::find(kept, candidate.address, &Candidate::address);
    if (same != kept.end()) {
      if (same->priority >= candidate.priority) return;
      kept.erase(same);
    }
    const auto place =
        std::ranges::upper_bound(kept, candidate.priority, std::greater(), &Candidate::priority);
    kept.insert(place, std::move(candidate));
    if (kept.size() <= limits::kMaxCandidates) return;
    kept.pop_back();
    ++remote_.candidates_left_out;
  }

  base::Status read_addresses() {
    const net::Address named = default_address();
    const bool on_hold = description_.connection_for(section_) == net::Ip::v4(0);
    if (is_destination(named) && !(remote_.ice && named.port == 9))
      remote_.rtp = named;
    else if (!remote_.ice && !on_hold)
      return base::fail("SDP: expected an address to send to in c= and m=, found {}", named.text());
    if (!remote_.rtcp_mux && remote_.rtp.port != 0) read_rtcp();
    return {};
  }

  void read_rtcp() {
    // RFC 3605: "53020 IN IP6 2001:db8::1"
    std::string_view text = section_.value("rtcp").value_or("");
    const auto port = number_in<std::uint16_t>(take_word(text));
    net::Address rtcp{remote_.rtp.ip, port.value_or(static_cast<std::uint16_t>(remote_.rtp.port + 1))};
    take_word(text);
    take_word(text);
    if (const auto ip = net::Ip::parse(take_word(text))) rtcp.ip = *ip;
    if (is_destination(rtcp)) remote_.rtcp = rtcp;
  }

  base::Status read_keying(bool is_offer) {
    if (section_.protocol.find("SAVP") == std::string::npos) {
      if (local_.keying == Keying::dtls_srtp)
        return base::fail("SDP: expected DTLS-SRTP (UDP/TLS/RTP/SAVP), found '{:.40}'", section_.protocol);
      return {};
    }
    if (local_.fingerprint.empty() || (!is_offer && local_.keying == Keying::plain))
      return base::fail("SDP: expected RTP/AVP, found '{:.40}'", section_.protocol);
    remote_.keying = Keying::dtls_srtp;
    auto fingerprints = section_.values("fingerprint");
    if (fingerprints.empty()) fingerprints = description_.values("fingerprint");
    for (const std::string_view text : fingerprints) {
      const auto read = fingerprint_in(text);
      // RFC 8122 5: of several, the one whose hash everybody has.
      if (read && (remote_.fingerprint.empty() || read->starts_with("sha-256"))) remote_.fingerprint = *read;
    }
    if (remote_.fingerprint.empty())
      return base::fail("SDP: expected a fingerprint by SHA-256 or better (no keys in SDP, no SHA-1)");
    return read_setup(is_offer);
  }

  base::Status read_setup(bool is_offer) {
    // RFC 4145 4.1: what it means if nothing is said.
    const auto said = value("setup").value_or(is_offer ? "active" : "passive");
    const auto found = std::ranges::find(kSetups, said);
    if (found == std::end(kSetups) || (!is_offer && found == kSetups))
      return base::fail("SDP: expected setup {}active or passive, found '{:.40}'",
                        is_offer ? "actpass, " : "", said);
    remote_.setup = static_cast<Setup>(found - kSetups);
    return {};
  }

  void read_direction() {
    for (const SdpLines* lines :
         {static_cast<const SdpLines*>(&description_), static_cast<const SdpLines*>(&section_)})
      for (std::size_t i = 0; i < std::size(kDirections); ++i)
        if (lines->has(kDirections[i])) remote_.direction = static_cast<Direction>(i);
    // RFC 3264 8.4: hold as RFC 2543 had it.
    if (!remote_.ice && remote_.rtp.port == 0)
      remote_.direction = direction_of(sends(remote_.direction), false);
  }

  const SessionDescription& description_;
  const MediaSection& section_;
  const LocalMedia& local_;
  RemoteMedia remote_;
};

}  // namespace

std::string_view direction_name(Direction direction) {
  return kDirections[static_cast<std::size_t>(direction)];
}

Direction reverse(Direction direction) { return direction_of(receives(direction), sends(direction)); }

Direction agreed_direction(Direction local, Direction remote) {
  return direction_of(sends(local) && receives(remote), receives(local) && sends(remote));
}

bool Payload::is_same_codec(const Payload& other) const {
  return rate == other.rate && channels == other.channels && is_same_word(name, other.name);
}

base::Result<RemoteMedia> read_transport(const SessionDescription& description, const MediaSection& section,
                                         const LocalMedia& local, bool is_offer) {
  return Reader(description, section, local).read_transport(is_offer);
}

void add_transport(MediaSection& section, const LocalMedia& local, const RemoteMedia* offer) {
  const bool dtls = (offer ? offer->keying : local.keying) == Keying::dtls_srtp;
  const bool rtcp_apart = !dtls && !(offer && offer->rtcp_mux);
  if (!offer || offer->rtcp_mux) section.add('a', "rtcp-mux");
  if (rtcp_apart) add_rtcp(section, local);
  if (dtls)
    add_dtls(section, local,
             !offer                   ? Setup::actpass
             : is_dtls_client(*offer) ? Setup::active
                                      : Setup::passive);
  if (local.ice && (!offer || offer->ice)) add_ice(section, local, rtcp_apart);
  if (offer && offer->ice_mismatch) section.add('a', "ice-mismatch");
}

std::string make_offer(const LocalMedia& local, std::uint64_t session, std::uint32_t version) {
  SessionDescription offer = make_session(local, local.ice, session, version);
  const bool dtls = local.keying == Keying::dtls_srtp;
  MediaSection audio =
      audio_section(local, dtls ? "UDP/TLS/RTP/SAVP" : "RTP/AVP", local.direction, local.codecs);
  add_transport(audio, local, nullptr);
  offer.media.push_back(std::move(audio));
  return write(offer);
}

base::Result<RemoteMedia> read_offer(std::string_view sdp, const LocalMedia& capabilities) {
  const auto offer = parse_sdp(sdp);
  if (!offer) return std::unexpected(offer.error());
  base::Error why{"SDP: no audio is offered"};
  for (std::size_t i = 0; i < offer->media.size(); ++i) {
    const MediaSection& section = offer->media[i];
    if (!section.is("audio") || section.port == 0) continue;
    auto remote = Reader(*offer, section, capabilities).read(true);
    if (remote) {
      remote->section = i;
      return remote;
    }
    why = remote.error();
  }
  return std::unexpected(why);
}

std::string make_answer(const LocalMedia& local, const RemoteMedia& offer, std::string_view offer_sdp,
                        std::uint64_t session, std::uint32_t version) {
  const bool ice = local.ice && offer.ice.has_value();
  SessionDescription answer = make_session(local, ice, session, version);
  const auto offered = parse_sdp(offer_sdp);
  for (std::size_t i = 0; offered && i < offered->media.size(); ++i) {
    const MediaSection& theirs = offered->media[i];
    MediaSection ours{{}, theirs.media, 0, 1, theirs.protocol, theirs.formats};
    if (i == offer.section) {
      ours = audio_section(local, theirs.protocol, agreed_direction(local.direction, offer.direction),
                           offer.codecs);
      add_transport(ours, local, &offer);
    }
    // RFC 5888 9.1: sections keep their names.
    if (const auto name = theirs.value("mid")) ours.add('a', fmt::format("mid:{}", *name));
    answer.media.push_back(std::move(ours));
  }
  return write(answer);
}

base::Result<RemoteMedia> read_answer(std::string_view sdp, const LocalMedia& offered) {
  const auto answer = parse_sdp(sdp);
  if (!answer) return std::unexpected(answer.error());
  if (answer->media.size() != 1 || !answer->media[0].is("audio"))
    return base::fail("SDP: expected one audio section in the answer, found {} sections",
                      answer->media.size());
  if (answer->media[0].port == 0) return base::fail("SDP: the other side has refused the audio");
  return Reader(*answer, answer->media[0], offered).read(false);
}

}  // namespace causeway::ua
