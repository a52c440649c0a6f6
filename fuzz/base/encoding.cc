// Text forms of bytes: what is decoded is encoded again, and bytes come back.
#include "base/encoding.h"

#include <cctype>
#include <cstdlib>

using namespace causeway::base;

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string unpadded(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  return std::string(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(data, data + size);
  const std::string_view text = as_text(bytes);
  if (from_base32(base32(bytes)) != bytes || from_base64(base64(bytes)) != bytes ||
      from_base64url(base64url(bytes)) != bytes || from_hex(hex(bytes)) != bytes)
    std::abort();
  if (const auto decoded = from_base32(text); decoded && base32(*decoded) != lower(text)) std::abort();
  if (const auto decoded = from_hex(text); decoded && hex(*decoded) != lower(text)) std::abort();
  if (const auto decoded = from_base64url(text); decoded && base64url(*decoded) != unpadded(text))
    std::abort();
  if (const auto decoded = from_base64(text); decoded && unpadded(base64(*decoded)) != unpadded(text))
    std::abort();
  return 0;
}
