// What the parsers of this module share: character classes (RFC 3261 25.1) and the scan for the end
// of a line. Only for use inside the module.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace causeway::sip::scan {

enum Class : std::uint8_t {
  kToken = 1,
  kUnreserved = 2,
  kUser = 4,     // userinfo, without '%' and the ':' before a password
  kParam = 8,    // uri-parameters with their ';' and '=', without '%'
  kHeader = 16,  // headers of a URI with their '&' and '=', without '%'
  kHost = 32,    // hostname and IPv4; '_' too, which DNS names in use do have
  kDigit = 64,
  kHex = 128,
};

consteval std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> c{};
  auto add = [&](std::string_view chars, int bits) {
    for (char ch : chars) c[static_cast<unsigned char>(ch)] |= static_cast<std::uint8_t>(bits);
  };
  constexpr int kUri = kUnreserved | kUser | kParam | kHeader;
  for (int i = 0; i < 26; ++i) {
    c['a' + i] |= kToken | kUri | kHost;
    c['A' + i] |= kToken | kUri | kHost;
  }
  add("0123456789", kToken | kUri | kHost | kDigit | kHex);
  add("abcdefABCDEF", kHex);
  add("-.!%*_+`'~", kToken);
  add("-_.!~*'()", kUri);
  add("-._", kHost);
  add("&=+$,;?/", kUser);
  add("[]/:&+$;=", kParam);
  add("[]/?:+$&=", kHeader);
  return c;
}
inline constexpr auto kClasses = make_classes();

inline bool is(char c, int bits) { return (kClasses[static_cast<unsigned char>(c)] & bits) != 0; }
inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }
inline bool is_alpha(char c) { return static_cast<unsigned char>((c | 0x20) - 'a') < 26; }
inline char lower(char c) {
  return static_cast<unsigned char>(c - 'A') < 26 ? static_cast<char>(c | 0x20) : c;
}
// White space between tokens. A value holds CR and LF only as part of a fold.
inline bool is_lws(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
inline bool is_wsp(char c) { return c == ' ' || c == '\t'; }

inline bool is_token(std::string_view text) {
  for (char c : text)
    if (!is(c, kToken)) return false;
  return !text.empty();
}

inline std::string_view trim_left(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && is_lws(text[i])) ++i;
  text.remove_prefix(i);
  return text;
}
inline std::string_view trim_right(std::string_view text) {
  std::size_t n = text.size();
  while (n > 0 && is_lws(text[n - 1])) --n;
  return text.substr(0, n);
}
inline std::string_view trim(std::string_view text) { return trim_right(trim_left(text)); }

// The first control character other than TAB in [p, end), or end.
inline const char* find_control(const char* p, const char* end) {
#ifdef __SSE2__
  const __m128i last_control = _mm_set1_epi8(0x1f);
  const __m128i tab = _mm_set1_epi8('\t');
  while (end - p >= 16) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(x, last_control), x);
    const int hits = _mm_movemask_epi8(_mm_andnot_si128(_mm_cmpeq_epi8(x, tab), control));
    if (hits != 0) return p + __builtin_ctz(static_cast<unsigned>(hits));
    p += 16;
  }
#endif
  for (; p != end; ++p)
    if (static_cast<unsigned char>(*p) < 0x20 && *p != '\t') return p;
  return end;
}

// The first ':' in [p, end), or end. Made for header names: nearly always within 16 bytes.
inline const char* find_colon(const char* p, const char* end) {
#ifdef __SSE2__
  if (end - p >= 16) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const int hits = _mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8(':')));
    if (hits != 0) return p + __builtin_ctz(static_cast<unsigned>(hits));
    p += 16;
  }
#endif
  while (p != end && *p != ':') ++p;
  return p;
}

consteval std::array<bool, 256> make_value_ends() {
  std::array<bool, 256> ends{};
  for (char c : std::string_view(";,\" \t\r\n")) ends[static_cast<unsigned char>(c)] = true;
  return ends;
}
inline constexpr auto kValueEnds = make_value_ends();

// Where a parameter's value without quotes ends: at one of ;," or white space in [p, end), or at end.
inline const char* find_value_end(const char* p, const char* end) {
#ifdef __SSE2__
  while (end - p >= 16) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    __m128i hit = _mm_cmpeq_epi8(x, _mm_set1_epi8(';'));
    for (char c : {',', '"', ' ', '\t', '\r', '\n'})
      hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, _mm_set1_epi8(c)));
    if (const int hits = _mm_movemask_epi8(hit); hits != 0)
      return p + __builtin_ctz(static_cast<unsigned>(hits));
    p += 16;
  }
#endif
  while (p != end && !kValueEnds[static_cast<unsigned char>(*p)]) ++p;
  return p;
}

// Reads decimal digits from the front of `text`; values over `most` become `most`. False if the
// first character is no digit.
inline bool take_number(std::string_view& text, std::uint64_t most, std::uint64_t& number) {
  if (text.empty() || !is_digit(text.front())) return false;
  number = 0;
  std::size_t i = 0;
  for (; i < text.size() && is_digit(text[i]); ++i) {
    number = number * 10 + static_cast<std::uint64_t>(text[i] - '0');
    if (number > most) number = most;  // `most` is below 2^60: no overflow in the next step
  }
  text.remove_prefix(i);
  return true;
}

}  // namespace causeway::sip::scan
