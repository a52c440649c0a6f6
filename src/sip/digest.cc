#include "sip/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <span>

#include "sip/headers.h"
#include "sip/scan.h"
#include "stun/integrity.h"

namespace causeway::sip {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

char* put_hex(std::span<const unsigned char> bytes, char* to) {
  for (unsigned char b : bytes) {
    *to++ = kHexDigits[b >> 4];
    *to++ = kHexDigits[b & 15];
  }
  return to;
}

// A hash in hex. Empty if OpenSSL does not offer the algorithm (MD5 in FIPS mode).
struct HexDigest {
  std::array<char, 64> text;
  std::size_t size = 0;
  std::string_view view() const { return {text.data(), size}; }
};

const EVP_MD* digest_method(DigestAlgorithm algorithm) {
  // Fetched once: looking it up costs more than hashing.
  static const EVP_MD* const md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
  static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm == DigestAlgorithm::md5 ? md5 : sha256;
}

// The hash over the parts with ':' between them.
HexDigest hash(DigestAlgorithm algorithm, std::initializer_list<std::string_view> parts) {
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  static thread_local const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  HexDigest result;
  const EVP_MD* method = digest_method(algorithm);
  if (!context || !method || !EVP_DigestInit_ex2(context.get(), method, nullptr)) return result;
  bool first = true;
  for (std::string_view part : parts) {
    if (!first) EVP_DigestUpdate(context.get(), ":", 1);
    first = false;
    EVP_DigestUpdate(context.get(), part.data(), part.size());
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned size = 0;
  if (!EVP_DigestFinal_ex(context.get(), bytes.data(), &size) || size > 32) return result;
  put_hex({bytes.data(), size}, result.text.data());
  result.size = 2 * size;
  return result;
}

struct Answer {
  std::string_view nonce, nc, cnonce, qop, method, uri;
};

HexDigest response_of(DigestAlgorithm algorithm, std::string_view ha1, const Answer& a) {
  const HexDigest ha2 = hash(algorithm, {a.method, a.uri});
  if (a.qop.empty()) return hash(algorithm, {ha1, a.nonce, ha2.view()});
  return hash(algorithm, {ha1, a.nonce, a.nc, a.cnonce, a.qop, ha2.view()});
}

// In constant time but for the length; `theirs` may be in upper case.
bool same_digest(std::string_view ours, std::string_view theirs) {
  if (ours.empty() || ours.size() != theirs.size()) return false;
  std::array<char, 64> folded;
  std::transform(theirs.begin(), theirs.end(), folded.begin(), scan::lower);
  return CRYPTO_memcmp(ours.data(), folded.data(), ours.size()) == 0;
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return scan::is(c, scan::kHex); });
}

struct AuthParam {
  std::string_view name, value;
};
enum class Next { param, end, malformed };

// One "name=value" of a comma-separated list. Values are quoted or not, whatever the grammar of the
// parameter says.
Next next_param(std::string_view& rest, AuthParam& param) {
  rest = scan::trim_left(rest);
  while (!rest.empty() && rest.front() == ',') rest = scan::trim_left(rest.substr(1));
  if (rest.empty()) return Next::end;
  std::size_t n = 0;
  while (n < rest.size() && scan::is(rest[n], scan::kToken)) ++n;
  param.name = rest.substr(0, n);
  rest = scan::trim_left(rest.substr(n));
  if (n == 0 || rest.empty() || rest.front() != '=') return Next::malformed;
  rest = scan::trim_left(rest.substr(1));
  if (!rest.empty() && rest.front() == '"') {
    for (n = 1; n < rest.size() && rest[n] != '"'; ++n)
      if (rest[n] == '\\') ++n;
    if (n >= rest.size()) return Next::malformed;
    param.value = rest.substr(1, n - 1);
    ++n;
  } else {
    for (n = 0; n < rest.size() && rest[n] != ',' && !scan::is_lws(rest[n]); ++n)
      if (rest[n] == '"') return Next::malformed;
    param.value = rest.substr(0, n);
  }
  rest = scan::trim_left(rest.substr(n));
  return rest.empty() || rest.front() == ',' ? Next::param : Next::malformed;
}

// Takes the scheme from the front.
bool take_scheme(std::string_view& rest) {
  constexpr std::string_view kScheme = "Digest";
  rest = scan::trim(rest);
  if (rest.size() <= kScheme.size() || !same_text(rest.substr(0, kScheme.size()), kScheme)) return false;
  rest.remove_prefix(kScheme.size());
  return scan::is_lws(rest.front());
}

const char* set_algorithm(std::string_view name, DigestAlgorithm& algorithm) {
  const auto known = parse_digest_name(name);
  if (!known) return "Digest algorithm not supported";
  algorithm = *known;
  return nullptr;
}

