#include "sip/message.h"

#include <algorithm>

#include "sip/headers.h"
#include "sip/scan.h"

namespace causeway::sip {
namespace {

constexpr std::string_view kMethods[] = {"",        "INVITE",   "ACK",   "BYE",       "CANCEL",
                                         "OPTIONS", "REGISTER", "PRACK", "SUBSCRIBE", "NOTIFY",
                                         "PUBLISH", "INFO",     "REFER", "MESSAGE",   "UPDATE"};

constexpr std::uint64_t bit(HeaderName name) { return std::uint64_t{1} << static_cast<unsigned>(name); }
static_assert(static_cast<unsigned>(HeaderName::count) <= 64);

// Which of two a parser takes is its own choice, so there must not be two.
constexpr std::uint64_t kSingle = bit(HeaderName::from) | bit(HeaderName::to) | bit(HeaderName::call_id) |
                                  bit(HeaderName::cseq) | bit(HeaderName::max_forwards) |
                                  bit(HeaderName::content_type);

// A control character may stand after a backslash that is not itself escaped (quoted-pair).
bool is_escaped(const char* line, const char* p) {
  bool odd = false;
  for (; p != line && p[-1] == '\\'; --p) odd = !odd;
  return odd;
}

bool is_crlf(const char* p, const char* end) { return end - p >= 2 && p[0] == '\r' && p[1] == '\n'; }

}  // namespace

Method parse_method(std::string_view text) {
  auto either = [&](Method a, Method b = Method::other) {
    if (text == kMethods[static_cast<int>(a)]) return a;
    return text == kMethods[static_cast<int>(b)] ? b : Method::other;
  };
  switch (text.size()) {
    case 3:
      return either(Method::ack, Method::bye);
    case 4:
      return either(Method::info);
    case 5:
      return either(Method::prack, Method::refer);
    case 6:
      if (text[0] == 'I') return either(Method::invite);
      return text[0] == 'C' ? either(Method::cancel) : either(Method::notify, Method::update);
    case 7:
      return text[0] == 'O' ? either(Method::options) : either(Method::message, Method::publish);
    case 8:
      return either(Method::register_);
    case 9:
      return either(Method::subscribe);
    default:
      return Method::other;
  }
}

std::string_view method_name(Method method) { return kMethods[static_cast<int>(method)]; }

Parsed<void> Message::parse(std::string_view bytes) {
  start(bytes);
  const char* p = bytes_.data();
  const char* end = p + bytes_.size();
  if (bytes_.size() > limits::kMaxMessage) {
    fault("Message too large", p, 513);
    end = p + limits::kMaxMessage;
  }
  if (p == end) {
    fault("Empty message", p);
    return std::unexpected(error_);
  }
  const char* next = end;
  const char* eol = line_end(p, next, end);
  parse_start_line(p, eol);
  headers_at_ = static_cast<std::uint32_t>(next - p);
  parse_body(parse_fields(next, end), end);
  check_mandatory();
  if (!well_formed_) return std::unexpected(error_);
  return {};
}

void Message::start(std::string_view bytes) {
  while (bytes.size() >= 2 && bytes[0] == '\r' && bytes[1] == '\n') bytes.remove_prefix(2);
  bytes_ = bytes;
  method_text_ = request_uri_ = reason_ = body_ = {};
  method_ = Method::other;
  is_request_ = false;
  well_formed_ = true;
  status_ = 0;
  headers_at_ = headers_end_ = 0;
  count_ = 0;
  first_.fill(0);
}

void Message::fault(const char* what, const char* at, std::uint16_t status) {
  if (!well_formed_) return;
  well_formed_ = false;
  error_ = {what, static_cast<std::uint32_t>(at - bytes_.data()), status};
}

// The end of the line at p (before its CRLF); `next` becomes the begin of the line after it.
inline const char* Message::line_end(const char* p, const char*& next, const char* end) {
  const char* line = p;
  for (;; ++p) {
    p = scan::find_control(p, end);
    if (is_crlf(p, end)) [[likely]] {
      next = p + 2;
      return p;
    }
    if (p == end) {
      fault("Line without CRLF", p);
      next = end;
      return end;
    }
    if (*p == '\n') {
      fault("LF without CR", p);
      next = p + 1;
      return p;
    }
    if (*p == '\r') {
      fault("CR without LF", p);
    } else if (!is_escaped(line, p)) {
      fault("Control character in header", p);
    }
  }
}

void Message::parse_start_line(const char* begin, const char* end) {
  const std::string_view line(begin, static_cast<std::size_t>(end - begin));
  if (line.size() >= 8 && same_text(line.substr(0, 8), "SIP/2.0 ")) {
    parse_status_line(line);
  } else if (!parse_request_line(line)) {
    fault_in_start_line(line);
  }
}

// SIP/2.0 SP 3DIGIT SP Reason-Phrase; the second SP may be missing, as some devices have it.
void Message::parse_status_line(std::string_view line) {
  const std::string_view rest = line.substr(8);
  const bool three = rest.size() >= 3 && scan::is_digit(rest[0]) && scan::is_digit(rest[1]) &&
                     scan::is_digit(rest[2]) && (rest.size() == 3 || rest[3] == ' ');
  if (!three || rest[0] == '0' || rest[0] > '6') return fault("Bad status code", rest.data());
  status_ = (rest[0] - '0') * 100 + (rest[1] - '0') * 10 + (rest[2] - '0');
  if (rest.size() > 4) reason_ = rest.substr(4);
}

// Method SP Request-URI SP SIP/2.0, with exactly one space each (7.1).
bool Message::parse_request_line(std::string_view line) {
  constexpr std::string_view kTail = " SIP/2.0";
  const std::size_t space = std::min(line.find(' '), line.size());
  if (line.size() < space + 1 + kTail.size() + 1) return false;
  const std::size_t uri_end = line.size() - kTail.size();
  if (!same_text(line.substr(uri_end), kTail)) return false;
  const std::string_view uri = line.substr(space + 1, uri_end - space - 1);
  for (char c : uri)
    if (static_cast<unsigned char>(c) <= ' ') return false;
  method_text_ = line.substr(0, space);
  method_ = parse_method(method_text_);
  if (method_ == Method::other && !scan::is_token(method_text_)) return false;
  request_uri_ = uri;
  is_request_ = true;
  return true;
}

// Finds out whether it was at least meant to be a request, so that it can be answered.
void Message::fault_in_start_line(std::string_view line) {
  const std::size_t method_end = std::min(line.find_first_of(" \t"), line.size());
  std::size_t version = line.rfind(' ');
  while (version != line.npos && version > 0 && version + 1 == line.size()) {  // trailing spaces
    line.remove_suffix(1);
    version = line.rfind(' ');
  }
  const bool has_version =
      version != line.npos && version >= method_end && same_text(line.substr(version + 1, 4), "SIP/");
  method_text_ = {};
  if (!has_version || !scan::is_token(line.substr(0, method_end))) return fault("Not SIP", line.data());
  is_request_ = true;
  method_text_ = line.substr(0, method_end);
  method_ = parse_method(method_text_);
  const std::string_view text = line.substr(version + 1);
  const bool other_version = text.size() > 4 && scan::is_digit(text[4]) && !same_text(text, "SIP/2.0");
  if (other_version) return fault("Version Not Supported", text.data(), 505);
  fault("Bad Request-Line", line.data());
}

// All header lines; gives the begin of the body.
const char* Message::parse_fields(const char* p, const char* end) {
  const char* begin = bytes_.data();
  for (;;) {
    headers_end_ = static_cast<std::uint32_t>(p - begin);
    if (is_crlf(p, end)) return p + 2;
    if (p == end) {
      fault("No empty line after the headers", p);
      return end;
    }
    if (*p == '\n') {
      fault("LF without CR", p);
      return p + 1;
    }
    const char* next = end;
    if (!parse_field(p, next, end)) return end;
    p = next;
  }
}

// One header field with its folds. False if there are too many.
inline bool Message::parse_field(const char* p, const char*& next, const char* end) {
  const char* eol = line_end(p, next, end);
  const char* const first_eol = eol;
  while (next != end && scan::is_wsp(*next)) {
    const char* fold = next;
    eol = line_end(fold, next, end);
  }
  const char* colon = scan::find_colon(p, first_eol);
  if (colon == first_eol) {
    fault("Header line without a colon", p);
    return true;
  }
  const char* name_end = colon;
  while (name_end != p && scan::is_wsp(name_end[-1])) --name_end;
  const std::string_view name_text(p, static_cast<std::size_t>(name_end - p));
  const HeaderName name = find_header_name(name_text);
  if (name == HeaderName::other && !scan::is_token(name_text)) {
    fault("Bad header name", p);
    return true;
  }
  if (count_ == fields_.size()) {
    fault("Too many header fields", p, 513);
    return false;
  }
  const char* value = colon + 1;
  while (value != eol && scan::is_lws(*value)) ++value;
  while (eol != value && scan::is_lws(eol[-1])) --eol;
  const char* begin = bytes_.data();
  auto at = [begin](const char* q) { return static_cast<std::uint32_t>(q - begin); };
  fields_[count_++] = {name,   static_cast<std::uint16_t>(name_text.size()), 0, at(p), at(next), at(value),
                       at(eol)};
  if (name == HeaderName::other) return true;
  const auto index = static_cast<std::uint16_t>(count_);
  auto& first = first_[static_cast<std::size_t>(name)];
  auto& last = last_[static_cast<std::size_t>(name)];
  if (first == 0) {
    first = index;
  } else {
    fields_[last - 1u].next = index;
    if (kSingle & bit(name)) fault("Header that must be single came twice", p);
  }
  last = index;
  return true;
}

void Message::parse_body(const char* p, const char* end) {
  const std::size_t available = static_cast<std::size_t>(end - p);
  std::size_t length = available;
  const HeaderField* field = first(HeaderName::content_length);
  for (bool again = false; field; field = next(*field), again = true) {
    std::string_view text = value(*field);
    const char* at = text.data();
    std::uint64_t number = 0;
    if (!scan::take_number(text, 1 << 30, number) || !text.empty()) {
      fault("Bad Content-Length", at);
    } else if (number > available) {
      fault("Content-Length larger than the message", at);
    } else if (again && number != length) {
      fault("Content-Lengths that differ", at);
    } else {
      length = number;
    }
  }
  body_ = {p, length};
  bytes_ = {bytes_.data(), static_cast<std::size_t>(p - bytes_.data()) + length};
}

void Message::check_mandatory() {
  constexpr std::pair<HeaderName, const char*> kMandatory[] = {{HeaderName::via, "Missing Via"},
                                                               {HeaderName::from, "Missing From"},
                                                               {HeaderName::to, "Missing To"},
                                                               {HeaderName::call_id, "Missing Call-ID"},
                                                               {HeaderName::cseq, "Missing CSeq"}};
  const char* end = bytes_.data() + headers_end_;
  for (auto [name, what] : kMandatory) {
    const HeaderField* field = first(name);
    if (!field) {
      fault(what, end);
    } else if (field->value_at == field->value_end && name != HeaderName::cseq) {
      fault("Mandatory header without a value", bytes_.data() + field->value_at);
    }
  }
  const HeaderField* field = first(HeaderName::cseq);
  if (!field) return;
  const std::string_view text = value(*field);
  auto parsed = parse_cseq(text);
  if (!parsed) return fault("Bad CSeq", text.data());
  if (!is_request_) {
    method_ = parsed->method;
    method_text_ = parsed->method_text;
  } else if (method_ != parsed->method || method_text_ != parsed->method_text) {
    // RFC 4475 3.1.2.18: of a method that is not known, nothing else can be said.
    fault("CSeq and Request-Line have different methods", text.data(), method_ == Method::other ? 501 : 400);
  }
}

bool Message::can_be_answered() const {
  return is_request_ && method_ != Method::ack && has(HeaderName::via);
}

const HeaderField* Message::first(HeaderName name) const {
  if (name >= HeaderName::count) return nullptr;
  const std::uint16_t index = first_[static_cast<std::size_t>(name)];
  return index ? &fields_[index - 1u] : nullptr;
}

const HeaderField* Message::next(const HeaderField& field) const {
  if (field.name != HeaderName::other) return field.next ? &fields_[field.next - 1u] : nullptr;
  const HeaderField* end = fields_.data() + count_;
  for (const HeaderField* f = &field + 1; f < end; ++f)
    if (f->name == HeaderName::other && same_text(name_text(*f), name_text(field))) return f;
  return nullptr;
}

const HeaderField* Message::find(std::string_view name) const {
  if (HeaderName known = find_header_name(name); known != HeaderName::other) return first(known);
  for (const HeaderField& f : fields())
    if (f.name == HeaderName::other && same_text(name_text(f), name)) return &f;
  return nullptr;
}

std::string_view Message::value(HeaderName name) const {
  const HeaderField* field = first(name);
  return field ? value(*field) : std::string_view{};
}

Parsed<CSeq> Message::cseq() const { return parse_cseq(value(HeaderName::cseq)); }

std::string_view Message::from_tag() const {
  return address_params(value(HeaderName::from)).get("tag").value_or(std::string_view{});
}

std::string_view Message::to_tag() const {
  return address_params(value(HeaderName::to)).get("tag").value_or(std::string_view{});
}

Parsed<std::optional<int>> Message::max_forwards() const {
  const HeaderField* field = first(HeaderName::max_forwards);
  if (!field) return std::optional<int>{};
  std::string_view text = value(*field);
  std::uint64_t number = 0;
  if (!scan::take_number(text, 255, number) || !text.empty()) return bad("Bad Max-Forwards", field->value_at);
  return std::optional<int>{static_cast<int>(number)};
}

}  // namespace causeway::sip
