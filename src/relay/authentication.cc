// Who sends a request (RFC 8489 9.2.4), and what those get who have not proved it.
#include "relay/server.h"

namespace causeway::relay {
namespace {

using stun::Attribute;
using stun::Class;
using stun::Error;
using stun::PasswordAlgorithm;

constexpr PasswordAlgorithm kOffered[] = {PasswordAlgorithm::sha256, PasswordAlgorithm::md5};
constexpr std::string_view kOfferedValue("\0\2\0\0\0\1\0\0", 8);

// RFC 8489 9.2.4: a nonce that offered algorithms must come back with the list unchanged and a choice from
// it, or with neither, from clients older than RFC 8489.
std::optional<PasswordAlgorithm> chosen(const stun::Message& message, bool offered) {
  const auto list = message.value(Attribute::password_algorithms);
  const bool choice = message.has(Attribute::password_algorithm);
  if (!offered || (!list && !choice)) return PasswordAlgorithm::md5;
  if (list != kOfferedValue) return std::nullopt;
  return message.password_algorithm();
}

// An IP packet around so many bytes of UDP.
std::size_t on_the_wire(const net::Address& client, std::size_t bytes) {
  return bytes + (client.ip.is_v4() ? 28 : 48);
}

}  // namespace

bool Server::authenticate(Request& request) {
  const stun::Message& m = request.message;
  const bool sha256 = m.has(Attribute::message_integrity_sha256);
  if (!sha256 && !m.has(Attribute::message_integrity)) return challenge(request, Error::unauthenticated);
  const auto username = m.value(Attribute::username);
  const auto nonce = m.value(Attribute::nonce);
  if (!nonce || !m.has(Attribute::realm) || (!username && !m.has(Attribute::userhash)) ||
      (username && username->size() > limits::kMaxUsername))
    return challenge(request, Error::bad_request);
  const Nonces::Checked checked = nonces_.check(*nonce, request.client.remote, loop_.unix_now());
  if (!checked.fresh) return challenge(request, Error::stale_nonce);
  const auto algorithm = chosen(m, checked.offers_algorithms);
  if (!algorithm) return challenge(request, Error::bad_request);
  // USERHASH is for servers that said they can (RFC 8489 9.2): this one has no list of users to search.
  if (!username) return challenge(request, Error::unauthenticated);
  request.username = *username;
  request.integrity = sha256 ? Attribute::message_integrity_sha256 : Attribute::message_integrity;
  request.algorithm = *algorithm;
  // A relay token costs two signatures to check: what one source may ask for is bounded, proved or not.
  const bool own = request.allocation && request.allocation->username == request.username;
  if (!own && !proofs_.take(request.client.remote.ip, loop_.now())) {
    ++metrics_.limited;
    return false;
  }
  return prove(request) || challenge(request, Error::unauthenticated);
}

// The password costs up to two signatures to find: requests on an allocation are proved by the key of its
// Allocate.
bool Server::prove(Request& request) {
  const Allocation* known = request.allocation;
  if (known && known->username == request.username && known->algorithm == request.algorithm) {
    request.key = known->key;
    request.until = known->credential_until;
    // With its time over a client may go, not stay.
    if (request.until <= loop_.unix_now() && request.message.number(Attribute::lifetime) != 0u) return false;
  } else {
    const auto grant = credentials_.find(request.username, loop_.unix_now());
    if (!grant) {
      ++*metrics_.refused[static_cast<std::size_t>(grant.error())];
      return false;
    }
    request.key = grant->key(request.username, config_.realm, request.algorithm);
    request.user = grant->user;
    request.until = grant->until;
  }
  if (stun::check_integrity(request.message, request.integrity, request.key)) return true;
  ++metrics_.wrong_password;
  return false;
}

// The fullest answer that is at most twice as long as the request (on a stream the client's address is
// proved). Always false.
bool Server::challenge(const Request& request, Error error) {
  const Client& client = request.client;
  if (!may_answer(client)) return false;
  const bool invite = error == Error::unauthenticated || error == Error::stale_nonce;
  const std::size_t most = 2 * on_the_wire(client.remote, request.message.bytes().size());
  for (const bool full : {true, false}) {
    stun::Writer out(room_, Class::error, request.message.method(), request.message.transaction());
    out.error(error, full);
    if (invite) {
      out.text(Attribute::realm, config_.realm);
      out.text(Attribute::nonce, nonces_.make(client.remote, loop_.unix_now(), full));
      if (full) out.password_algorithms({kOffered[0], kOffered[1]});
    }
    if (request.message.has(Attribute::fingerprint)) out.fingerprint();
    if (!client.stream && on_the_wire(client.remote, out.view().size()) > most) continue;
    metrics_.count_error(error);
    io_.answer(client, out.view());
    return false;
  }
  ++metrics_.too_large;
  return false;
}

bool Server::may_answer(const Client& client) {
  if (client.stream || answers_.take(client.remote.ip, loop_.now())) return true;
  ++metrics_.limited;
  return false;
}

}  // namespace causeway::relay
