#include "identity/sealing.h"
#include "base/limits.h"

#include <algorithm>

#include <openssl/core_names.h>

#include "base/fatal.h"
#include "identity/credential.h"
#include "identity/openssl.h"

namespace causeway::identity {

std::array<std::uint8_t, 32> derive_key(const NetworkKey& key, std::string_view use) {
  std::array<std::uint8_t, 32> out{};
  std::string label = "causeway ";
  label += use;
  openssl::Kdf kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  openssl::KdfCtx context(EVP_KDF_CTX_new(kdf.get()));
  auto* key_bytes = const_cast<std::uint8_t*>(key.data());  // OSSL_PARAM has no const; it is only read
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, const_cast<char*>("SHA256"), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key_bytes, key.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, label.data(), label.size()),
      OSSL_PARAM_construct_end(),
  };
  if (EVP_KDF_derive(context.get(), out.data(), out.size(), params) != 1)
    base::fatal("OpenSSL cannot derive keys with HKDF-SHA256: is its default provider loaded?");
  return out;
}

// ---- datagrams

namespace {

constexpr base::UnixMs kDay = 86400000;
constexpr std::size_t kNonce = 12, kTag = 16;

std::uint32_t day_of(base::UnixMs now) { return static_cast<std::uint32_t>(now / kDay); }

}  // namespace

struct DatagramSealer::Impl {
  NetworkKey key;
  base::Random& random;
  openssl::Cipher cipher{EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr)};

  // Both directions of one day. Yesterday, today and tomorrow never share a place.
  struct Day {
    std::uint32_t day = 0;
    openssl::CipherCtx sealing, opening;
  };
  std::array<Day, 4> days{};

  Impl(const NetworkKey& k, base::Random& r) : key(k), random(r) {}

  Day& ready(std::uint32_t day) {
    Day& d = days[day % days.size()];
    if (d.sealing && d.day == day) return d;
    auto day_key = derive_key(key, fmt::format("datagrams of day {}", day));
    d.day = day;
    d.sealing.reset(EVP_CIPHER_CTX_new());
    d.opening.reset(EVP_CIPHER_CTX_new());
    EVP_EncryptInit_ex2(d.sealing.get(), cipher.get(), day_key.data(), nullptr, nullptr);
    EVP_DecryptInit_ex2(d.opening.get(), cipher.get(), day_key.data(), nullptr, nullptr);
    OPENSSL_cleanse(day_key.data(), day_key.size());
    return d;
  }
};

DatagramSealer::DatagramSealer(const NetworkKey& key, base::Random& random)
    : impl_(std::make_unique<Impl>(key, random)) {}
DatagramSealer::~DatagramSealer() { OPENSSL_cleanse(impl_->key.data(), impl_->key.size()); }

void DatagramSealer::seal(std::span<const std::uint8_t> plain, base::UnixMs now, base::Bytes& out) {
  std::uint32_t day = day_of(now);
  EVP_CIPHER_CTX* context = impl_->ready(day).sealing.get();
  out.resize(plain.size() + kOverhead);
  for (int i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(day >> (24 - 8 * i));
  std::uint8_t* nonce = out.data() + 4;
  std::uint8_t* text = nonce + kNonce;
  impl_->random.fill({nonce, kNonce});
  int n = 0;
  EVP_EncryptInit_ex2(context, nullptr, nullptr, nonce, nullptr);
  EVP_EncryptUpdate(context, text, &n, plain.data(), static_cast<int>(plain.size()));
  EVP_EncryptFinal_ex(context, text + n, &n);
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTag, text + plain.size());
}

DatagramSealer::Opened DatagramSealer::open(std::span<const std::uint8_t> sealed, base::UnixMs now,
                                            base::Bytes& out) {
  out.clear();
  if (sealed.size() < kOverhead) return Opened::too_short;
  std::uint32_t day = 0;
  for (int i = 0; i < 4; ++i) day = day << 8 | sealed[i];
  std::int64_t off = std::int64_t{day} - day_of(now);
  if (off < -1 || off > 1) return Opened::wrong_day;

  openssl::ErrorScope errors;
  EVP_CIPHER_CTX* context = impl_->ready(day).opening.get();
  auto text = sealed.subspan(4 + kNonce, sealed.size() - kOverhead);
  std::array<std::uint8_t, kTag> tag;
  std::copy_n(sealed.end() - kTag, kTag, tag.begin());
  out.resize(text.size());
  int n = 0;
  bool ok = EVP_DecryptInit_ex2(context, nullptr, nullptr, sealed.data() + 4, nullptr) == 1 &&
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTag, tag.data()) == 1 &&
            EVP_DecryptUpdate(context, out.data(), &n, text.data(), static_cast<int>(text.size())) == 1;
  std::uint8_t nothing[kTag];
  if (ok && EVP_DecryptFinal_ex(context, nothing, &n) == 1) return Opened::ok;
  out.clear();
  return Opened::forged;
}

// ---- tokens

std::uint64_t instance_hash(std::string_view instance) {
  Sha256 digest = sha256(base::as_bytes(instance));
  std::uint64_t out = 0;
  for (int i = 0; i < 8; ++i) out = out << 8 | digest[i];
  return out;
}

