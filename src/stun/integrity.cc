#include "stun/integrity.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/encoding.h"

namespace causeway::stun {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

// A context that knows its digest; making one takes longer than using it.
class Hmac {
 public:
  explicit Hmac(const char* digest) {
    const std::unique_ptr<EVP_MAC, Deleter<EVP_MAC_free>> mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
    if (!mac) return;
    context_.reset(EVP_MAC_CTX_new(mac.get()));
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>(digest), 0),
        OSSL_PARAM_construct_end()};
    if (context_ && EVP_MAC_CTX_set_params(context_.get(), parameters) != 1) context_.reset();
  }

  void operator()(std::span<const std::uint8_t> key, std::string_view a, std::string_view b,
                  std::span<std::uint8_t> out) {
    static constexpr std::uint8_t kNothing = 0;  // OpenSSL takes a null key for "the one before"
    std::size_t size = 0;
    EVP_MAC_CTX* c = context_.get();
    if (!c || EVP_MAC_init(c, key.empty() ? &kNothing : key.data(), key.size(), nullptr) != 1 ||
        EVP_MAC_update(c, base::as_bytes(a).data(), a.size()) != 1 ||
        EVP_MAC_update(c, base::as_bytes(b).data(), b.size()) != 1 ||
        EVP_MAC_final(c, out.data(), &size, out.size()) != 1)
      std::ranges::fill(out, std::uint8_t{0});
  }

 private:
  std::unique_ptr<EVP_MAC_CTX, Deleter<EVP_MAC_CTX_free>> context_;
};

// `parts` with colons between them. Returns the digest's size.
std::size_t digest(const EVP_MD* method, std::initializer_list<std::string_view> parts,
                   std::span<std::uint8_t> out) {
  const std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  unsigned size = 0;
  if (!context || EVP_DigestInit_ex2(context.get(), method, nullptr) != 1) return 0;
  bool first = true;
  for (const std::string_view part : parts) {
    if (!first) EVP_DigestUpdate(context.get(), ":", 1);
    first = false;
    EVP_DigestUpdate(context.get(), part.data(), part.size());
  }
  if (out.size() < static_cast<std::size_t>(EVP_MD_get_size(method)) ||
      EVP_DigestFinal_ex(context.get(), out.data(), &size) != 1)
    return 0;
  return size;
}

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  return table;
}

}  // namespace

Key Key::long_term(std::string_view username, std::string_view realm, std::string_view password,
                   PasswordAlgorithm algorithm) {
  Key key;
  const EVP_MD* method = algorithm == PasswordAlgorithm::md5 ? EVP_md5() : EVP_sha256();
  key.size_ = digest(method, {username, realm, password}, key.bytes_);
  return key;
}

Key Key::of_digest(std::span<const std::uint8_t> digest) {
  Key key;
  key.size_ = std::min(digest.size(), key.bytes_.size());
  std::ranges::copy(digest.first(key.size_), key.bytes_.begin());
  return key;
}

Key Key::short_term(std::string_view password) { return of_digest(base::as_bytes(password)); }

std::array<std::uint8_t, kSha256Size> userhash_of(std::string_view username, std::string_view realm) {
  std::array<std::uint8_t, kSha256Size> out{};
  digest(EVP_sha256(), {username, realm}, out);
  return out;
}

std::array<std::uint8_t, kSha1Size> hmac_sha1(std::span<const std::uint8_t> key, std::string_view header,
                                              std::string_view rest) {
  thread_local Hmac hmac("SHA1");
  std::array<std::uint8_t, kSha1Size> out;
  hmac(key, header, rest, out);
  return out;
}

std::array<std::uint8_t, kSha256Size> hmac_sha256(std::span<const std::uint8_t> key, std::string_view header,
                                                  std::string_view rest) {
  thread_local Hmac hmac("SHA256");
  std::array<std::uint8_t, kSha256Size> out;
  hmac(key, header, rest, out);
  return out;
}

bool check_integrity(const Message& message, Attribute type, const Key& key) {
  const auto claimed = message.value(type);
  const bool sha1 = type == Attribute::message_integrity;
  if (!claimed || claimed->size() != (sha1 ? kSha1Size : kSha256Size) || key.bytes().empty()) return false;
  const std::size_t at = message.position(type);
  // The length in the header is that of a message which ends with this attribute (RFC 8489 14.5).
  const std::size_t length = at + kAttributeHeader + claimed->size() - kHeaderSize;
  std::array<char, kHeaderSize> header;
  std::memcpy(header.data(), message.bytes().data(), header.size());
  header[2] = static_cast<char>(length >> 8);
  header[3] = static_cast<char>(length);
  const std::string_view rest = message.bytes().substr(kHeaderSize, at - kHeaderSize);
  const std::string_view first(header.data(), header.size());
  if (sha1) return CRYPTO_memcmp(hmac_sha1(key.bytes(), first, rest).data(), claimed->data(), kSha1Size) == 0;
  return CRYPTO_memcmp(hmac_sha256(key.bytes(), first, rest).data(), claimed->data(), kSha256Size) == 0;
}

std::uint32_t fingerprint_of(std::string_view before) {
  static constexpr auto kTable = crc_table();
  std::uint32_t crc = 0xffffffff;
  for (const char c : before) crc = kTable[(crc ^ static_cast<std::uint8_t>(c)) & 0xff] ^ (crc >> 8);
  return ~crc ^ 0x5354554e;
}

}  // namespace causeway::stun
