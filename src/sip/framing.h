// The messages in a stream (RFC 3261 18.3) and the keep-alives between them (RFC 5626 3.5.1).
//
//   framer.feed(chunk);
//   for (;;) {
//     Frame frame = framer.next();
//     if (frame.kind == FrameKind::more) break;     // wait for the next chunk
//     ...
//   }
//
// What lies whole in a chunk is given out where it lies; only a message that spans chunks is copied
// together, into a block from the pool that is given back with it. An idle stream holds no memory.
//
// Strict, because whoever disagrees with us about where a message ends can smuggle one in: a
// Content-Length is a MUST on streams (20.14), several must agree, lines end with CRLF and nothing
// else. After an error nothing more is read from the stream: answer if Message makes enough of
// `bytes` (Message::can_be_answered), with error.status, and close.
//
// Limits (limits.h): kMaxHeaderBytes of start line and headers, kMaxMessage altogether.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/buffer.h"
#include "sip/parse_error.h"

namespace causeway::sip {

enum class FrameKind : std::uint8_t {
  more,     // nothing more in this chunk
  message,  // `bytes` is one whole message
  ping,     // CRLF CRLF: owes a CRLF. If the two came in two chunks, the first was given as a pong
  pong,     // CRLF: answers our ping (or is stray, and means nothing)
  error,    // `error`; `bytes` is what there is of the message
};

struct Frame {
  FrameKind kind = FrameKind::more;
  std::string_view bytes;
  ParseError error;  // status 400, or 413 or 513 for too large
};

class StreamFramer {
 public:
  // `chunk` must stay where it is until next() has given `more` or `error`.
  void feed(std::string_view chunk);
  // `bytes` of a frame are valid until the next call of next() or feed().
  Frame next();
  // A message has begun and is not complete: the caller's timer runs (limits::kStreamMessage).
  bool in_message() const { return partial_.size() > 0; }

 private:
  enum class Step : std::uint8_t { more, done, error };
  Frame next_keep_alive(std::string_view bytes);
  Frame next_message(std::string_view bytes);
  Step find_end(std::string_view bytes);
  Step end_of_headers(std::size_t at);
  bool read_content_length(std::string_view line);
  Step fail(const char* what, std::size_t offset, std::uint16_t status = 400);
  Frame error_frame(std::string_view bytes);
  void append(std::string_view bytes);
  Frame give(FrameKind kind, std::string_view bytes, std::size_t size);

  std::string_view chunk_;
  base::Buffer partial_;      // a message that has begun in an earlier chunk, and what of chunk_ it got
  base::Buffer given_;        // the frame last given out, if it was put together from chunks
  std::size_t joined_ = 0;    // bytes of partial_ that are from earlier chunks
  std::size_t line_at_ = 0;   // the begin of the first header line that is not yet understood
  std::size_t scan_at_ = 0;   // how far its end was looked for
  std::size_t total_ = 0;     // length of the message, once its headers are complete; else 0
  std::int64_t length_ = -1;  // its Content-Length, once seen
  bool half_ping_ = false;    // the last chunk ended with a CRLF, which was given out as a pong
  bool failed_ = false;
  ParseError error_;
};

}  // namespace causeway::sip
