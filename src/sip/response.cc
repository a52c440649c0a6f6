// make_response and the reason phrases (rewrite.h).
#include <array>
#include <charconv>
#include <cstring>

#include "sip/headers.h"
#include "sip/rewrite.h"
#include "sip/scan.h"

namespace causeway::sip {
namespace {

// The caller has made enough room.
class Writer {
 public:
  explicit Writer(char* to) : begin_(to), to_(to) {}
  void text(std::string_view text) {
    if (!text.empty()) std::memcpy(to_, text.data(), text.size());
    to_ += text.size();
  }
  // Text of a stranger, in which parse() has found faults: what would break the response is blanked.
  void doubtful(std::string_view value) {
    for (char c : value) *to_++ = (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f ? ' ' : c;
  }
  void number(std::size_t n) { to_ = std::to_chars(to_, to_ + 20, n).ptr; }
  std::string_view written() const { return {begin_, static_cast<std::size_t>(to_ - begin_)}; }

 private:
  char* begin_;
  char* to_;
};

struct Phrase {
  int status;
  std::string_view text;
};
// clang-format off
constexpr Phrase kPhrases[] = {
  {100, "Trying"},
  {180, "Ringing"},
  {181, "Call Is Being Forwarded"},
  {182, "Queued"},
  {183, "Session Progress"},
  {199, "Early Dialog Terminated"},  // RFC 6228
  {200, "OK"},
  {202, "Accepted"},
  {204, "No Notification"},  // RFC 5839
  {300, "Multiple Choices"},
  {301, "Moved Permanently"},
  {302, "Moved Temporarily"},
  {305, "Use Proxy"},
  {380, "Alternative Service"},
  {400, "Bad Request"},
  {401, "Unauthorized"},
  {402, "Payment Required"},
  {403, "Forbidden"},
  {404, "Not Found"},
  {405, "Method Not Allowed"},
  {406, "Not Acceptable"},
  {407, "Proxy Authentication Required"},
  {408, "Request Timeout"},
  {410, "Gone"},
  {412, "Conditional Request Failed"},  // RFC 3903
  {413, "Request Entity Too Large"},
  {414, "Request-URI Too Long"},
  {415, "Unsupported Media Type"},
  {416, "Unsupported URI Scheme"},
  {420, "Bad Extension"},
  {421, "Extension Required"},
  {422, "Session Interval Too Small"},  // RFC 4028
  {423, "Interval Too Brief"},
  {430, "Flow Failed"},  // RFC 5626
  {433, "Anonymity Disallowed"},  // RFC 5079
  {436, "Bad Identity Info"},  // RFC 8224
  {437, "Unsupported Credential"},  // RFC 8224
  {438, "Invalid Identity Header"},  // RFC 8224
  {439, "First Hop Lacks Outbound Support"},  // RFC 5626
  {440, "Max-Breadth Exceeded"},  // RFC 5393
  {469, "Bad Info Package"},  // RFC 6086
  {470, "Consent Needed"},  // RFC 5360
  {480, "Temporarily Unavailable"},
  {481, "Call/Transaction Does Not Exist"},
  {482, "Loop Detected"},
  {483, "Too Many Hops"},
  {484, "Address Incomplete"},
  {485, "Ambiguous"},
  {486, "Busy Here"},
  {487, "Request Terminated"},
  {488, "Not Acceptable Here"},
  {489, "Bad Event"},  // RFC 6665
  {491, "Request Pending"},
  {493, "Undecipherable"},
  {494, "Security Agreement Required"},  // RFC 3329
  {500, "Server Internal Error"},
  {501, "Not Implemented"},
  {502, "Bad Gateway"},
  {503, "Service Unavailable"},
  {504, "Server Time-out"},
  {505, "Version Not Supported"},
  {513, "Message Too Large"},
  {555, "Push Notification Service Not Supported"},  // RFC 8599
  {580, "Precondition Failure"},  // RFC 3312
  {600, "Busy Everywhere"},
  {603, "Decline"},
  {604, "Does Not Exist Anywhere"},
  {606, "Not Acceptable"},
  {607, "Unwanted"},  // RFC 8197
  {608, "Rejected"},  // RFC 8688
};
// clang-format on

struct Response {
  const Message& request;
  int status;
  std::string_view reason, to_tag;
  std::span<const ExtraHeader> extra;
  std::string_view body;
  CopyRecordRoute record_route;

  void copy(Writer& out, HeaderName name, std::string_view tag = {}) const {
    for (auto* field = request.first(name); field; field = request.next(*field)) {
      out.text(header_text(name));
      out.text(": ");
      if (request.well_formed()) {
        out.text(request.value(*field));
      } else {
        out.doubtful(request.value(*field));
      }
      if (!tag.empty()) {
        out.text(";tag=");
        out.text(tag);
      }
      out.text("\r\n");
    }
  }

  // All of it is copied, and a compact name may become a long one.
  std::size_t most() const {
    std::size_t size = 256 + request.bytes().size() + request.fields().size() * (24 + to_tag.size());
    size += reason.size() + body.size();
    for (const ExtraHeader& header : extra) size += header.name.size() + header.value.size() + 4;
    return size;
  }

  void write(Writer& out) const {
    out.text("SIP/2.0 ");
    out.number(static_cast<std::size_t>(status));
    out.text(" ");
    out.text(reason.empty() ? reason_phrase(status) : reason);
    out.text("\r\n");
    copy(out, HeaderName::via);
    if (record_route == CopyRecordRoute::yes) copy(out, HeaderName::record_route);
    copy(out, HeaderName::from);
    const bool has_tag = address_params(request.value(HeaderName::to)).has("tag");
    copy(out, HeaderName::to, has_tag || status == 100 ? std::string_view{} : to_tag);
    copy(out, HeaderName::call_id);
    copy(out, HeaderName::cseq);
    if (status == 100) copy(out, HeaderName::timestamp);
    for (const ExtraHeader& header : extra) {
      out.text(header.name);
      out.text(": ");
      out.text(header.value);
      out.text("\r\n");
    }
    out.text("Content-Length: ");
    out.number(body.size());
    out.text("\r\n\r\n");
    out.text(body);
  }
};

}  // namespace

base::Buffer make_response(const Message& request, int status, std::string_view reason,
                           std::string_view to_tag, std::span<const ExtraHeader> extra, std::string_view body,
                           CopyRecordRoute record_route) {
  const Response response{request, status, reason, to_tag, extra, body, record_route};
  std::array<char, 4096> usual;  // written here, so that the buffer is no larger than what is in it
  const std::size_t most = response.most();
  base::Buffer room = most > usual.size() ? base::Buffer::with_room(most) : base::Buffer();
  Writer writer(room ? room.data() : usual.data());
  response.write(writer);
  return base::Buffer::copy_of(writer.written());
}

base::Buffer make_short_response(const Message& request, int status, std::string_view reason,
                                 std::string_view to_tag, std::span<const ExtraHeader> extra,
                                 std::size_t most) {
  const std::size_t needed = (status == 401 || status == 407) && !extra.empty() ? 1 : 0;
  for (std::size_t kept = extra.size();; --kept) {
    auto response = make_response(request, status, reason, to_tag, extra.first(kept));
    if (response.size() <= most) return response;
    if (kept <= needed) return {};
  }
}

std::string_view reason_phrase(int status) {
  for (const Phrase& phrase : kPhrases)
    if (phrase.status == status) return phrase.text;
  // 8.1.3.2: like the x00 of its class; 1xx like 183.
  return status < 200 ? "Session Progress" : status > 699 ? "Unknown" : reason_phrase(status / 100 * 100);
}

}  // namespace causeway::sip
