#include "identity/certificate.h"
#include "base/limits.h"

#include <algorithm>

#include <openssl/pem.h>

#include "identity/bundle.h"
#include "identity/openssl.h"

namespace causeway::identity {
namespace {

using openssl::Certificate;
using openssl::ErrorScope;

// RFC 5280 appendix A.1: ub-common-name, ub-organization-name.
constexpr std::size_t kMaxName = 64;

Certificate read_pem(std::string_view pem) {
  openssl::Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(std::min(pem.size(), limits::kMaxPem))));
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

base::Result<std::string> write_pem(X509* certificate) {
  openssl::Bio bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(bio.get(), certificate) != 1)
    return base::fail("OpenSSL cannot write a certificate");
  char* text = nullptr;
  long length = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(length));
}

bool add_name(X509_NAME* name, const char* field, std::string_view value) {
  return X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC, base::as_bytes(value).data(),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  openssl::Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool add_alternative_name(GENERAL_NAMES* names, int type, const std::string& text) {
  openssl::Owned<GENERAL_NAME, GENERAL_NAME_free> name(GENERAL_NAME_new());
  ASN1_IA5STRING* value = ASN1_IA5STRING_new();
  if (!name || !value) return false;
  GENERAL_NAME_set0_value(name.get(), type, value);
  if (ASN1_STRING_set(value, text.data(), static_cast<int>(text.size())) != 1 ||
      sk_GENERAL_NAME_push(names, name.get()) == 0)
    return false;
  (void)name.release();
  return true;
}

// Is it a user's own, and no peer's?
bool is_of_users(const Credential& member) {
  return !member.covers.empty() && std::ranges::all_of(member.covers, [](const std::string& uri) {
    return uri.starts_with("sip:") && uri.size() > 5 && uri.ends_with('@') && uri != "sip:*@";
  });
}

// Not by a text for OpenSSL's parser: a user part may hold commas.
bool add_names(X509* certificate, const Credential& member, const std::string& host) {
  openssl::AltNames names(sk_GENERAL_NAME_new_null());
  if (!names || !add_alternative_name(names.get(), GEN_DNS, host)) return false;
  if (is_of_users(member))
    for (const std::string& uri : member.covers)
      if (!add_alternative_name(names.get(), GEN_URI, uri + member.domain)) return false;
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, 0) == 1;
}

bool set_head(X509* certificate, std::uint64_t serial, std::int64_t not_before, std::int64_t not_after,
              EVP_PKEY* key) {
  return X509_set_version(certificate, X509_VERSION_3) == 1 &&
         ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial) == 1 &&
         ASN1_TIME_set(X509_getm_notBefore(certificate), not_before) &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), not_after) && X509_set_pubkey(certificate, key) == 1;
}

bool same_key(X509* certificate, const PublicKey& key) {
  EVP_PKEY* inside = X509_get0_pubkey(certificate);
  return inside && key.native() && EVP_PKEY_eq(inside, key.native()) == 1;
}

}  // namespace

base::Result<std::string> make_authority_certificate(std::string_view domain, const PrivateKey& authority) {
  ErrorScope errors;
  Certificate made(X509_new());
  X509* x = made.get();
  X509_NAME* name = X509_get_subject_name(x);
  constexpr std::int64_t kYear2000 = 946684800;
  bool ok = set_head(x, 1, kYear2000, static_cast<std::int64_t>(kMaxSeconds), authority.native()) &&
            add_name(name, "CN", "Causeway authority") && add_name(name, "O", domain.substr(0, kMaxName)) &&
            X509_set_issuer_name(x, name) == 1 &&
            add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
            add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
            add_extension(x, x, NID_subject_key_identifier, "hash") &&
            X509_sign(x, authority.native(), EVP_sha256()) > 0;
  if (!ok) return base::fail("OpenSSL cannot make the certificate of the authority of {}", domain);
  return write_pem(x);
}

base::Result<std::string> make_member_certificate(const Credential& member, const PrivateKey& authority,
                                                  std::string_view authority_certificate_pem) {
  ErrorScope errors;
  Certificate issuer = read_pem(authority_certificate_pem);
  if (!issuer) return base::fail("expected the certificate of the authority in PEM, found something else");
  const PeerId peer = member.key.peer_id();
  const std::string host = peer_host(peer, member.domain);
  Certificate made(X509_new());
  X509* x = made.get();
  auto not_before = static_cast<std::int64_t>(member.not_before) - kClockSkewSeconds;
  auto not_after = static_cast<std::int64_t>(std::min(member.not_after + kClockSkewSeconds, kMaxSeconds));
  // What counts is the alternative name; a common name has no room for a long domain.
  bool ok = set_head(x, member.serial, not_before, not_after, member.key.native()) &&
            add_name(X509_get_subject_name(x), "CN", host.size() <= kMaxName ? host : peer.text()) &&
            X509_set_issuer_name(x, X509_get_subject_name(issuer.get())) == 1 &&
            add_extension(x, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") &&
            add_extension(x, issuer.get(), NID_key_usage, "critical,digitalSignature") &&
            add_extension(x, issuer.get(), NID_ext_key_usage, "serverAuth,clientAuth") &&
            add_extension(x, issuer.get(), NID_subject_key_identifier, "hash") &&
            add_extension(x, issuer.get(), NID_authority_key_identifier, "keyid:always") &&
            add_names(x, member, host) && X509_sign(x, authority.native(), EVP_sha256()) > 0;
  if (!ok) return base::fail("OpenSSL cannot make a certificate for {}", host);
  return write_pem(x);
}

base::Status check_authority_certificate(std::string_view pem, const PublicKey& authority) {
  ErrorScope errors;
  Certificate x = read_pem(pem);
  if (!x)
    return base::fail("expected a certificate in PEM (-----BEGIN CERTIFICATE-----), found something else");
  if (!same_key(x.get(), authority))
    return base::fail("expected the certificate of the authority of this domain, found one of another key");
  if (X509_verify(x.get(), authority.native()) != 1 || X509_check_ca(x.get()) != 1)
    return base::fail("expected a certificate that the authority signed for itself, found another kind");
  return {};
}

base::Status check_member_certificate(std::string_view pem, const Credential& member,
                                      const PublicKey& authority) {
  ErrorScope errors;
  Certificate x = read_pem(pem);
  if (!x)
    return base::fail("expected a certificate in PEM (-----BEGIN CERTIFICATE-----), found something else");
  if (!same_key(x.get(), member.key))
    return base::fail("expected a certificate of the same key as the credential, found one of another key");
  if (X509_verify(x.get(), authority.native()) != 1)
    return base::fail("expected a certificate signed by the authority of {}, found one signed by another",
                      member.domain);
  const std::string host = peer_host(member.key.peer_id(), member.domain);
  if (X509_check_host(x.get(), host.data(), host.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) != 1)
    return base::fail("expected a certificate for {}, found one for another name", host);
  return {};
}

}  // namespace causeway::identity
