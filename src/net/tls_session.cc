#include "net/tls_session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <strings.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "net/address.h"
#include "net/tls.h"

namespace causeway::net {
namespace {

struct FreeNames {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};
using Names = std::unique_ptr<GENERAL_NAMES, FreeNames>;

Names subject_alternative_names(SSL* ssl) {
  X509* certificate = SSL_get0_peer_certificate(ssl);
  if (!certificate) return nullptr;
  return Names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
}

std::string_view text_of(const ASN1_STRING* s) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(s)),
          static_cast<std::size_t>(ASN1_STRING_length(s))};
}

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// RFC 5922 7.1: "sip:example.com" names a domain, "sip:alice@example.com" a user, and no other scheme
// counts.
std::string_view domain_of_sip_uri(std::string_view uri) {
  if (uri.size() < 4 || !same_name(uri.substr(0, 4), "sip:")) return {};
  uri.remove_prefix(4);
  if (uri.find('@') != std::string_view::npos) return {};
  return uri.substr(0, uri.find_first_of(":;?"));
}

bool same_ip(const ASN1_OCTET_STRING* bytes, const Ip& ip) {
  const std::size_t length = ip.is_v4() ? 4 : 16;
  const std::string_view in_certificate = text_of(bytes);
  return in_certificate.size() == length &&
         std::memcmp(in_certificate.data(), ip.bytes().data(), length) == 0;
}

bool name_matches(const GENERAL_NAME& entry, std::string_view name, const std::optional<Ip>& ip) {
  switch (entry.type) {
    case GEN_DNS:
      return same_name(text_of(entry.d.dNSName), name);
    case GEN_URI:
      return same_name(domain_of_sip_uri(text_of(entry.d.uniformResourceIdentifier)), name);
    case GEN_IPADD:
      return ip && same_ip(entry.d.iPAddress, *ip);
    default:
      return false;
  }
}

std::string names_in_certificate(SSL* ssl) {
  const Names names = subject_alternative_names(ssl);
  std::string text;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* entry = sk_GENERAL_NAME_value(names.get(), i);
    if (entry->type != GEN_DNS && entry->type != GEN_URI) continue;
    if (!text.empty()) text += ", ";
    text += text_of(entry->d.ia5);
  }
  return text.empty() ? "no name" : text;
}

}  // namespace

bool certificate_carries(SSL* ssl, std::string_view name) {
  if (name.empty()) return false;
  const std::optional<Ip> ip = Ip::parse(name);
  const Names names = subject_alternative_names(ssl);
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i)
    if (name_matches(*sk_GENERAL_NAME_value(names.get(), i), name, ip)) return true;
  return false;
}

std::string take_tls_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason was given";
  if (const char* reason = ERR_reason_error_string(code)) return reason;
  return fmt::format("OpenSSL error {:#x}", code);
}

std::unique_ptr<TlsSession> TlsSession::make(const TlsContext& context, int fd, std::string_view name) {
  if (!context.native()) return nullptr;
  ERR_clear_error();
  SSL* ssl = SSL_new(context.native());
  if (!ssl) return nullptr;
  std::unique_ptr<TlsSession> session(new TlsSession(context, ssl, name));
  if (SSL_set_fd(ssl, fd) != 1) return nullptr;
  return session;
}

std::unique_ptr<TlsSession> TlsSession::client(const TlsContext& context, int fd, std::string_view name) {
  std::unique_ptr<TlsSession> session = make(context, fd, name);
  if (!session) return nullptr;
  // RFC 6066 3: SNI carries DNS names only.
  if (!name.empty() && !Ip::parse(name)) SSL_set_tlsext_host_name(session->ssl_, session->name_.c_str());
  SSL_set_connect_state(session->ssl_);
  return session;
}

