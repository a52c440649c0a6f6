#include "sip/refusal.h"

#include <charconv>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "sip/complete_via.h"
#include "sip/scan.h"
#include "sip/stateless_tag.h"

namespace causeway::sip {

namespace {

constexpr std::string_view kStatusLine = "SIP/2.0 503 Service Unavailable\r\n";
constexpr std::string_view kTag = ";tag=", kRetryAfter = "Retry-After: ";
constexpr std::string_view kLength = "Content-Length:", kNone = "0\r\n\r\n";
// All that is written beside copied lines: the texts above, a tag, a number, line ends, the padding.
constexpr std::size_t kOwnText = 160 + limits::kRefusalStep;

// The header lines of a message, one after another.
class LineReader {
 public:
  explicit LineReader(std::string_view message) {
    const std::size_t start_line = message.find('\n');
    rest_ = start_line == message.npos ? std::string_view{} : message.substr(start_line + 1);
  }
  // With its CRLF; "\r\n" after the last one, nothing where the parser must look.
  std::string_view next() {
    const char* begin = rest_.data();
    const char* end = begin + rest_.size();
    const char* eol = scan::find_control(begin, end);
    if (end - eol < 2 || eol[0] != '\r' || eol[1] != '\n' || scan::is_wsp(*begin)) return {};
    const std::string_view line(begin, static_cast<std::size_t>(eol + 2 - begin));
    rest_.remove_prefix(line.size());
    return line;
  }

 private:
  std::string_view rest_;
};

// A header line: its name, if it is one that a response repeats.
struct Line {
  HeaderName name = HeaderName::other;
  const char* colon = nullptr;
  const char* end = nullptr;
  std::string_view value() const {
    return scan::trim({colon + 1, static_cast<std::size_t>(end - colon - 1)});
  }
};

Line read(std::string_view line) {
  switch (line[0] | 0x20) {
    case 'c':
    case 'f':
    case 'i':
    case 't':
    case 'v':
      break;
    default:
      return {};
  }
  const char* end = line.data() + line.size();
  const char* colon = scan::find_colon(line.data(), end);
  if (colon == end) return {};
  const char* name_end = colon;
  while (name_end != line.data() && scan::is_wsp(name_end[-1])) --name_end;
  return {find_header_name({line.data(), static_cast<std::size_t>(name_end - line.data())}), colon, end};
}

// That of a Via line with one value; nothing where the parser must look.
std::string_view usual_branch(std::string_view value, std::string_view message) {
  const auto via = usual_via(message.substr(static_cast<std::size_t>(value.data() - message.data())));
  return via && via->text.size() == value.size() && has_magic_cookie(via->branch) ? via->branch
                                                                                  : std::string_view{};
}

class Refusal {
 public:
  Refusal(std::size_t request_size, const Via& via, const net::Address& source, const StatelessTag& tag)
      : out_(base::Buffer::with_room(request_size + kSourceRoom + kOwnText)),
        to_(out_.data()),
        via_(via),
        source_(source),
        tag_(tag) {
    put(kStatusLine);
  }

  // False if the line is not as usual.
  bool take(std::string_view line) {
    const Line read_line = read(line);
    switch (read_line.name) {
      case HeaderName::via:
        return put_via(line);
      case HeaderName::to:
        return once(kTo) && put_to(read_line.value());
      case HeaderName::call_id:
        return once(kCallId) && put(line);
      case HeaderName::from:
        return once(kFrom) && put(line);
      case HeaderName::cseq:
        return once(kCSeq) && put(line);
      default:
        return true;
    }
  }

  base::Buffer finish() {
    if (!has_via_ || seen_ != (kTo | kCallId | kFrom | kCSeq)) return {};
    put(kRetryAfter);
    put(RetryAfter(tag_.hash()).text());
    put("\r\n");
    put(kLength);
    pad(kNone.size());
    put(kNone);
    out_.resize(size());
    return std::move(out_);
  }

