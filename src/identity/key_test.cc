#include "identity/key.h"

#include <algorithm>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "identity/openssl.h"

namespace causeway::identity {
namespace {

constexpr std::string_view kOrderHex = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

base::Bytes bytes_of(std::string_view hex) { return base::from_hex(hex).value(); }
std::span<const std::uint8_t> message(std::string_view text) { return base::as_bytes(text); }

// n - s, digit by digit: the other right form of a signature.
Signature mirrored(const Signature& in) {
  openssl::Bignum order(nullptr), s(BN_bin2bn(in.data() + 32, 32, nullptr));
  BIGNUM* n = nullptr;
  BN_hex2bn(&n, std::string(kOrderHex).c_str());
  order.reset(n);
  BN_sub(s.get(), order.get(), s.get());
  Signature out = in;
  BN_bn2binpad(s.get(), out.data() + 32, 32);
  return out;
}

TEST(Key, SignsWhatItsPublicHalfVerifies) {
  PrivateKey key = PrivateKey::generate();
  Signature signature = key.sign(message("hello"));
  EXPECT_TRUE(key.public_key().verify(message("hello"), signature));
  EXPECT_FALSE(key.public_key().verify(message("hello!"), signature));
  EXPECT_FALSE(key.public_key().verify(message(""), signature));
  EXPECT_FALSE(PrivateKey::generate().public_key().verify(message("hello"), signature));
}

TEST(Key, ManySignaturesOfAllLengthsOfNumbers) {
  // One in 256 has an r or s with a leading zero byte, and half have a first bit that DER must pad.
  base::Random random(7);
  PrivateKey key = PrivateKey::generate(random);
  for (int i = 0; i < 1500; ++i) {
    std::string text = std::to_string(i);
    Signature signature = key.sign(message(text));
    ASSERT_TRUE(key.public_key().verify(message(text), signature)) << i;
    ASSERT_LT(signature[32], 0x80) << "s must be the smaller of the two";
  }
}

TEST(Key, TakesOnlyTheSmallerS) {
  PrivateKey key = PrivateKey::generate();
  Signature signature = key.sign(message("x"));
  EXPECT_FALSE(key.public_key().verify(message("x"), mirrored(signature)));
  EXPECT_EQ(mirrored(mirrored(signature)), signature);
}

TEST(Key, RefusesNumbersOutOfRange) {
  PrivateKey key = PrivateKey::generate();
  const Signature good = key.sign(message("x"));
  base::Bytes order = bytes_of(kOrderHex);
  for (std::size_t half : {0u, 32u}) {
    Signature zero = good, whole = good, ones = good;
    std::fill_n(zero.begin() + half, 32, 0);
    std::ranges::copy(order, whole.begin() + half);
    std::fill_n(ones.begin() + half, 32, 0xff);
    for (const Signature& bad : {zero, whole, ones}) EXPECT_FALSE(key.public_key().verify(message("x"), bad));
  }
  EXPECT_FALSE(key.public_key().verify(message("x"), Signature{}));
}

TEST(Key, EveryChangedBitIsSeen) {
  PrivateKey key = PrivateKey::generate();
  const Signature good = key.sign(message("x"));
  for (std::size_t bit = 0; bit < 512; ++bit) {
    Signature bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    ASSERT_FALSE(key.public_key().verify(message("x"), bad)) << bit;
  }
  EXPECT_EQ(ERR_peek_error(), 0u) << "failures must not stay in the queue that TLS reads";
  EXPECT_TRUE(key.public_key().verify(message("x"), good)) << "and not in the context";
}

TEST(Key, VerifiesAVectorOfOthers) {
  // RFC 6979 A.2.5, P-256 with SHA-256, message "sample"; its s is the larger one, so mirrored here.
  auto key =
      PublicKey::from_bytes(bytes_of("0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"));
  ASSERT_TRUE(key) << key.error().message;
  Signature signature;
  std::ranges::copy(bytes_of("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
                             "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"),
                    signature.begin());
  EXPECT_FALSE(key->verify(message("sample"), signature));
  EXPECT_TRUE(key->verify(message("sample"), mirrored(signature)));
}

TEST(Key, PublicKeysMustBePoints) {
  PrivateKey key = PrivateKey::generate();
  base::Bytes good(key.public_key().bytes().begin(), key.public_key().bytes().end());
  EXPECT_EQ(PublicKey::from_bytes(good).value(), key.public_key());
  auto refused = [&](base::Bytes bytes) {
    auto result = PublicKey::from_bytes(bytes);
    return !result && !result.error().message.empty();
  };
  EXPECT_TRUE(refused({}));
  EXPECT_TRUE(refused(base::Bytes(good.begin(), good.end() - 1)));
  EXPECT_TRUE(refused(base::Bytes(33, 0)));                     // "infinity" with a tail
  EXPECT_TRUE(refused(bytes_of("02" + std::string(64, 'f'))));  // x is larger than the field
  base::Bytes hybrid = good;
  hybrid[0] = 6;
  EXPECT_TRUE(refused(hybrid));
  // Half of all x are on the curve: in twenty tries both must come up.
  int points = 0;
  for (std::uint8_t x = 1; x <= 20; ++x) {
    base::Bytes some(33, 0);
    some[0] = 2, some[32] = x;
    points += PublicKey::from_bytes(some).has_value();
  }
  EXPECT_GT(points, 0);
  EXPECT_LT(points, 20);
  EXPECT_EQ(ERR_peek_error(), 0u);
  EXPECT_FALSE(PublicKey().verify(message("x"), Signature{}));
}

TEST(Key, PemRoundTrip) {
  PrivateKey key = PrivateKey::generate();
  std::string pem = key.pem();
  EXPECT_TRUE(pem.starts_with("-----BEGIN PRIVATE KEY-----\n")) << pem;
  auto again = PrivateKey::from_pem(pem);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->public_key(), key.public_key());
  EXPECT_TRUE(key.public_key().verify(message("x"), again->sign(message("x"))));
}

std::string pem_of(EVP_PKEY* owned, const EVP_CIPHER* cipher = nullptr) {
  openssl::Pkey key(owned);
  openssl::Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key.get(), cipher, nullptr, 0, nullptr,
                           cipher ? const_cast<char*>("secret") : nullptr);
  char* text = nullptr;
  long n = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(n)};
}

