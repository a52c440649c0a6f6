#include "sip/framing.h"

#include <algorithm>

#include "base/limits.h"
#include "sip/header_name.h"
#include "sip/scan.h"

namespace causeway::sip {

void StreamFramer::feed(std::string_view chunk) {
  given_ = {};
  chunk_ = chunk;
  joined_ = partial_.size();
  if (joined_ == 0 || failed_) return;
  const std::size_t missing = total_ ? total_ - joined_ : chunk.size();
  append(chunk.substr(0, missing));
}

void StreamFramer::append(std::string_view bytes) {
  const std::size_t size = partial_.size() + bytes.size();
  if (size > partial_.capacity()) {
    base::Buffer larger = base::Buffer::with_room(std::max({size, total_, 2 * partial_.capacity()}));
    larger.append(partial_.view());
    partial_ = std::move(larger);
  }
  partial_.append(bytes);
}

Frame StreamFramer::next() {
  given_ = {};
  const std::string_view bytes = partial_.size() ? partial_.view() : chunk_;
  if (failed_) return error_frame(bytes);
  if (bytes.empty()) return {};
  return bytes.front() == '\r' ? next_keep_alive(bytes) : next_message(bytes);
}

// Takes `size` bytes as one frame.
Frame StreamFramer::give(FrameKind kind, std::string_view bytes, std::size_t size) {
  chunk_.remove_prefix(size - joined_);
  given_ = std::move(partial_);
  joined_ = line_at_ = scan_at_ = total_ = 0;
  length_ = -1;
  return {kind, bytes.substr(0, size), {}};
}

Frame StreamFramer::next_keep_alive(std::string_view bytes) {
  auto wait = [&] {
    if (partial_.size() == 0) append(bytes);
    chunk_ = {};
    return Frame{};
  };
  if (bytes.size() == 1) return wait();
  if (bytes[1] != '\n') {
    fail("CR without LF", 0);
    return error_frame(bytes);
  }
  if (half_ping_) {
    half_ping_ = false;
    return give(FrameKind::ping, bytes, 2);
  }
  half_ping_ = bytes.size() == 2;
  if (bytes.size() == 2 || bytes[2] != '\r') return give(FrameKind::pong, bytes, 2);
  if (bytes.size() == 3) return wait();
  if (bytes[3] == '\n') return give(FrameKind::ping, bytes, 4);
  fail("CR without LF", 2);
  return error_frame(bytes);
}

Frame StreamFramer::next_message(std::string_view bytes) {
  half_ping_ = false;
  switch (find_end(bytes)) {
    case Step::done:
      return give(FrameKind::message, bytes, total_);
    case Step::error:
      return error_frame(bytes);
    case Step::more:
      break;
  }
  if (partial_.size() == 0) append(bytes);
  chunk_ = {};
  return {};
}

StreamFramer::Step StreamFramer::fail(const char* what, std::size_t offset, std::uint16_t status) {
  failed_ = true;
  error_ = {what, static_cast<std::uint32_t>(offset), status};
  return Step::error;
}

Frame StreamFramer::error_frame(std::string_view bytes) {
  return {FrameKind::error, bytes.substr(0, limits::kMaxMessage), error_};
}

// Goes on, line by line, where the last call has stopped.
StreamFramer::Step StreamFramer::find_end(std::string_view bytes) {
  const char* begin = bytes.data();
  const char* end = begin + bytes.size();
  if (!scan::is(bytes.front(), scan::kToken)) return fail("Not SIP", 0);
  while (total_ == 0) {
    const char* p = scan::find_control(begin + scan_at_, end);
    scan_at_ = static_cast<std::size_t>(p - begin);
    if (scan_at_ > limits::kMaxHeaderBytes) return fail("Headers too large", scan_at_, 513);
    if (end - p < 2) {
      if (p != end && *p == '\n') return fail("LF without CR", scan_at_);
      return Step::more;
    }
    if (*p == '\n') return fail("LF without CR", scan_at_);
    if (*p != '\r') {  // what else is wrong with the line, Message tells
      ++scan_at_;
      continue;
    }
    if (p[1] != '\n') return fail("CR without LF", scan_at_);
    if (scan_at_ == line_at_) {
      if (end_of_headers(scan_at_ + 2) == Step::error) return Step::error;
      break;
    }
    if (end - p == 2) return Step::more;  // a fold may follow
    scan_at_ += 2;
    if (scan::is_wsp(p[2]) && line_at_ > 0) continue;
    if (line_at_ > 0 && !read_content_length({begin + line_at_, p})) return Step::error;
    line_at_ = scan_at_;
  }
  return bytes.size() < total_ ? Step::more : Step::done;
}

// `at`: where the body begins.
StreamFramer::Step StreamFramer::end_of_headers(std::size_t at) {
  if (length_ < 0) return fail("Missing Content-Length", at);
  total_ = at + static_cast<std::size_t>(length_);
  return total_ > limits::kMaxMessage ? fail("Message too large", at, 413) : Step::done;
}

// False, and failed, if the line is a Content-Length that cannot be believed.
bool StreamFramer::read_content_length(std::string_view line) {
  const char first = scan::lower(line.front());
  if (first != 'c' && first != 'l') return true;
  const std::size_t colon = line.find(':');
  if (colon == line.npos ||
      find_header_name(scan::trim_right(line.substr(0, colon))) != HeaderName::content_length)
    return true;
  std::string_view value = scan::trim(line.substr(colon + 1));
  std::uint64_t number = 0;
  if (!scan::take_number(value, 1 << 30, number) || !value.empty()) {
    fail("Bad Content-Length", line_at_);
  } else if (length_ >= 0 && static_cast<std::uint64_t>(length_) != number) {
    fail("Content-Lengths that differ", line_at_);
  } else {
    length_ = static_cast<std::int64_t>(number);
  }
  return !failed_;
}

}  // namespace causeway::sip
