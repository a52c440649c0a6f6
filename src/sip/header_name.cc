#include "sip/header_name.h"

#include <array>
#include <cstring>

#include "sip/scan.h"

namespace causeway::sip {
namespace {

constexpr std::size_t kNames = static_cast<std::size_t>(HeaderName::count);

struct Entry {
  std::array<char, 24> text{};
  std::array<char, 24> fold{};  // 0x20 under each letter: the bit in which the cases differ
  std::size_t length = 0;
};

consteval Entry make_entry(std::string_view name) {
  Entry e;
  for (std::size_t i = 0; i < name.size(); ++i) {
    e.text[i] = name[i];
    char folded = static_cast<char>(name[i] | 0x20);
    e.fold[i] = folded >= 'a' && folded <= 'z' ? 0x20 : 0;
  }
  e.length = name.size();
  return e;
}

constexpr std::array<Entry, kNames> kEntries = {{
#define X(id, name, compact) make_entry(name),
    CAUSEWAY_SIP_HEADERS(X)
#undef X
}};

constexpr std::array<std::string_view, kNames> kTexts = {
#define X(id, name, compact) name,
    CAUSEWAY_SIP_HEADERS(X)
#undef X
};

constexpr std::array<std::uint8_t, 32> kCompact = [] {
  std::array<std::uint8_t, 32> table{};
  table.fill(static_cast<std::uint8_t>(HeaderName::other));
#define X(id, name, compact) \
  if (compact) table[(compact)&31] = static_cast<std::uint8_t>(HeaderName::id);
  CAUSEWAY_SIP_HEADERS(X)
#undef X
  return table;
}();

// A perfect hash over length, first and last letter; its factor is searched by the compiler.
constexpr std::uint32_t hash(std::size_t length, char first, char last, std::uint32_t factor) {
  std::uint32_t key = static_cast<std::uint32_t>(length) | static_cast<std::uint32_t>(first | 0x20) << 8 |
                      static_cast<std::uint32_t>(last | 0x20) << 16;
  return key * factor >> 24;
}

struct HashTable {
  std::uint32_t factor = 0;
  std::array<std::uint8_t, 256> slots{};
};

constexpr HashTable kHash = [] {
  HashTable t;
  for (t.factor = 0x9e3779b1;; t.factor += 0x3779b2) {
    t.slots.fill(static_cast<std::uint8_t>(HeaderName::other));
    bool collision = false;
    for (std::size_t i = 0; i < kNames && !collision; ++i) {
      const std::string_view text = kTexts[i];
      auto& slot = t.slots[hash(text.size(), text.front(), text.back(), t.factor)];
      collision = slot != static_cast<std::uint8_t>(HeaderName::other);
      slot = static_cast<std::uint8_t>(i);
    }
    if (!collision) return t;
  }
}();

template <class Word>
Word difference(const char* name, const Entry& e, std::size_t at) {
  Word a, b, fold;
  std::memcpy(&a, name + at, sizeof a);
  std::memcpy(&b, e.text.data() + at, sizeof b);
  std::memcpy(&fold, e.fold.data() + at, sizeof fold);
  return static_cast<Word>((a ^ b) & ~fold);
}

// Two or three overlapping words; n == e.length, 2..24.
bool same(const char* name, std::size_t n, const Entry& e) {
  using std::uint16_t, std::uint32_t, std::uint64_t;
  if (n >= 8) {
    uint64_t d = difference<uint64_t>(name, e, 0) | difference<uint64_t>(name, e, n - 8);
    if (n > 16) d |= difference<uint64_t>(name, e, 8);
    return d == 0;
  }
  if (n >= 4) return (difference<uint32_t>(name, e, 0) | difference<uint32_t>(name, e, n - 4)) == 0;
  return (difference<uint16_t>(name, e, 0) | difference<uint16_t>(name, e, n - 2)) == 0;
}

}  // namespace

HeaderName find_header_name(std::string_view name) {
  if (name.size() < 2) {
    if (name.empty() || !scan::is_alpha(name[0])) return HeaderName::other;
    return static_cast<HeaderName>(kCompact[name[0] & 31]);
  }
  const std::uint8_t i = kHash.slots[hash(name.size(), name.front(), name.back(), kHash.factor)];
  if (i >= kNames || kEntries[i].length != name.size()) return HeaderName::other;
  return same(name.data(), name.size(), kEntries[i]) ? static_cast<HeaderName>(i) : HeaderName::other;
}

std::string_view header_text(HeaderName name) {
  const auto i = static_cast<std::size_t>(name);
  return i < kNames ? kTexts[i] : std::string_view{};
}

}  // namespace causeway::sip
