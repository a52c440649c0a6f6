// What is said over a peer link between a member that is no node of the overlay (it cannot be reached: it is
// behind a NAT, or a user agent) and a public peer, which asks the overlay for it. docs/link-protocol.md.
//
// A question is the body of a SIP request of the method OVERLAY, an answer the body of its 200: one link, one
// framing, one transaction layer for signalling and this. Both are MessagePack arrays, written in one form:
//
//   question   [ version=1, what, ... ]
//     attach     [1, 1]                        what is for this member goes down this link from now on
//     check      [1, 2, port]                  can the peer be reached at the address that this comes from?
//     get        [1, 3, uri, milliseconds]
//     put        [1, 4, [record, ...]]
//     listen     [1, 5, id, uri]
//     unlisten   [1, 6, id]
//     news       [1, 7, id, [record, ...]]     from the public peer: what has come under a URI listened to
//   answer     [ version=1, verdict, seen, [record, ...] ]
//     seen       the address that the question came from; IP and port in a byte string
//
// Later versions may add fields at the end, which are passed over. Records are as in record.h, and pass the
// one rule at both ends: a public peer can withhold, but not forge.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/encoding.h"
#include "base/result.h"
#include "base/time.h"
#include "net/address.h"

namespace causeway::overlay {

inline constexpr std::string_view kLinkMethod = "OVERLAY";
inline constexpr std::string_view kLinkContentType = "application/vnd.causeway.overlay";

using EncodedRecord = std::span<const std::uint8_t>;

struct LinkQuestion {
  enum class What : std::uint8_t { attach = 1, check, get, put, listen, unlisten, news };
  What what = What::attach;
  std::uint64_t id = 0;                // listen, unlisten, news: the listener's number
  std::string_view uri;                // get, listen
  std::uint16_t port = 0;              // check
  base::Duration patience{};           // get; at most limits::kMaxLinkPatience
  std::vector<EncodedRecord> records;  // put, news
};

enum class LinkVerdict : std::uint8_t {
  ok,          // done; check: yes
  no,          // check: no, nobody could be reached there. put, listen: it breaks the rule
  busy,        // too much is being asked: later
  not_public,  // this peer is not public itself, or does not know it yet: ask another
};

struct LinkAnswer {
  LinkVerdict verdict = LinkVerdict::ok;
  std::optional<net::Address> seen;
  std::vector<EncodedRecord> records;  // get, at most limits::kMaxLinkRecords
};

// Views point at what they were made from: texts and records of the caller, or the bytes that were decoded.
base::Bytes encode(const LinkQuestion& question);
base::Bytes encode(const LinkAnswer& answer);
base::Result<LinkQuestion> decode_link_question(std::span<const std::uint8_t> bytes);
base::Result<LinkAnswer> decode_link_answer(std::span<const std::uint8_t> bytes);

}  // namespace causeway::overlay
