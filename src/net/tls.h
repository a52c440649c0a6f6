// TLS contexts: an OpenSSL SSL_CTX and the rules about who may be at the other end.
//
//   public server   a certificate that phones and providers trust; clients need none
//   public client   verifies the name asked for against a CA file (RFC 5922: SIP domain in the SAN)
//   member          TLS 1.3 only, certificates on both sides, both issued by the authority of D;
//                   what the other side has proved is the DNS name in its certificate
//
// Contexts are shared by all connections of a worker, and live as long as the network that uses
// them. Session tickets are off for members (a restarted peer must prove itself again).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

typedef struct ssl_ctx_st SSL_CTX;

namespace causeway::net {

class TlsContext {
 public:
  enum class Kind { public_server, public_client, member };
  struct Identity {
    std::string certificate_pem;  // own certificate, then its chain
    std::string key_pem;
  };
  // PEM texts, not file names: bundles carry them inline. An empty ca_pem trusts the system's CAs.
  static base::Result<std::unique_ptr<TlsContext>> public_server(const Identity& self);
  static base::Result<std::unique_ptr<TlsContext>> public_client(std::string_view ca_pem, bool verify);
  static base::Result<std::unique_ptr<TlsContext>> member(const Identity& self, std::string_view ca_pem,
                                                          std::string_view alpn);
  // Without certificates, for the simulated network, which takes identities from its hosts
  // (sim_network.h). A real connection with it fails.
  static std::unique_ptr<TlsContext> simulated(Kind kind, bool verify = true);

  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  SSL_CTX* native() const { return context_; }  // null for simulated()
  Kind kind() const { return kind_; }
  // The other side must show a certificate that a trusted CA has issued.
  bool verifies() const { return verifies_; }
  // Small messages that are sent in one turn share a record. Not so for programs that take a record for a
  // message, as some TURN clients do.
  void keep_messages_apart() { messages_apart_ = true; }
  bool messages_apart() const { return messages_apart_; }
  // The application protocol that both sides must agree on (RFC 7301); empty: none.
  const std::string& alpn() const { return alpn_; }

 private:
  TlsContext(SSL_CTX* context, Kind kind, bool verifies)
      : context_(context), kind_(kind), verifies_(verifies) {}
  SSL_CTX* context_;
  Kind kind_;
  bool verifies_;
  bool messages_apart_ = false;
  std::string alpn_;
};

}  // namespace causeway::net
