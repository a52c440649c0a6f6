// A bundle: one TOML file with all that a new member needs. Written by the authority, carried to the
// machine, readable by its owner only (0600).
//
//   version = 1
//   domain = "p2psip.org"
//   credential = "base64"            # credential.h
//   key = "PEM"                      # the member's own private key
//   certificate = "PEM"              # X.509 around the same key; SAN DNS:PEERID.peers.D
//   authority = "base64"             # the authority's public key, 33 bytes
//   authority_certificate = "PEM"    # the CA of the peer links
//   network_key = "base64"           # 32 bytes; see sealing.h
//   bootstrap = ["192.0.2.1:7400"]   # where to ask first; may be empty (the first peer)
//   [accounts]                       # for registrars; accounts.h
//
// Version 1 has these keys and no others: a key that an older program would pass over in silence does
// not belong in a file of secrets. Errors name the file, the line, the key, what was expected and what came.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "identity/accounts.h"
#include "identity/credential.h"
#include "identity/private_file.h"
#include "net/address.h"
#include "net/tls.h"

namespace causeway::identity {

using NetworkKey = std::array<std::uint8_t, 32>;

struct Bundle {
  std::string domain;
  Credential credential;
  PrivateKey key;
  std::string key_pem;
  std::string certificate_pem;
  PublicKey authority;
  std::string authority_certificate_pem;
  NetworkKey network_key{};
  std::vector<std::string> bootstrap;  // "host:port"; names are looked up when needed
  Accounts accounts;

  PeerId peer_id() const { return credential.key.peer_id(); }
  // Checks that its parts belong together: key to credential, credential to authority, certificate to
  // key. Not whether it is in date: see check_credential.
  static base::Result<Bundle> read_file(const std::string& path);
  static base::Result<Bundle> read_text(std::string_view toml, const std::string& name_for_errors);
  std::string text() const;
};

// For the peer links of the member whose bundle it is.
base::Result<std::unique_ptr<net::TlsContext>> member_tls(const Bundle& bundle);

// Are these all "host:port"?
base::Status check_bootstrap(const std::vector<std::string>& bootstrap);

// PEERID.peers.D: the name of a peer in certificates, Via and DNS.
std::string peer_host(const PeerId& peer, std::string_view domain);
// The PEERID in such a name (either case, a final dot or none), if it is one of this domain.
std::optional<PeerId> peer_of_host(std::string_view host, std::string_view domain);

}  // namespace causeway::identity