 private:
  enum Seen : unsigned { kTo = 1, kCallId = 2, kFrom = 4, kCSeq = 8 };
  bool once(Seen which) {
    if (seen_ & which) return false;
    seen_ |= which;
    return true;
  }

  std::size_t size() const { return static_cast<std::size_t>(to_ - out_.data()); }
  // There is room: no line is written twice.
  bool put(std::string_view text) {
    std::memcpy(to_, text.data(), text.size());
    to_ += text.size();
    return true;
  }

  bool put_via(std::string_view line) {
    if (std::exchange(has_via_, true) || !needs_source(via_, source_)) return put(line);
    // Else it is folded.
    const char* const via_end = via_.text.data() + via_.text.size();
    if (via_.text.data() < line.data() || via_end > line.data() + line.size()) return false;
    to_ += complete_via(line, via_, source_, {to_, out_.capacity() - size()}).size();
    return true;
  }

  // A name-addr with nothing behind it has no tag.
  bool put_to(std::string_view value) {
    const std::size_t open = value.find('<');
    const bool no_tag =
        open != value.npos && value.find('>', open) == value.size() - 1 && value.find(';') > open;
    return no_tag && put("To: ") && put(value) && put(kTag) && put(tag_.text()) && put("\r\n");
  }

  void pad(std::size_t still_to_come) {
    const std::size_t count = limits::kRefusalStep - (size() + still_to_come) % limits::kRefusalStep;
    std::memset(to_, ' ', count);
    to_ += count;
  }

  base::Buffer out_;
  char* to_;
  const Via& via_;
  const net::Address& source_;
  const StatelessTag& tag_;
  unsigned seen_ = 0;
  bool has_via_ = false;
};

}  // namespace

Begins begins(Method method) {
  switch (method) {
    case Method::ack:
    case Method::bye:
    case Method::cancel:
    case Method::info:
    case Method::prack:
    case Method::update:
      return Begins::nothing;
    case Method::register_:
      return Begins::registration;
    default:
      return Begins::something;
  }
}

Method method_in(std::string_view request) { return parse_method(request.substr(0, request.find(' '))); }

RetryAfter::RetryAfter(std::uint64_t hash) {
  constexpr std::uint64_t kChoices = limits::kRetryAfterMost - limits::kRetryAfterLeast + 1;
  const auto seconds = limits::kRetryAfterLeast + static_cast<int>(hash % kChoices);
  length_ = static_cast<std::uint8_t>(
      std::to_chars(digits_.data(), digits_.data() + digits_.size(), seconds).ptr - digits_.data());
}

base::Buffer write_refusal(std::string_view request, const Via& top_via, const net::Address& source,
                           const base::SipHash::Key& secret) {
  if (!has_magic_cookie(top_via.branch)) return {};
  const StatelessTag tag(secret, source.ip, top_via.branch);
  Refusal refusal(request.size(), top_via, source, tag);
  LineReader lines(request);
  for (auto line = lines.next(); line != "\r\n"; line = lines.next())
    if (line.empty() || !refusal.take(line)) return {};
  return refusal.finish();
}

bool acknowledges_stateless(std::string_view ack, const net::Ip& source, const base::SipHash::Key& secret) {
  std::string_view branch, tag;
  LineReader lines(ack);
  while (branch.empty() || tag.empty()) {
    const auto text = lines.next();
    if (text.size() <= 2) return false;
    const Line line = read(text);
    if (line.name == HeaderName::via && branch.empty()) {
      branch = usual_branch(line.value(), ack);
      if (branch.empty()) return false;
    } else if (line.name == HeaderName::to) {
      // Ours has been put behind the last bracket.
      const std::string_view value = line.value();
      tag = value.substr(value.size() - std::min(value.size(), StatelessTag::kLength));
      if (!StatelessTag::looks_like(tag)) return false;
    }
  }
  return StatelessTag(secret, source, branch).text() == tag;
}

}  // namespace causeway::sip
