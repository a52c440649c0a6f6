// Session descriptions (RFC 8866), as far as calls need them: the lines as they came, and what most of
// them say. What is not understood is kept in its place, so that a description that was read can be written.
//
//   auto offer = parse_sdp(body);
//   for (const MediaSection& section : offer->media)
//     if (section.is("audio") && section.port != 0) use(section.value("fingerprint"));
//
// The text may come from anybody: it is as long, and has as many lines and sections, as limits.h says, or is
// refused. Numbers beyond their range are refused too, and nothing is looked up: an address that is a name
// is no address.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/address.h"

namespace causeway::ua {

struct SdpLine {
  char type = 0;      // 'a' in "a=rtcp-mux"
  std::string value;  // "rtcp-mux"
  bool operator==(const SdpLine&) const = default;
};

// The lines of the session, or those below one m= line.
struct SdpLines {
  std::vector<SdpLine> lines;

  void add(char type, std::string value) { lines.push_back({type, std::move(value)}); }
  // An attribute, by its name with its case as RFC 8866 6 wants it: the value of "a=name:value" ("" for
  // "a=name"), of the first line that has it.
  std::optional<std::string_view> value(std::string_view attribute) const;
  bool has(std::string_view attribute) const { return value(attribute).has_value(); }
  std::vector<std::string_view> values(std::string_view attribute) const;  // of all lines, in order
  // c=: nothing if there is none, or if it has no numeric address.
  std::optional<net::Ip> connection() const;
  bool operator==(const SdpLines&) const = default;
};

struct MediaSection : SdpLines {
  std::string media;  // "audio"
  std::uint16_t port = 0;
  unsigned ports = 1;  // "49170/2"
  std::string protocol;
  std::vector<std::string> formats;

  bool is(std::string_view what) const { return media == what; }
  bool operator==(const MediaSection&) const = default;
};

// `lines` are those of the session: all between o= and the first m=, in their order (s=, c=, t=, a= ...).
struct SessionDescription : SdpLines {
  std::string origin;  // the value of o=: "user session version IN IP4 address"
  std::vector<MediaSection> media;

  // An attribute of a section, or else of the session (RFC 8866 5.13: where both may have it).
  std::optional<std::string_view> value_for(const MediaSection& section, std::string_view attribute) const;
  std::optional<net::Ip> connection_for(const MediaSection& section) const;
  bool operator==(const SessionDescription&) const = default;
};

base::Result<SessionDescription> parse_sdp(std::string_view text);
// With CRLF. What parse_sdp has read is read again as the same.
std::string write(const SessionDescription& description);

// "IN IP4 192.0.2.1": how c= and o= write an address.
std::string connection_text(const net::Ip& ip);

}  // namespace causeway::ua
