#include "net/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>

#include "base/limits.h"
#include "net/tls_session.h"

namespace causeway::net {
namespace {

template <auto F>
struct Free {
  template <class T>
  void operator()(T* p) const {
    F(p);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using NativeContext = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;

Bio reader(std::string_view pem) { return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

// A password prompt on a server's terminal would hang it.
int no_password(char*, int, int, void*) { return -1; }

Certificate next_certificate(BIO* from) {
  return Certificate(PEM_read_bio_X509(from, nullptr, &no_password, nullptr));
}

base::Result<NativeContext> make_context(const SSL_METHOD* method, int least_version) {
  ERR_clear_error();
  NativeContext context(SSL_CTX_new(method));
  if (!context) return base::fail("TLS cannot be set up: {}", take_tls_error());
  SSL_CTX* c = context.get();
  SSL_CTX_set_min_proto_version(c, least_version);
  // A descriptor that is shut without close_notify is an ordinary end here: SIP messages carry their
  // own length, so a truncation is seen (RFC 3261 18.3).
  SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                             SSL_OP_CIPHER_SERVER_PREFERENCE);
  // No chain but the one given: the other members have the CA's certificate, and would keep a second one of
  // it, parsed (4.5 kB), for each connection.
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_read_ahead(c, 1);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(c, limits::kMaxCertificateChain);
  return context;
}

base::Status use_identity(SSL_CTX* context, const TlsContext::Identity& self) {
  ERR_clear_error();
  Bio certificates = reader(self.certificate_pem);
  const Certificate own = next_certificate(certificates.get());
  if (!own || SSL_CTX_use_certificate(context, own.get()) != 1)
    return base::fail("TLS certificate: expected PEM text '-----BEGIN CERTIFICATE-----': {}",
                      take_tls_error());
  while (const Certificate next = next_certificate(certificates.get()))
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1)
      return base::fail("TLS certificate chain: {}", take_tls_error());
  ERR_clear_error();  // the end of the text is an "error"

  const Bio key_text = reader(self.key_pem);
  const Key key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, &no_password, nullptr));
  if (!key)
    return base::fail("TLS key: expected an unencrypted private key in PEM text: {}", take_tls_error());
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return base::fail("TLS key: it does not belong to the certificate: {}", take_tls_error());
  return {};
}

base::Status trust_only(SSL_CTX* context, std::string_view ca_pem) {
  ERR_clear_error();
  const Bio text = reader(ca_pem);
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  int found = 0;
  while (const Certificate ca = next_certificate(text.get())) {
    if (X509_STORE_add_cert(store, ca.get()) != 1)
      return base::fail("TLS CA certificate: {}", take_tls_error());
    ++found;
  }
  if (found == 0) return base::fail("TLS CA: expected PEM text '-----BEGIN CERTIFICATE-----'");
  ERR_clear_error();
  return {};
}

// RFC 7301 3.2: the server answers with the one protocol both speak, or ends the handshake.
int choose_alpn(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
                unsigned in_length, void* argument) {
  const std::string& wanted = static_cast<TlsContext*>(argument)->alpn();
  for (unsigned at = 0; at < in_length; at += 1u + in[at]) {
    const unsigned length = in[at];
    if (at + 1 + length > in_length) break;
    if (length != wanted.size() || !std::equal(wanted.begin(), wanted.end(), in + at + 1)) continue;
    *out = in + at + 1;
    *out_length = static_cast<unsigned char>(length);
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// A client that names no protocol at all never gets to choose_alpn: it is turned away before it has
// cost a signature.
int require_alpn(SSL* ssl, int* alert, void*) {
  const unsigned char* extension = nullptr;
  std::size_t length = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &extension,
                                &length) == 1)
    return SSL_CLIENT_HELLO_SUCCESS;
  *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
  return SSL_CLIENT_HELLO_ERROR;
}

}  // namespace

base::Result<std::unique_ptr<TlsContext>> TlsContext::public_server(const Identity& self) {
  auto context = make_context(TLS_server_method(), TLS1_2_VERSION);
  if (!context) return std::unexpected(context.error());
  if (auto status = use_identity(context->get(), self); !status) return std::unexpected(status.error());
  SSL_CTX_set_num_tickets(context->get(), 1);
  return std::unique_ptr<TlsContext>(new TlsContext(context->release(), Kind::public_server, false));
}

base::Result<std::unique_ptr<TlsContext>> TlsContext::public_client(std::string_view ca_pem, bool verify) {
  auto context = make_context(TLS_client_method(), TLS1_2_VERSION);
  if (!context) return std::unexpected(context.error());
  SSL_CTX* c = context->get();
  if (!ca_pem.empty()) {
    if (auto status = trust_only(c, ca_pem); !status) return std::unexpected(status.error());
  } else if (verify && SSL_CTX_set_default_verify_paths(c) != 1) {
    return base::fail("the system's CA certificates cannot be read (package ca-certificates): {}",
                      take_tls_error());
  }
  SSL_CTX_set_verify(c, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  return std::unique_ptr<TlsContext>(new TlsContext(context->release(), Kind::public_client, verify));
}

base::Result<std::unique_ptr<TlsContext>> TlsContext::member(const Identity& self, std::string_view ca_pem,
                                                             std::string_view alpn) {
  if (alpn.size() > 255)
    return base::fail("an ALPN name has at most 255 bytes, this one has {}", alpn.size());
  auto native = make_context(TLS_method(), TLS1_3_VERSION);
  if (!native) return std::unexpected(native.error());
  SSL_CTX* c = native->get();
  if (auto status = use_identity(c, self); !status) return std::unexpected(status.error());
  if (auto status = trust_only(c, ca_pem); !status) return std::unexpected(status.error());
  SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_verify_depth(c, 4);
  SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(c, 0);

  std::unique_ptr<TlsContext> context(new TlsContext(native->release(), Kind::member, true));
  context->alpn_ = alpn;
  if (!alpn.empty()) {
    const std::string wire = static_cast<char>(alpn.size()) + context->alpn_;
    SSL_CTX_set_alpn_protos(c, reinterpret_cast<const unsigned char*>(wire.data()),
                            static_cast<unsigned>(wire.size()));
    SSL_CTX_set_alpn_select_cb(c, &choose_alpn, context.get());
    SSL_CTX_set_client_hello_cb(c, &require_alpn, nullptr);
  }
  return context;
}

std::unique_ptr<TlsContext> TlsContext::simulated(Kind kind, bool verify) {
  const bool verifies = kind == Kind::member || (kind == Kind::public_client && verify);
  return std::unique_ptr<TlsContext>(new TlsContext(nullptr, kind, verifies));
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

}  // namespace causeway::net
