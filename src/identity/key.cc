#include "identity/key.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <functional>
#include <mutex>

#include <openssl/core_names.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>

#include "identity/openssl.h"

namespace causeway::identity {
namespace {

using openssl::ErrorScope;
using Number = std::array<std::uint8_t, 32>;  // big endian

// SEC 2, 2.4.2: the order of P-256, and half of it.
constexpr Number kOrder = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                           0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                           0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
constexpr Number kHalfOrder = [] {
  Number half{};
  for (std::size_t i = 0; i < half.size(); ++i)
    half[i] = static_cast<std::uint8_t>(kOrder[i] >> 1 | (i ? (kOrder[i - 1] & 1) << 7 : 0));
  return half;
}();
constexpr Number kZero{};

// order - s, for 0 < s < order
Number negated(const Number& s) {
  Number out;
  int borrow = 0;
  for (std::size_t i = out.size(); i-- > 0;) {
    int digit = kOrder[i] - s[i] - borrow;
    borrow = digit < 0;
    out[i] = static_cast<std::uint8_t>(digit + (borrow << 8));
  }
  return out;
}

// The DER form of an ECDSA signature is SEQUENCE { INTEGER r, INTEGER s }: at most 72 bytes here.
constexpr std::size_t kMaxDer = 72;

std::uint8_t* write_integer(const std::uint8_t* number, std::uint8_t* out) {
  std::size_t zeros = 0;
  while (zeros < 31 && number[zeros] == 0) ++zeros;
  bool sign_byte = number[zeros] & 0x80;
  std::size_t length = 32 - zeros + sign_byte;
  *out++ = 0x02;
  *out++ = static_cast<std::uint8_t>(length);
  if (sign_byte) *out++ = 0;
  std::memcpy(out, number + zeros, 32 - zeros);
  return out + 32 - zeros;
}

std::size_t der_from_raw(const Signature& raw, std::array<std::uint8_t, kMaxDer>& der) {
  std::uint8_t* end = write_integer(raw.data() + 32, write_integer(raw.data(), der.data() + 2));
  der[0] = 0x30;
  der[1] = static_cast<std::uint8_t>(end - der.data() - 2);
  return static_cast<std::size_t>(end - der.data());
}

// Reads what OpenSSL wrote; `at` and the return value are offsets in `der`.
std::size_t read_integer(std::span<const std::uint8_t> der, std::size_t at, std::uint8_t* number) {
  assert(at + 2 <= der.size() && der[at] == 0x02);
  std::size_t length = der[at + 1], from = at + 2, end = from + length;
  assert(end <= der.size());
  while (length > 32) ++from, --length;
  std::memset(number, 0, 32 - length);
  std::memcpy(number + 32 - length, der.data() + from, length);
  return end;
}

openssl::Pkey pkey_from_params(int selection, const std::function<bool(OSSL_PARAM_BLD*)>& fill) {
  openssl::ParamBuilder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1, 0);
  if (!fill(builder.get())) return nullptr;
  openssl::Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  openssl::PkeyCtx context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || EVP_PKEY_fromdata_init(context.get()) <= 0 ||
      EVP_PKEY_fromdata(context.get(), &key, selection, params.get()) <= 0)
    return nullptr;
  return openssl::Pkey(key);
}

// The compressed point; none if this is not a P-256 key.
std::optional<std::array<std::uint8_t, 33>> compressed_point(EVP_PKEY* key) {
  char group[32] = "";
  std::array<std::uint8_t, 65> point;
  std::size_t length = 0;
  if (!EVP_PKEY_is_a(key, "EC") || !EVP_PKEY_get_group_name(key, group, sizeof group, nullptr) ||
      std::string_view(group) != SN_X9_62_prime256v1 ||
      !EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &length))
    return std::nullopt;
  bool whole = length == 65 && point[0] == 4;
  if (!whole && !(length == 33 && (point[0] == 2 || point[0] == 3))) return std::nullopt;
  std::array<std::uint8_t, 33> out;
  std::copy_n(point.begin(), out.size(), out.begin());
  if (whole) out[0] = 2 | (point[64] & 1);
  return out;
}

}  // namespace

Sha256 sha256(std::span<const std::uint8_t> bytes) {
  struct Ready {
    openssl::Md md{EVP_MD_fetch(nullptr, "SHA256", nullptr)};
    openssl::MdCtx context{EVP_MD_CTX_new()};
  };
  thread_local Ready ready;
  Sha256 out;
  EVP_DigestInit_ex2(ready.context.get(), ready.md.get(), nullptr);
  EVP_DigestUpdate(ready.context.get(), bytes.data(), bytes.size());
  EVP_DigestFinal_ex(ready.context.get(), out.data(), nullptr);
  return out;
}

std::optional<PeerId> PeerId::parse(std::string_view text) {
  if (text.size() != 32) return std::nullopt;
  auto bytes = base::from_base32(text);
  if (!bytes || bytes->size() != 20) return std::nullopt;
  std::array<std::uint8_t, 20> id;
  std::ranges::copy(*bytes, id.begin());
  return PeerId(id);
}

std::string PeerId::text() const { return base::base32(bytes_); }

// ---- public keys

struct PublicKey::Context {
  openssl::Pkey key;
  std::mutex one_at_a_time;
  openssl::PkeyCtx verifier;
};

