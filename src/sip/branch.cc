#include "sip/branch.h"

#include <charconv>
#include <cstring>

#include "sip/uri.h"

namespace causeway::sip {

namespace {

char* write_hex(char* to, std::uint64_t value, int least_digits) {
  int digits = least_digits;
  while (digits < 16 && (value >> (4 * digits)) != 0) ++digits;
  for (int i = digits - 1; i >= 0; --i) *to++ = "0123456789abcdef"[(value >> (4 * i)) & 15];
  return to;
}

// Reads a number of at most `most_digits` digits that must be followed by `end` (0: the text's end).
template <class Number>
bool read_hex(const char*& at, const char* end, std::size_t most_digits, char stop, Number& value) {
  auto [after, error] = std::from_chars(at, end, value, 16);
  if (error != std::errc() || after == at || static_cast<std::size_t>(after - at) > most_digits) return false;
  if (stop == 0) return after == end;
  if (after == end || *after != stop) return false;
  at = after + 1;
  return true;
}

}  // namespace

BranchText write_branch(const Branch& branch) {
  BranchText text;
  char* to = text.bytes.data();
  std::memcpy(to, "z9hG4bK.", 8);
  to = write_hex(to + 8, branch.worker, 1);
  *to++ = '.';
  to = write_hex(to, branch.block, 1);
  *to++ = '.';
  to = write_hex(to, branch.nonce, 16);
  *to++ = '.';
  to = write_hex(to, branch.loop_hash, 8);
  text.length = static_cast<std::uint8_t>(to - text.bytes.data());
  return text;
}

std::optional<Branch> read_branch(std::string_view text) {
  if (text.size() > BranchText::kMost || text.size() <= 8 || !has_magic_cookie(text) || text[7] != '.')
    return std::nullopt;
  const char* at = text.data() + 8;
  const char* end = text.data() + text.size();
  Branch branch;
  if (!read_hex(at, end, 8, '.', branch.worker) || !read_hex(at, end, 8, '.', branch.block) ||
      !read_hex(at, end, 16, '.', branch.nonce) || !read_hex(at, end, 8, 0, branch.loop_hash))
    return std::nullopt;
  return branch;
}

bool has_magic_cookie(std::string_view branch) {
  return branch.size() > kMagicCookie.size() &&
         (branch.starts_with(kMagicCookie) || same_text(branch.substr(0, kMagicCookie.size()), kMagicCookie));
}

}  // namespace causeway::sip