// Which of the parameters came; a second one is an error.
class Seen {
 public:
  bool again(std::size_t index) {
    const bool was = bits_ >> index & 1;
    bits_ |= 1u << index;
    return was;
  }
  bool has(std::size_t index) const { return bits_ >> index & 1; }

 private:
  std::uint32_t bits_ = 0;
};

}  // namespace

std::string_view digest_name(DigestAlgorithm algorithm) {
  return algorithm == DigestAlgorithm::md5 ? "MD5" : "SHA-256";
}

std::optional<DigestAlgorithm> parse_digest_name(std::string_view name) {
  for (DigestAlgorithm known : {DigestAlgorithm::md5, DigestAlgorithm::sha256})
    if (same_text(name, digest_name(known))) return known;
  return std::nullopt;
}

std::string make_ha1(DigestAlgorithm algorithm, std::string_view user, std::string_view realm,
                     std::string_view password) {
  return std::string(hash(algorithm, {user, realm, password}).view());
}

Parsed<DigestResponse> parse_digest_response(std::string_view value) {
  DigestResponse result;
  struct {
    std::string_view name;
    std::string_view* to;
  } const kTexts[] = {{"username", &result.username},
                      {"realm", &result.realm},
                      {"nonce", &result.nonce},
                      {"uri", &result.uri},
                      {"response", &result.response},
                      {"cnonce", &result.cnonce},
                      {"nc", &result.nc},
                      {"qop", &result.qop},
                      {"opaque", &result.opaque}};
  constexpr std::size_t kMandatory = 5, kAlgorithm = 9;
  std::string_view rest = value;
  if (!take_scheme(rest)) return bad("Authorization is not Digest");
  AuthParam param;
  Seen seen;
  Next next;
  while ((next = next_param(rest, param)) == Next::param) {
    std::size_t i = 0;
    while (i < std::size(kTexts) && !same_text(param.name, kTexts[i].name)) ++i;
    if (i < std::size(kTexts)) {
      *kTexts[i].to = param.value;
    } else if (same_text(param.name, "algorithm")) {
      if (const char* what = set_algorithm(param.value, result.algorithm)) return bad(what);
    } else if (same_text(param.name, "username*") ||
               (same_text(param.name, "userhash") && !same_text(param.value, "false"))) {
      return bad("Digest user name form not supported");
    } else {
      continue;
    }
    static_assert(kAlgorithm == std::size(kTexts));
    if (seen.again(i)) return bad("Digest parameter came twice");
  }
  if (next == Next::malformed)
    return bad("Bad digest parameter", static_cast<std::size_t>(rest.data() - value.data()));
  for (std::size_t i = 0; i < kMandatory; ++i)
    if (!seen.has(i) || kTexts[i].to->empty()) return bad("Digest parameter missing");
  if (!result.qop.empty()) {
    if (!same_text(result.qop, "auth")) return bad("Digest qop not supported");
    if (result.cnonce.empty() || result.nc.empty()) return bad("Digest parameter missing");
    if (result.nc.size() > 8 || !is_hex(result.nc)) return bad("Bad digest nc");
  } else if (result.algorithm != DigestAlgorithm::md5) {
    return bad("Digest without qop");
  }
  const std::size_t length = result.algorithm == DigestAlgorithm::md5 ? 32 : 64;
  if (result.response.size() != length || !is_hex(result.response)) return bad("Bad digest response");
  return result;
}

std::string unquote_user(const DigestResponse& response) {
  if (response.username.find('\\') == std::string_view::npos) return std::string(response.username);
  return unquote(fmt::format("\"{}\"", response.username));
}

bool is_for_uri(const DigestResponse& response, std::string_view request_uri) {
  if (response.uri == request_uri) return true;
  auto a = parse_uri(response.uri);
  auto b = parse_uri(request_uri);
  return a && b && equivalent(*a, *b);
}

Parsed<DigestChallenge> parse_digest_challenge(std::string_view value) {
  constexpr std::string_view kNames[] = {"realm", "nonce", "opaque", "algorithm", "qop", "stale"};
  DigestChallenge result;
  std::string_view rest = value;
  if (!take_scheme(rest)) return bad("Challenge is not Digest");
  AuthParam param;
  Seen seen;
  Next next;
  while ((next = next_param(rest, param)) == Next::param) {
    std::size_t i = 0;
    while (i < std::size(kNames) && !same_text(param.name, kNames[i])) ++i;
    if (i == std::size(kNames)) continue;
    if (seen.again(i)) return bad("Digest parameter came twice");
    switch (i) {
      case 0:
        result.realm = param.value;
        break;
      case 1:
        result.nonce = param.value;
        break;
      case 2:
        result.opaque = param.value;
        break;
      case 3:
        if (const char* what = set_algorithm(param.value, result.algorithm)) return bad(what);
        break;
      case 4:
        result.qop_auth = has_token(param.value, "auth");
        if (!result.qop_auth && !param.value.empty()) return bad("Digest qop not supported");
        break;
      default:
        result.stale = same_text(param.value, "true");
    }
  }
  if (next == Next::malformed)
    return bad("Bad digest parameter", static_cast<std::size_t>(rest.data() - value.data()));
  if (!seen.has(0) || result.nonce.empty()) return bad("Digest parameter missing");
  return result;
}