namespace {

// The payload, sealed: version and flags (1 byte), instance (8), IP (4 or 16), port (2), user (the rest).
constexpr std::uint8_t kTokenVersion = 1;  // upper four bits of the first byte
constexpr std::uint8_t kV6 = 0x04;         // lower two bits: the transport; bit 3 is 0
constexpr std::size_t kMaxPayload = 1 + 8 + 16 + 2 + limits::kMaxUserPart;

std::uint8_t* put(std::uint8_t* to, std::uint64_t value, int size) {
  for (int i = size - 1; i >= 0; --i) *to++ = static_cast<std::uint8_t>(value >> (8 * i));
  return to;
}
std::uint64_t take(const std::uint8_t*& from, int size) {
  std::uint64_t out = 0;
  while (size-- > 0) out = out << 8 | *from++;
  return out;
}

std::size_t write_payload(const FlowToken& token, std::uint8_t* out) {
  std::uint8_t* at = out;
  const net::Ip& ip = token.source.ip;
  int flags = kTokenVersion << 4 | static_cast<int>(token.transport) | (ip.is_v4() ? 0 : kV6);
  at = put(at, static_cast<std::uint64_t>(flags), 1);
  at = put(at, token.instance, 8);
  if (ip.is_v4()) {
    at = put(at, ip.v4_value(), 4);
  } else {
    at = std::copy_n(ip.bytes().begin(), 16, at);
  }
  at = put(at, token.source.port, 2);
  at = std::ranges::copy(token.user, at).out;
  return static_cast<std::size_t>(at - out);
}

std::optional<FlowToken> read_payload(std::span<const std::uint8_t> in) {
  const std::uint8_t* at = in.data();
  std::uint64_t flags = take(at, 1);
  bool v6 = flags & kV6;
  std::size_t fixed = 1 + 8 + (v6 ? 16 : 4) + 2;
  if (flags >> 4 != kTokenVersion || flags & 8 || in.size() < fixed) return std::nullopt;
  if ((flags & 3) > static_cast<std::uint64_t>(net::Transport::tls)) return std::nullopt;
  FlowToken out;
  out.transport = static_cast<net::Transport>(flags & 3);
  out.instance = take(at, 8);
  if (v6) {
    std::array<std::uint8_t, 16> ip;
    std::copy_n(at, 16, ip.begin());
    at += 16;
    out.source.ip = net::Ip::v6(ip);
  } else {
    out.source.ip = net::Ip::v4(static_cast<std::uint32_t>(take(at, 4)));
  }
  out.source.port = static_cast<std::uint16_t>(take(at, 2));
  out.user = base::as_text(in.subspan(fixed));
  if (!out.user.empty() && !is_user_part(out.user)) return std::nullopt;
  return out;
}

}  // namespace

struct TokenSealer::Impl {
  openssl::Cipher cipher{EVP_CIPHER_fetch(nullptr, "AES-128-SIV", nullptr)};
  // OpenSSL allows one message for each set-up of AES-SIV, and setting it up costs more than the
  // message: so a context that was set up once is copied into the one that is used.
  openssl::CipherCtx sealing_ready{EVP_CIPHER_CTX_new()}, opening_ready{EVP_CIPHER_CTX_new()};
  openssl::CipherCtx used{EVP_CIPHER_CTX_new()};
};

TokenSealer::TokenSealer(const NetworkKey& key) : impl_(std::make_unique<Impl>()) {
  auto token_key = derive_key(key, "flow tokens");
  EVP_EncryptInit_ex2(impl_->sealing_ready.get(), impl_->cipher.get(), token_key.data(), nullptr, nullptr);
  EVP_DecryptInit_ex2(impl_->opening_ready.get(), impl_->cipher.get(), token_key.data(), nullptr, nullptr);
  OPENSSL_cleanse(token_key.data(), token_key.size());
}
TokenSealer::~TokenSealer() = default;

std::string TokenSealer::seal(const FlowToken& token) const {
  if (!token.user.empty() && !is_user_part(token.user)) return {};
  std::array<std::uint8_t, kMaxPayload> payload;
  std::array<std::uint8_t, kTag + kMaxPayload> sealed;  // the tag (synthetic IV) first: RFC 5297 2.6
  std::size_t size = write_payload(token, payload.data());
  EVP_CIPHER_CTX* context = impl_->used.get();
  int n = 0;
  if (EVP_CIPHER_CTX_copy(context, impl_->sealing_ready.get()) != 1 ||
      EVP_EncryptUpdate(context, sealed.data() + kTag, &n, payload.data(), static_cast<int>(size)) != 1 ||
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTag, sealed.data()) != 1)
    return {};
  return base::base64url(std::span(sealed).first(kTag + size));
}

std::optional<FlowToken> TokenSealer::open(std::string_view text) const {
  constexpr std::size_t kLeast = kTag + 1 + 8 + 4 + 2;
  if (text.size() > (kTag + kMaxPayload) * 4 / 3 + 1 || text.ends_with('=')) return std::nullopt;
  auto sealed = base::from_base64url(text);
  if (!sealed || sealed->size() < kLeast || sealed->size() > kTag + kMaxPayload) return std::nullopt;
  std::size_t size = sealed->size() - kTag;
  std::array<std::uint8_t, kMaxPayload> payload;
  openssl::ErrorScope errors;
  EVP_CIPHER_CTX* context = impl_->used.get();
  int n = 0;
  if (EVP_CIPHER_CTX_copy(context, impl_->opening_ready.get()) != 1 ||
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTag, sealed->data()) != 1 ||
      EVP_DecryptUpdate(context, payload.data(), &n, sealed->data() + kTag, static_cast<int>(size)) != 1)
    return std::nullopt;
  return read_payload(std::span(payload).first(size));
}

}  // namespace causeway::identity
