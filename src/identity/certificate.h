// X.509 (RFC 5280) around the keys of a domain: what the TLS links between members show each other.
//
// The authority's own certificate is self-signed and does not end (RFC 5280 4.1.2.5 has 9999-12-31 for
// that): what ends are the members'. A member's names PEERID.peers.D, for server and client, and is
// good as long as its credential, and that skew of clocks longer on both sides.
//
// A member that is no peer but a user's own (its credential covers users by name, and nothing else) shows
// those users as well, as sip:alice@D (RFC 5922 7.1): over a peer link it speaks for them and nobody else.
#pragma once

#include <string>
#include <string_view>

#include "identity/credential.h"

namespace causeway::identity {

base::Result<std::string> make_authority_certificate(std::string_view domain, const PrivateKey& authority);

// For the key of this credential. PEM.
base::Result<std::string> make_member_certificate(const Credential& member, const PrivateKey& authority,
                                                  std::string_view authority_certificate_pem);

// Is it one of this authority, and whose?
base::Status check_authority_certificate(std::string_view pem, const PublicKey& authority);
base::Status check_member_certificate(std::string_view pem, const Credential& member,
                                      const PublicKey& authority);

}  // namespace causeway::identity
