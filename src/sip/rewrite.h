// Forwarding by splicing: the outgoing message is the incoming bytes with a few cuts and inserts.
//
//   Rewrite edit(message);
//   edit.replace_request_uri("sip:alice@192.0.2.7");
//   edit.prepend(HeaderName::via, via);            // a new line before the first of that name
//   edit.remove_first_value(HeaderName::route);
//   base::Buffer out = edit.build();               // one allocation from the pool, one gather copy
//
// Inserted texts are not copied until build(): they must live until then. Edits may come in any
// order; at most limits::kMaxEdits. Content-Length is put right by build() if it was absent (a
// datagram may leave it out, a stream may not).
//
// What is inserted must hold no CR or LF: it is the caller's own text, or a part of a message that
// parse() has accepted.
//
// Responses are written here too: make_response copies what RFC 3261 8.2.6 says must be copied.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/buffer.h"
#include "sip/message.h"

namespace causeway::sip {

class Rewrite {
 public:
  explicit Rewrite(const Message& message) : message_(message) {}

  void replace_request_uri(std::string_view uri);
  // A whole new header line "Name: value\r\n" before the first field of that name, or before the
  // first header line if there is none. Several prepends of one name: the last call comes first.
  void prepend(HeaderName name, std::string_view value);
  // A whole new header line after the last header field.
  void append(std::string_view name, std::string_view value);
  // Takes out the first value of the first field of that name (its whole line if it was the only
  // value in it). May be called again to take out the next.
  void remove_first_value(HeaderName name);
  void remove_all(HeaderName name);
  // Replaces the bytes of one value (must lie inside the message).
  void replace(std::string_view part, std::string_view by);
  // Inserts right after `part` (inside the message): a Via parameter, a To tag.
  void insert_after(std::string_view part, std::string_view text);

  // False once too many edits, or two that overlap, were asked for, or the list that a value was to be
  // taken from is not well formed: build() then gives no buffer.
  bool ok() const { return ok_; }
  base::Buffer build();

 private:
  // A string_view that need not be initialised: 24 edits of 4 would cost more than the edits.
  struct Piece {
    Piece() = default;
    Piece(std::string_view text) : data(text.data()), size(text.size()) {}
    std::string_view view() const { return {data, size}; }
    const char* data;
    std::size_t size;
  };
  struct Edit {
    std::uint32_t at;
    std::uint32_t cut;
    std::array<Piece, 4> pieces;  // e.g. "Via", ": ", value, CRLF
    bool prepended;
  };
  void add(const Edit& edit);
  void check_neighbours(std::size_t place);
  std::uint32_t offset_of(std::string_view part);
  Edit* find_cut(std::uint32_t at, std::size_t& place);
  const Message& message_;
  std::array<Edit, limits::kMaxEdits> edits_;          // only the first count_ are written
  std::array<std::uint8_t, limits::kMaxEdits> order_;  // their order in the outgoing message
  std::size_t count_ = 0;
  std::size_t removed_ = 0;   // bytes cut out
  std::size_t inserted_ = 0;  // bytes put in
  bool ok_ = true;
};

struct ExtraHeader {
  std::string_view name;
  std::string_view value;
};

// 12.1.1: a response that makes a dialogue carries the request's Record-Routes.
enum class CopyRecordRoute : bool { no, yes };

// A response to `request` (RFC 3261 8.2.6): Via (all, the top one completed with received and rport
// by the transport before the core sees it), Record-Route if asked for, From, To (with `to_tag` if it
// has none and this is not a 100), Call-ID, CSeq, Timestamp (in a 100), then `extra`, then Content-Length
// and the body. An empty `reason` becomes reason_phrase(status).
//
// The request need not be well formed: what it lacks is left out, and control characters in what is
// copied become spaces.
base::Buffer make_response(const Message& request, int status, std::string_view reason,
                           std::string_view to_tag, std::span<const ExtraHeader> extra = {},
                           std::string_view body = {}, CopyRecordRoute record_route = CopyRecordRoute::no);

// The same for who has proved nothing: no longer than `most` bytes. Of `extra` the last go first, but a
// challenge keeps one. No buffer if even that is too long.
base::Buffer make_short_response(const Message& request, int status, std::string_view reason,
                                 std::string_view to_tag, std::span<const ExtraHeader> extra,
                                 std::size_t most);

// The reason phrase that RFC 3261 21 (and later RFCs) give to a status.
std::string_view reason_phrase(int status);

}  // namespace causeway::sip