TEST(Key, PemOfOtherThingsIsRefused) {
  auto error = [](std::string_view pem) {
    auto result = PrivateKey::from_pem(pem);
    return result ? "accepted" : result.error().message;
  };
  EXPECT_NE(error("").find("no PEM block"), std::string::npos);
  EXPECT_NE(error("hello").find("no PEM block"), std::string::npos);
  EXPECT_NE(error("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").find("is not one"),
            std::string::npos);
  EXPECT_NE(error(pem_of(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"))).find("another kind"),
            std::string::npos);
  EXPECT_NE(error(pem_of(EVP_EC_gen("P-384"))).find("another kind"), std::string::npos);
  // Encrypted: must fail at once and not ask the terminal.
  EXPECT_NE(error(pem_of(EVP_EC_gen("P-256"), EVP_aes_128_cbc())).find("unencrypted"), std::string::npos);
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(Key, SeededKeysAreTheSameAtEveryRun) {
  base::Random a(42), b(42), c(43);
  PublicKey first = PrivateKey::generate(a).public_key();
  EXPECT_EQ(first, PrivateKey::generate(b).public_key());
  EXPECT_NE(first, PrivateKey::generate(c).public_key());
  EXPECT_NE(first, PrivateKey::generate(a).public_key());
  EXPECT_NE(PrivateKey::generate().public_key(), PrivateKey::generate().public_key());
}

TEST(Key, CopiesWorkOnSeveralThreads) {
  PrivateKey key = PrivateKey::generate();
  int good[3] = {};
  std::vector<std::thread> threads;
  for (int& count : good) {
    threads.emplace_back([key, &count] {
      for (int i = 0; i < 100; ++i) count += key.public_key().verify(message("x"), key.sign(message("x")));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int count : good) EXPECT_EQ(count, 100);
}

TEST(Key, Sha256OfTheStandard) {  // FIPS 180-2 B.1
  EXPECT_EQ(base::hex(sha256(message("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(base::hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(PeerId, IsTheHashOfTheKey) {
  PublicKey key = PrivateKey::generate().public_key();
  Sha256 hash = sha256(key.bytes());
  EXPECT_TRUE(std::equal(hash.begin(), hash.begin() + 20, key.peer_id().bytes().begin()));
}

TEST(PeerId, Text) {
  PeerId id = PrivateKey::generate().public_key().peer_id();
  std::string text = id.text(), upper = text;
  EXPECT_EQ(text.size(), 32u);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
  EXPECT_EQ(PeerId::parse(text), id);
  EXPECT_EQ(PeerId::parse(upper), id);
  EXPECT_FALSE(PeerId::parse(""));
  EXPECT_FALSE(PeerId::parse(text.substr(1)));
  EXPECT_FALSE(PeerId::parse(text + "a"));
  text[5] = '1';  // not of the alphabet
  EXPECT_FALSE(PeerId::parse(text));
}

}  // namespace
}  // namespace causeway::identity
