// Certificates made on the spot, for tests only.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "net/tls.h"

namespace causeway::net::test {

template <class T, void (*F)(T*)>
struct Free {
  void operator()(T* p) const { F(p); }
};
using Certificate = std::unique_ptr<X509, Free<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY, EVP_PKEY_free>>;

template <class Write>
std::string pem(Write&& write) {
  BIO* out = BIO_new(BIO_s_mem());
  write(out);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(out);
  return text;
}

class Authority {
 public:
  explicit Authority(std::string name = "test authority")
      : key_(EVP_EC_gen("P-256")), name_(std::move(name)) {
    certificate_ = make(key_.get(), name_, "", 0, 3600, true);
  }

  std::string pem_text() const { return as_pem(certificate_.get()); }

  // The authority's certificate so many times after the other: a chain that is longer than it must be.
  TlsContext::Identity with_long_chain(TlsContext::Identity identity, int times) const {
    for (int i = 0; i < times; ++i) identity.certificate_pem += pem_text();
    return identity;
  }

  // `names` as OpenSSL writes them: "DNS:a.example.org,URI:sip:example.org,IP:127.0.0.1".
  TlsContext::Identity issue(const std::string& names, long from = -60, long until = 3600,
                             const std::string& common_name = "test") const {
    const Key key(EVP_EC_gen("P-256"));
    const Certificate certificate = make(key.get(), common_name, names, from, until, false);
    return {as_pem(certificate.get()), pem([&](BIO* out) {
              PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
            })};
  }

 private:
  static std::string as_pem(X509* certificate) {
    return pem([&](BIO* out) { PEM_write_bio_X509(out, certificate); });
  }

  static void name(X509_NAME* to, const std::string& text) {
    X509_NAME_add_entry_by_txt(to, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text.c_str()),
                               -1, -1, 0);
  }

  static void extend(X509* certificate, int nid, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }

  Certificate make(EVP_PKEY* key, const std::string& common_name, const std::string& names, long from,
                   long until, bool is_ca) const {
    static long serial = 0;
    Certificate certificate(X509_new());
    X509* c = certificate.get();
    X509_set_version(c, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(c), from);
    X509_gmtime_adj(X509_getm_notAfter(c), until);
    name(X509_get_subject_name(c), common_name);
    name(X509_get_issuer_name(c), name_);
    X509_set_pubkey(c, key);
    if (is_ca) extend(c, NID_basic_constraints, "critical,CA:TRUE");
    if (!names.empty()) extend(c, NID_subject_alt_name, names);
    X509_sign(c, key_.get(), EVP_sha256());
    return certificate;
  }

  Key key_;
  std::string name_;
  Certificate certificate_;
};

}  // namespace causeway::net::test