DigestVerifier::DigestVerifier(std::string realm, std::array<std::uint8_t, 32> key)
    : realm_(std::move(realm)), key_(key) {}

// 16 hex digits of time, 32 of the MAC over them and the realm.
DigestVerifier::Nonce DigestVerifier::nonce(base::UnixMs now) const {
  Nonce text;
  const auto time = static_cast<std::uint64_t>(now);
  for (std::size_t i = 0; i < 16; ++i) text[i] = kHexDigits[time >> (60 - 4 * i) & 15];
  text[16] = ':';  // the MAC's begin takes its place
  const auto mac = stun::hmac_sha256(key_, {text.data(), 17}, realm_);
  put_hex(std::span(mac).first(16), text.data() + 16);
  return text;
}

// A nonce from another registrar may be from our future, as far as clocks differ.
bool DigestVerifier::is_fresh(std::string_view text, base::UnixMs now) const {
  if (text.size() != 48 || !is_hex(text)) return false;
  std::uint64_t value = 0;
  for (char c : text.substr(0, 16))
    value = value << 4 | static_cast<unsigned>(scan::is_digit(c) ? c - '0' : scan::lower(c) - 'a' + 10);
  const auto time = static_cast<base::UnixMs>(value);
  if (time < now - limits::kNonceLife.count() || time > now + limits::kNonceLife.count()) return false;
  return CRYPTO_memcmp(nonce(time).data(), text.data(), text.size()) == 0;
}

std::vector<std::string> DigestVerifier::challenges(base::UnixMs now, bool stale) const {
  std::vector<std::string> all;
  const Nonce text = nonce(now);
  for (DigestAlgorithm algorithm : offered_)
    all.push_back(fmt::format("Digest realm={}, nonce=\"{}\", algorithm={}, qop=\"auth\"{}", quote(realm_),
                              std::string_view(text.data(), text.size()), digest_name(algorithm),
                              stale ? ", stale=true" : ""));
  return all;
}

DigestVerifier::Verdict DigestVerifier::check(const DigestResponse& response, const DigestSecrets& secrets,
                                              std::string_view method, base::UnixMs now) const {
  const bool md5 = response.algorithm == DigestAlgorithm::md5;
  const bool has_qop = !response.qop.empty();
  if (has_qop ? !same_text(response.qop, "auth") || response.cnonce.empty() || response.nc.empty() : !md5)
    return Verdict::malformed;
  const std::string_view ha1 = md5 ? secrets.ha1_md5 : secrets.ha1_sha256;
  if (ha1.size() != (md5 ? 32u : 64u) || response.response.size() != ha1.size()) return Verdict::wrong;
  if (response.realm != realm_ && unquote(fmt::format("\"{}\"", response.realm)) != realm_)
    return Verdict::wrong;
  const HexDigest expected =
      response_of(response.algorithm, ha1,
                  {response.nonce, response.nc, response.cnonce, response.qop, method, response.uri});
  if (!same_digest(expected.view(), response.response)) return Verdict::wrong;
  return is_fresh(response.nonce, now) ? Verdict::ok : Verdict::stale;
}

std::string answer_challenge(const DigestChallenge& challenge, std::string_view user,
                             std::string_view password, std::string_view method, std::string_view uri,
                             std::string_view cnonce, std::uint32_t nonce_count) {
  const std::string ha1 = make_ha1(challenge.algorithm, user, challenge.realm, password);
  const std::string nc = fmt::format("{:08x}", nonce_count);
  const std::string_view qop = challenge.qop_auth ? "auth" : "";
  const HexDigest response =
      response_of(challenge.algorithm, ha1, {challenge.nonce, nc, cnonce, qop, method, uri});
  if (response.size == 0) return {};
  std::string text = fmt::format(
      "Digest username={}, realm=\"{}\", nonce=\"{}\", uri=\"{}\", response=\"{}\", algorithm={}",
      quote(user), challenge.realm, challenge.nonce, uri, response.view(), digest_name(challenge.algorithm));
  if (challenge.qop_auth) text += fmt::format(", cnonce=\"{}\", nc={}, qop=auth", cnonce, nc);
  if (!challenge.opaque.empty()) text += fmt::format(", opaque=\"{}\"", challenge.opaque);
  return text;
}

}  // namespace causeway::sip
