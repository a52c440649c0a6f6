#include "sip/rewrite.h"

#include <charconv>
#include <cstring>

#include "sip/headers.h"

namespace causeway::sip {
namespace {

constexpr std::string_view kCrlf = "\r\n";
constexpr std::string_view kColon = ": ";

char* put(char* to, std::string_view text) {
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

}  // namespace

void Rewrite::add(const Edit& edit) {
  if (!ok_ || count_ == edits_.size()) {
    ok_ = false;
    return;
  }
  edits_[count_] = edit;
  removed_ += edit.cut;
  for (const Piece& piece : edit.pieces) inserted_ += piece.size;
  // At one place: insertions before a cut; prepended lines with the last call first, others in the
  // order of the calls.
  std::size_t place = count_;
  for (; place > 0; --place) {
    const Edit& before = edits_[order_[place - 1]];
    if (before.at < edit.at) break;
    if (before.at > edit.at) continue;
    const bool goes_first = edit.cut == 0 && (edit.prepended || before.cut > 0);
    if (!goes_first) break;
  }
  std::memmove(order_.data() + place + 1, order_.data() + place, count_ - place);
  order_[place] = static_cast<std::uint8_t>(count_++);
  check_neighbours(place);
}

void Rewrite::check_neighbours(std::size_t place) {
  auto overlap = [&](std::size_t i) {
    const Edit& a = edits_[order_[i]];
    return a.at + a.cut > edits_[order_[i + 1]].at;
  };
  if (place > 0 && overlap(place - 1)) ok_ = false;
  if (place + 1 < count_ && overlap(place)) ok_ = false;
}

std::uint32_t Rewrite::offset_of(std::string_view part) {
  const char* begin = message_.bytes().data();
  const std::size_t size = message_.bytes().size();
  const std::size_t at = static_cast<std::size_t>(part.data() - begin);
  if (part.data() < begin || at > size || part.size() > size - at) {
    ok_ = false;
    return 0;
  }
  return static_cast<std::uint32_t>(at);
}

void Rewrite::replace(std::string_view part, std::string_view by) {
  add({offset_of(part), static_cast<std::uint32_t>(part.size()), {by}, false});
}

void Rewrite::insert_after(std::string_view part, std::string_view text) {
  add({offset_of(part) + static_cast<std::uint32_t>(part.size()), 0, {text}, false});
}

void Rewrite::replace_request_uri(std::string_view uri) {
  if (!message_.is_request()) ok_ = false;
  if (ok_) replace(message_.request_uri_text(), uri);
}

void Rewrite::prepend(HeaderName name, std::string_view value) {
  const std::string_view text = header_text(name);
  if (text.empty()) ok_ = false;
  const HeaderField* first = message_.first(name);
  add({first ? first->line_at : message_.headers_at(), 0, {text, kColon, value, kCrlf}, true});
}

void Rewrite::append(std::string_view name, std::string_view value) {
  add({message_.headers_end(), 0, {name, kColon, value, kCrlf}, false});
}

Rewrite::Edit* Rewrite::find_cut(std::uint32_t at, std::size_t& place) {
  for (place = 0; place < count_; ++place) {
    Edit& edit = edits_[order_[place]];
    if (edit.at == at && edit.cut > 0) return &edit;
  }
  return nullptr;
}

// Values are cut from the front of a line, so a line has at most one such cut, at its first value; when
// its last value goes, the cut grows to the whole line.
void Rewrite::remove_first_value(HeaderName name) {
  std::size_t place = 0;
  for (const HeaderField* f = message_.first(name); f && ok_; f = message_.next(*f)) {
    if (find_cut(f->line_at, place)) continue;
    Edit* cut = find_cut(f->value_at, place);
    const std::uint32_t from = f->value_at + (cut ? cut->cut : 0);
    auto split = split_first(message_.bytes().substr(from, f->value_end - from));
    if (!split) {
      ok_ = false;
      return;
    }
    const std::uint32_t at = split->rest.empty() ? f->line_at : f->value_at;
    const std::uint32_t end = split->rest.empty() ? f->line_end : offset_of(split->rest);
    if (!cut) return add({at, end - at, {}, false});
    removed_ += (end - at) - cut->cut;
    cut->at = at;
    cut->cut = end - at;
    return check_neighbours(place);
  }
}

void Rewrite::remove_all(HeaderName name) {
  for (const HeaderField* f = message_.first(name); f; f = message_.next(*f))
    add({f->line_at, f->line_end - f->line_at, {}, false});
}

base::Buffer Rewrite::build() {
  const std::string_view bytes = message_.bytes();
  char digits[24];
  if (ok_ && !message_.has(HeaderName::content_length)) {
    const auto end = std::to_chars(digits, digits + sizeof digits, message_.body().size()).ptr;
    append(header_text(HeaderName::content_length), {digits, end});
  }
  if (!ok_) return {};
  const std::size_t size = bytes.size() - removed_ + inserted_;
  base::Buffer out = base::Buffer::with_room(size);
  char* to = out.data();
  std::size_t from = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    const Edit& edit = edits_[order_[i]];
    to = put(to, bytes.substr(from, edit.at - from));
    for (const Piece& piece : edit.pieces) to = put(to, piece.view());
    from = edit.at + edit.cut;
  }
  put(to, bytes.substr(from));
  out.resize(size);
  return out;
}

}  // namespace causeway::sip
