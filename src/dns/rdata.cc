#include "dns/rdata.h"

#include <algorithm>
#include <cctype>

namespace causeway::dns {

namespace {

// Reads from left to right; after the first mismatch everything is empty and ok is false.
struct Reader {
  Rdata left;
  bool ok = true;

  std::uint8_t byte() {
    if (left.empty()) {
      ok = false;
      return 0;
    }
    std::uint8_t value = left.front();
    left = left.subspan(1);
    return value;
  }
  std::uint16_t u16() {
    std::uint16_t high = byte();
    return static_cast<std::uint16_t>(high << 8 | byte());
  }
  std::string text(std::size_t length) {
    if (length > left.size()) {
      ok = false;
      return {};
    }
    std::string value(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(length));
    left = left.subspan(length);
    return value;
  }
  std::string character_string() { return text(byte()); }
  // RFC 1035 3.1; anything but letters, digits, '-', '_' in a label is refused: such a host cannot be meant.
  std::string name() {
    std::string all;
    for (std::uint8_t length = byte(); ok && length != 0; length = byte()) {
      std::string label = length > 63 ? std::string() : text(length);
      bool plain = !label.empty() && std::ranges::all_of(label, [](unsigned char c) {
        return std::isalnum(c) || c == '-' || c == '_';
      });
      if (!plain || all.size() + label.size() > 253) ok = false;
      for (char& c : label) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      all += (all.empty() ? "" : ".") + label;
    }
    return all;
  }
};

}  // namespace

std::optional<Naptr> decode_naptr(Rdata data) {
  Reader in{data};
  Naptr record;
  record.order = in.u16();
  record.preference = in.u16();
  record.flags = in.character_string();
  record.service = in.character_string();
  record.regexp = in.character_string();
  record.replacement = in.name();
  if (!in.ok || !in.left.empty()) return {};
  return record;
}

std::optional<Srv> decode_srv(Rdata data) {
  Reader in{data};
  Srv record;
  record.priority = in.u16();
  record.weight = in.u16();
  record.port = in.u16();
  record.target = in.name();
  if (!in.ok || !in.left.empty()) return {};
  return record;
}

std::optional<net::Ip> decode_a(Rdata data) {
  if (data.size() != 4) return {};
  return net::Ip::v4(std::uint32_t{data[0]} << 24 | std::uint32_t{data[1]} << 16 |
                     std::uint32_t{data[2]} << 8 | data[3]);
}

std::optional<net::Ip> decode_aaaa(Rdata data) {
  if (data.size() != 16) return {};
  std::array<std::uint8_t, 16> bytes;
  std::ranges::copy(data, bytes.begin());
  return net::Ip::v6(bytes);
}

}  // namespace causeway::dns
