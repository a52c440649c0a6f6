// SIP messages, read where they lie (RFC 3261 7).
//
// `Message::parse` goes once over the bytes of a datagram (or of one framed message of a stream):
// it splits lines, recognises the header names that Causeway knows (compact forms included) and
// remembers where each value begins and ends. Nothing is copied, nothing is allocated, no value is
// looked into. A value is parsed when somebody asks: `message.cseq()`, `parse_via(field.value)`.
//
// One Message object is reused for every message of a worker. All views point into the bytes given
// to parse() and die with them.
//
// A message that must go on with changes is not printed anew: rewrite.h splices.
//
// Where two parsers could read different messages out of the same bytes (request smuggling), the
// message is refused: a line ended by LF alone, a CR alone, control characters (but TAB, and
// quoted-pairs: RFC 4475 3.1.1.2), two From, To, Call-ID, CSeq, Max-Forwards or Content-Type, two
// Content-Lengths that differ or one that is more than there is. Equal Content-Lengths pass.
// White space before the colon and folded lines are legal in SIP and pass.
//
// Limits (limits.h): 65,535 bytes, 256 header fields.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/limits.h"
#include "sip/header_name.h"
#include "sip/parse_error.h"
#include "sip/uri.h"

namespace causeway::sip {

enum class Method : std::uint8_t {
  other,
  invite,
  ack,
  bye,
  cancel,
  options,
  register_,
  prack,
  subscribe,
  notify,
  publish,
  info,
  refer,
  message,
  update
};
Method parse_method(std::string_view text);   // case-sensitive (RFC 3261 7.1)
std::string_view method_name(Method method);  // "" for other

// One header field line. Several values in one line, separated by commas, are one field here; see
// for_each_value in headers.h.
struct HeaderField {
  HeaderName name;  // HeaderName::other if not known
  std::uint16_t name_length;
  std::uint16_t next;     // of the same known name: its index + 1; 0: none
  std::uint32_t line_at;  // offset of the name; the line ends (CRLF included) at line_end
  std::uint32_t line_end;
  std::uint32_t value_at;  // value without surrounding white space; may contain folds
  std::uint32_t value_end;
};

struct CSeq {
  std::uint32_t number = 0;
  Method method = Method::other;
  std::string_view method_text;
};

class Message {
 public:
  // Parses one whole message. For streams pass exactly the framed message. For a datagram, bytes
  // after Content-Length are cut off (18.3); fewer bytes than Content-Length is an error. Mandatory
  // headers (Via, From, To, Call-ID, CSeq) are checked for presence and CSeq for agreement with the
  // method. CRLFs before the start line are passed over (7.5).
  // After an error, whatever was understood is still there: the rest of the lines is read all the
  // same, so that make_response finds what it must copy. If several things are wrong, the first
  // is told.
  Parsed<void> parse(std::string_view bytes);

  // After an error: the message is a request with a Via, and no ACK; ParseError::status can go back.
  bool can_be_answered() const;
  bool well_formed() const { return well_formed_; }  // what parse() said

  // The message itself, without CRLFs before it and bytes after its body.
  std::string_view bytes() const { return bytes_; }
  bool is_request() const { return is_request_; }
  Method method() const { return method_; }  // of the request, or of a response's CSeq
  std::string_view method_text() const { return method_text_; }
  std::string_view request_uri_text() const { return request_uri_; }
  int status() const { return status_; }
  std::string_view reason() const { return reason_; }
  std::string_view body() const { return body_; }
  std::uint32_t headers_at() const { return headers_at_; }    // offset of the first header line
  std::uint32_t headers_end() const { return headers_end_; }  // offset of the empty line

  std::span<const HeaderField> fields() const { return {fields_.data(), count_}; }
  // The first field of that name, or nullptr. O(1) for names in HeaderName.
  const HeaderField* first(HeaderName name) const;
  // The next field of the same name after `field`, or nullptr.
  const HeaderField* next(const HeaderField& field) const;
  // By text, either case, for names that HeaderName does not know. The first of them.
  const HeaderField* find(std::string_view name) const;
  std::string_view value(const HeaderField& f) const {
    return bytes_.substr(f.value_at, f.value_end - f.value_at);
  }
  std::string_view name_text(const HeaderField& f) const { return bytes_.substr(f.line_at, f.name_length); }
  // Value of the first such field, or empty.
  std::string_view value(HeaderName name) const;
  bool has(HeaderName name) const { return first(name) != nullptr; }

  // Often-used values. Parsed at every call: keep the result.
  Parsed<Uri> request_uri() const { return parse_uri(request_uri_); }
  Parsed<CSeq> cseq() const;
  std::string_view call_id() const { return value(HeaderName::call_id); }
  std::string_view from_tag() const;  // empty if none
  std::string_view to_tag() const;
  // None if absent; 0..255, larger numbers become 255 (RFC 3261 20.22).
  Parsed<std::optional<int>> max_forwards() const;

 private:
  void start(std::string_view bytes);
  void parse_start_line(const char* begin, const char* end);
  void parse_status_line(std::string_view line);
  bool parse_request_line(std::string_view line);
  void fault_in_start_line(std::string_view line);
  const char* parse_fields(const char* p, const char* end);
  bool parse_field(const char* p, const char*& next, const char* end);
  const char* line_end(const char* p, const char*& next, const char* end);
  void parse_body(const char* p, const char* end);
  void check_mandatory();
  void fault(const char* what, const char* at, std::uint16_t status = 400);

  std::string_view bytes_, method_text_, request_uri_, reason_, body_;
  Method method_ = Method::other;
  bool is_request_ = false;
  bool well_formed_ = false;
  int status_ = 0;
  std::uint32_t headers_at_ = 0, headers_end_ = 0;
  std::size_t count_ = 0;
  ParseError error_;
  using Places = std::array<std::uint16_t, static_cast<std::size_t>(HeaderName::count)>;  // index + 1
  Places first_{};
  Places last_;                                               // where first_ is not 0
  std::array<HeaderField, limits::kMaxHeaderFields> fields_;  // only the first count_ are written
};

}  // namespace causeway::sip