std::unique_ptr<TlsSession> TlsSession::server(const TlsContext& context, int fd) {
  std::unique_ptr<TlsSession> session = make(context, fd, {});
  if (session) SSL_set_accept_state(session->ssl_);
  return session;
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

IoResult TlsSession::handshake() {
  ERR_clear_error();
  errno = 0;
  IoResult result = judge(SSL_do_handshake(ssl_));
  if (result.kind != IoResult::Kind::done) return result;
  if (base::Status status = check_other_side(); !status) {
    failure_ = std::move(status.error().message);
    return {IoResult::Kind::failed};
  }
  return result;
}

IoResult TlsSession::read(std::span<char> to) {
  ERR_clear_error();
  errno = 0;
  const int most = static_cast<int>(std::min(to.size(), limits::kMaxDatagram));
  return judge(SSL_read(ssl_, to.data(), most));
}

IoResult TlsSession::write(std::span<const char> from) {
  ERR_clear_error();
  errno = 0;
  return judge(SSL_write(ssl_, from.data(), static_cast<int>(std::min(from.size(), limits::kMaxWrite))));
}

bool TlsSession::has_pending() const { return SSL_has_pending(ssl_) == 1; }

void TlsSession::send_close_notify() {
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

IoResult TlsSession::judge(int result) {
  using enum IoResult::Kind;
  if (result > 0) return {done, static_cast<std::size_t>(result)};
  const int system_error = errno;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return {want_read};
    case SSL_ERROR_WANT_WRITE:
      return {want_write};
    case SSL_ERROR_ZERO_RETURN:
      return {end};
    case SSL_ERROR_SYSCALL:
      ERR_clear_error();
      if (system_error == 0) return {end};
      return {failed, 0, system_error};
    default:
      failure_ = explain_failure();
      return {failed};
  }
}

std::string TlsSession::explain_failure() const {
  // The first error may be some library's below, as that of a signature that is wrong.
  const unsigned long code = ERR_peek_last_error();
  const char* text = ERR_reason_error_string(code);
  const std::string reason = text ? text : "no reason was given";
  ERR_clear_error();
  if (ERR_GET_LIB(code) == ERR_LIB_SSL) switch (ERR_GET_REASON(code)) {
      case SSL_R_CERTIFICATE_VERIFY_FAILED:
        return fmt::format("its certificate is not acceptable: {}; check the CA, the dates and both clocks",
                           X509_verify_cert_error_string(SSL_get_verify_result(ssl_)));
      case SSL_R_WRONG_VERSION_NUMBER:
      case SSL_R_HTTP_REQUEST:
      case SSL_R_HTTPS_PROXY_REQUEST:
      case SSL_R_UNEXPECTED_MESSAGE:
      case SSL_R_BAD_RECORD_TYPE:
        return fmt::format("expected TLS, found something else ({}); check the port and the transport",
                           reason);
      case SSL_R_UNSUPPORTED_PROTOCOL:
      case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return fmt::format("it speaks no TLS version that is allowed here ({})", reason);
      case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return "it showed no certificate, and one is required";
      case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return "it requires a certificate of this side";
      case SSL_R_NO_APPLICATION_PROTOCOL:
      case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
        if (context_.alpn().empty())
          return "it requires an application protocol (ALPN), and this side names none";
        return fmt::format("it does not speak the application protocol '{}'", context_.alpn());
      case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
      case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
        return fmt::format("it refused the certificate of this side ({})", reason);
      default:
        break;
    }
  return reason;
}

base::Status TlsSession::check_other_side() const {
  const unsigned char* chosen = nullptr;
  unsigned chosen_length = 0;
  SSL_get0_alpn_selected(ssl_, &chosen, &chosen_length);
  const std::string_view alpn(reinterpret_cast<const char*>(chosen), chosen_length);
  if (!context_.alpn().empty() && alpn != context_.alpn())
    return base::fail("it does not speak the application protocol '{}'", context_.alpn());
  if (!context_.verifies()) return {};
  if (!SSL_get0_peer_certificate(ssl_) || SSL_get_verify_result(ssl_) != X509_V_OK)
    return base::fail("it proved nothing: a certificate is required");
  if (SSL_is_server(ssl_)) return {};
  // A member may be asked only to be one: the first bootstrap address comes without a name.
  if (name_.empty() && context_.kind() == TlsContext::Kind::member) return {};
  if (!certificate_carries(ssl_, name_))
    return base::fail("its certificate is for {}, expected '{}'", names_in_certificate(ssl_), name_);
  return {};
}

std::vector<std::string> TlsSession::certified_names() const {
  std::vector<std::string> found;
  if (!context_.verifies()) return found;
  const Names names = subject_alternative_names(ssl_);
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* entry = sk_GENERAL_NAME_value(names.get(), i);
    if (entry->type == GEN_DNS) found.emplace_back(text_of(entry->d.dNSName));
    if (entry->type == GEN_URI && context_.kind() == TlsContext::Kind::member)
      found.emplace_back(text_of(entry->d.uniformResourceIdentifier));
  }
  return found;
}

}  // namespace causeway::net
