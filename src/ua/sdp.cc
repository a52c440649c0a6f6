#include "ua/sdp.h"

#include "ua/limits.h"
#include "ua/words.h"

namespace causeway::ua {
namespace {

// The next line, without its end: CRLF, or LF alone, which RFC 8866 5 lets pass.
std::string_view take_line(std::string_view& text) {
  std::string_view line = take_until(text, '\n');
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_clean(std::string_view value) {
  return value.find('\0') == value.npos && value.find('\r') == value.npos;
}

// "audio 49170/2 RTP/AVP 0 8"
base::Result<MediaSection> parse_media(std::string_view value) {
  const std::string_view whole = value;
  MediaSection section;
  section.media = take_word(value);
  std::string_view ports = take_word(value);
  section.protocol = take_word(value);
  const auto port = number_in<std::uint16_t>(take_until(ports, '/'));
  const auto count = ports.empty() ? std::optional(1u) : number_in<unsigned>(ports);
  if (!port || !count || section.protocol.empty())
    return base::fail("SDP: expected m=media port protocol formats, found '{:.60}'", whole);
  section.port = *port;
  section.ports = *count;
  for (std::string_view format = take_word(value); !format.empty(); format = take_word(value))
    section.formats.emplace_back(format);
  return section;
}

bool is_origin(std::string_view value) {
  for (int i = 0; i < 6; ++i)
    if (take_word(value).empty()) return false;
  return take_word(value).empty();
}

void write_lines(std::string& text, const SdpLines& of) {
  for (const SdpLine& line : of.lines) {
    text += line.type;
    text += '=';
    text += line.value;
    text += "\r\n";
  }
}

}  // namespace

std::optional<std::string_view> SdpLines::value(std::string_view attribute) const {
  for (const SdpLine& line : lines) {
    std::string_view text = line.value;
    if (line.type == 'a' && take_until(text, ':') == attribute) return text;
  }
  return std::nullopt;
}

std::vector<std::string_view> SdpLines::values(std::string_view attribute) const {
  std::vector<std::string_view> found;
  for (const SdpLine& line : lines) {
    std::string_view text = line.value;
    if (line.type == 'a' && take_until(text, ':') == attribute) found.push_back(text);
  }
  return found;
}

std::optional<net::Ip> SdpLines::connection() const {
  for (const SdpLine& line : lines) {
    if (line.type != 'c') continue;
    std::string_view text = line.value;
    const std::string_view network = take_word(text), family = take_word(text);
    // "233.252.0.1/127": what follows the address is about multicast.
    const auto ip = net::Ip::parse(take_until(text, '/'));
    if (network != "IN" || !ip || family != (ip->is_v4() ? "IP4" : "IP6")) return std::nullopt;
    return ip;
  }
  return std::nullopt;
}

std::optional<std::string_view> SessionDescription::value_for(const MediaSection& section,
                                                              std::string_view attribute) const {
  const auto own = section.value(attribute);
  return own ? own : value(attribute);
}

std::optional<net::Ip> SessionDescription::connection_for(const MediaSection& section) const {
  for (const SdpLine& line : section.lines)
    if (line.type == 'c') return section.connection();
  return connection();
}

base::Result<SessionDescription> parse_sdp(std::string_view text) {
  if (text.size() > limits::kMaxSdp)
    return base::fail("SDP: {} bytes, expected at most {}", text.size(), limits::kMaxSdp);
  SessionDescription description;
  SdpLines* current = &description;
  std::size_t count = 0;
  if (take_line(text) != "v=0") return base::fail("SDP: expected v=0 as the first line");
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) continue;
    if (++count > limits::kMaxSdpLines) return base::fail("SDP: more than {} lines", limits::kMaxSdpLines);
    if (line.size() < 2 || line[1] != '=' || line[0] < 'a' || line[0] > 'z' || !is_clean(line))
      return base::fail("SDP: expected lines such as a=value, found '{:.60}'", line);
    const std::string_view value = line.substr(2);
    if (line[0] == 'm') {
      if (description.media.size() == limits::kMaxSections)
        return base::fail("SDP: more than {} m= lines", limits::kMaxSections);
      auto section = parse_media(value);
      if (!section) return std::unexpected(section.error());
      current = &description.media.emplace_back(std::move(*section));
    } else if (line[0] == 'o' && description.origin.empty() && current == &description) {
      if (!is_origin(value)) return base::fail("SDP: expected o= with six words, found '{:.60}'", value);
      description.origin = value;
    } else if (line[0] == 'o' || line[0] == 'v') {
      return base::fail("SDP: a second {}= line", line[0]);
    } else {
      current->add(line[0], std::string(value));
    }
  }
  if (description.origin.empty()) return base::fail("SDP: expected an o= line");
  return description;
}

std::string write(const SessionDescription& description) {
  std::string text = "v=0\r\no=" + description.origin + "\r\n";
  write_lines(text, description);
  for (const MediaSection& section : description.media) {
    text += fmt::format("m={} {}", section.media, section.port);
    if (section.ports != 1) text += fmt::format("/{}", section.ports);
    text += ' ' + section.protocol;
    for (const std::string& format : section.formats) text += ' ' + format;
    text += "\r\n";
    write_lines(text, section);
  }
  return text;
}

std::string connection_text(const net::Ip& ip) {
  return fmt::format("IN {} {}", ip.is_v4() ? "IP4" : "IP6", ip.text());
}

}  // namespace causeway::ua
