// make_response and the reason phrases (rewrite.h).
#include <charconv>
#include <cstring>

#include "sip/headers.h"
#include "sip/rewrite.h"
#include "sip/scan.h"

namespace causeway::sip {
namespace {

// Measures first, then writes: the same calls in both passes.
class Writer {
 public:
  explicit Writer(char* to) : to_(to) {}
  void text(std::string_view text) {
    if (to_ && !text.empty()) std::memcpy(to_ + size_, text.data(), text.size());
    size_ += text.size();
  }
  // Text of a stranger, in which parse() has found faults: what would break the response is blanked.
  void doubtful(std::string_view value) {
    char* copy = to_ ? to_ + size_ : nullptr;
    text(value);
    for (std::size_t i = 0; copy && i < value.size(); ++i) {
      const auto c = static_cast<unsigned char>(copy[i]);
      if ((c < 0x20 && c != '\t') || c == 0x7f) copy[i] = ' ';
    }
  }
  void number(std::size_t n) {
    char digits[24];
    text({digits, std::to_chars(digits, digits + sizeof digits, n).ptr});
  }
  std::size_t size() const { return size_; }

 private:
  char* to_;
  std::size_t size_ = 0;
};

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
  Writer measure(nullptr);
  response.write(measure);
  base::Buffer out = base::Buffer::with_room(measure.size());
  Writer writer(out.data());
  response.write(writer);
  out.resize(writer.size());
  return out;
}

// clang-format off
std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Trying";
    case 180: return "Ringing";
    case 181: return "Call Is Being Forwarded";
    case 182: return "Queued";
    case 183: return "Session Progress";
    case 199: return "Early Dialog Terminated";  // RFC 6228
    case 200: return "OK";
    case 202: return "Accepted";
    case 204: return "No Notification";  // RFC 5839
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Moved Temporarily";
    case 305: return "Use Proxy";
    case 380: return "Alternative Service";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 410: return "Gone";
    case 412: return "Conditional Request Failed";  // RFC 3903
    case 413: return "Request Entity Too Large";
    case 414: return "Request-URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Unsupported URI Scheme";
    case 420: return "Bad Extension";
    case 421: return "Extension Required";
    case 422: return "Session Interval Too Small";  // RFC 4028
    case 423: return "Interval Too Brief";
    case 430: return "Flow Failed";  // RFC 5626
    case 433: return "Anonymity Disallowed";  // RFC 5079
    case 436: return "Bad Identity Info";  // RFC 8224
    case 437: return "Unsupported Credential";  // RFC 8224
    case 438: return "Invalid Identity Header";  // RFC 8224
    case 439: return "First Hop Lacks Outbound Support";  // RFC 5626
    case 440: return "Max-Breadth Exceeded";  // RFC 5393
    case 469: return "Bad Info Package";  // RFC 6086
    case 470: return "Consent Needed";  // RFC 5360
    case 480: return "Temporarily Unavailable";
    case 481: return "Call/Transaction Does Not Exist";
    case 482: return "Loop Detected";
    case 483: return "Too Many Hops";
    case 484: return "Address Incomplete";
    case 485: return "Ambiguous";
    case 486: return "Busy Here";
    case 487: return "Request Terminated";
    case 488: return "Not Acceptable Here";
    case 489: return "Bad Event";  // RFC 6665
    case 491: return "Request Pending";
    case 493: return "Undecipherable";
    case 494: return "Security Agreement Required";  // RFC 3329
    case 500: return "Server Internal Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Server Time-out";
    case 505: return "Version Not Supported";
    case 513: return "Message Too Large";
    case 555: return "Push Notification Service Not Supported";  // RFC 8599
    case 580: return "Precondition Failure";  // RFC 3312
    case 600: return "Busy Everywhere";
    case 603: return "Decline";
    case 604: return "Does Not Exist Anywhere";
    case 606: return "Not Acceptable";
    case 607: return "Unwanted";  // RFC 8197
    case 608: return "Rejected";  // RFC 8688
    default: break;
  }
  switch (status / 100) {
    case 1: return "Session Progress";
    case 2: return "OK";
    case 3: return "Multiple Choices";
    case 4: return "Bad Request";
    case 5: return "Server Internal Error";
    default: return "Busy Everywhere";
  }
}
// clang-format on

}  // namespace causeway::sip