base::Result<PublicKey> PublicKey::from_bytes(std::span<const std::uint8_t> in) {
  ErrorScope errors;
  if (in.size() != 33 || (in[0] != 2 && in[0] != 3))
    return base::fail("expected a compressed P-256 public key of 33 bytes, found {} bytes", in.size());
  auto key = pkey_from_params(EVP_PKEY_PUBLIC_KEY, [&](OSSL_PARAM_BLD* builder) {
    return OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, in.data(), in.size()) == 1;
  });
  if (!key) return base::fail("expected a public key, found 33 bytes that are no point of P-256");
  PublicKey out;
  std::ranges::copy(in, out.bytes_.begin());
  out.context_ = std::make_shared<Context>();
  out.context_->verifier.reset(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  if (EVP_PKEY_verify_init(out.context_->verifier.get()) <= 0)
    return base::fail("OpenSSL cannot verify with ECDSA P-256 here: is its default provider loaded?");
  out.context_->key = std::move(key);
  return out;
}

bool PublicKey::verify(std::span<const std::uint8_t> message, const Signature& signature) const {
  Number r, s;
  std::copy_n(signature.begin(), 32, r.begin());
  std::copy_n(signature.begin() + 32, 32, s.begin());
  if (!context_ || r == kZero || r >= kOrder || s == kZero || s > kHalfOrder) return false;
  std::array<std::uint8_t, kMaxDer> der;
  std::size_t length = der_from_raw(signature, der);
  Sha256 digest = sha256(message);
  ErrorScope errors;
  std::lock_guard lock(context_->one_at_a_time);
  return EVP_PKEY_verify(context_->verifier.get(), der.data(), length, digest.data(), digest.size()) == 1;
}

PeerId PublicKey::peer_id() const {
  Sha256 digest = sha256(bytes_);
  std::array<std::uint8_t, 20> id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return PeerId(id);
}

EVP_PKEY* PublicKey::native() const { return context_ ? context_->key.get() : nullptr; }

// ---- private keys

struct PrivateKey::Context {
  openssl::Pkey key;
  std::mutex one_at_a_time;
  openssl::PkeyCtx signer;
};

base::Result<PrivateKey> PrivateKey::around(EVP_PKEY* owned) {
  openssl::Pkey key(owned);
  auto point = compressed_point(key.get());
  if (!point) return base::fail("expected a private key of the curve P-256, found another kind of key");
  auto public_key = PublicKey::from_bytes(*point);
  if (!public_key) return std::unexpected(public_key.error());
  PrivateKey out;
  out.public_key_ = std::move(*public_key);
  out.context_ = std::make_shared<Context>();
  out.context_->signer.reset(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  if (EVP_PKEY_sign_init(out.context_->signer.get()) <= 0)
    return base::fail("OpenSSL cannot sign with ECDSA P-256 here: is its default provider loaded?");
  out.context_->key = std::move(key);
  return out;
}

PrivateKey PrivateKey::generate() {
  base::Random random;
  return generate(random);
}

PrivateKey PrivateKey::generate(base::Random& random) {
  Number scalar;
  do {
    random.fill(scalar);
  } while (scalar == kZero || scalar >= kOrder);
  openssl::Group group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  openssl::Point point(EC_POINT_new(group.get()));
  openssl::Bignum number(BN_bin2bn(scalar.data(), scalar.size(), BN_secure_new()));
  BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  EC_POINT_mul(group.get(), point.get(), number.get(), nullptr, nullptr, nullptr);
  std::array<std::uint8_t, 65> bytes;
  EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED, bytes.data(), bytes.size(),
                     nullptr);
  auto key = pkey_from_params(EVP_PKEY_KEYPAIR, [&](OSSL_PARAM_BLD* builder) {
    return OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, bytes.data(), bytes.size()) &&
           OSSL_PARAM_BLD_push_BN_pad(builder, OSSL_PKEY_PARAM_PRIV_KEY, number.get(), 32);
  });
  OPENSSL_cleanse(scalar.data(), scalar.size());
  return around(key.release()).value();  // a scalar in range always makes a key
}

base::Result<PrivateKey> PrivateKey::from_pem(std::string_view pem) {
  ErrorScope errors;
  openssl::Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(std::min<std::size_t>(pem.size(), 1 << 16))));
  // Without a callback OpenSSL would ask the terminal for the password of an encrypted key.
  auto no_password = [](char*, int, int, void*) { return -1; };
  openssl::Pkey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (!key)
    return base::fail("expected an unencrypted private key in PEM (-----BEGIN PRIVATE KEY-----), found {}",
                      pem.find("-----BEGIN") == pem.npos ? "no PEM block" : "a PEM block that is not one");
  openssl::PkeyCtx check(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  if (compressed_point(key.get()) && EVP_PKEY_pairwise_check(check.get()) != 1)
    return base::fail("expected a private key, found one whose two halves do not belong together");
  return around(key.release());
}

std::string PrivateKey::pem() const {
  if (!context_) return {};
  openssl::Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), context_->key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  long length = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(length));
}

Signature PrivateKey::sign(std::span<const std::uint8_t> message) const {
  Signature out{};
  if (!context_) return out;  // verifies nowhere
  Sha256 digest = sha256(message);
  std::array<std::uint8_t, kMaxDer> der;
  std::size_t length = der.size();
  {
    std::lock_guard lock(context_->one_at_a_time);
    if (EVP_PKEY_sign(context_->signer.get(), der.data(), &length, digest.data(), digest.size()) != 1)
      return out;
  }
  std::span<const std::uint8_t> made(der.data(), length);
  read_integer(made, read_integer(made, 2, out.data()), out.data() + 32);
  Number s;
  std::copy_n(out.begin() + 32, 32, s.begin());
  if (s > kHalfOrder) std::ranges::copy(negated(s), out.begin() + 32);
  return out;
}

EVP_PKEY* PrivateKey::native() const { return context_ ? context_->key.get() : nullptr; }

}  // namespace causeway::identity
