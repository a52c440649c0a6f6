#include "ua/dtls.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <mutex>

#include "base/encoding.h"
#include "base/random.h"
#include "identity/openssl.h"
#include "net/tls_session.h"
#include "ua/limits.h"

namespace causeway::ua {
namespace {

using namespace std::chrono_literals;
using net::take_tls_error;

using identity::openssl::Certificate;

// RFC 5764 4.1.2, the one of RFC 7714 first: it costs half as much.
constexpr const char* kProfiles = "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80";
constexpr std::string_view kExporter = "EXTRACTOR-dtls_srtp";
// What a relayed path carries for sure (IPv6's 1,280 bytes less headers and TURN's).
constexpr long kMtu = 1200;
// RFC 6347 4.2.4.1 lets it grow to a minute; who has lifted waits for sound. OpenSSL repeats a message twelve
// times, which is within limits::kDtlsPatience.
constexpr base::Duration kLongestRepeat = 1500ms;

// Not the calendar's business: who reads the fingerprint does not ask for dates (RFC 5763 5).
constexpr long kYesterday = -86400, kTenYears = 3650L * 86400;

Certificate make_certificate(EVP_PKEY* key) {
  Certificate made(X509_new());
  if (!made) return nullptr;
  X509* x = made.get();
  base::Random random;
  X509_NAME* name = X509_get_subject_name(x);
  const std::string common = random.token(16);  // RFC 8827 6.5: nothing that says whose it is
  const bool ok = X509_set_version(x, X509_VERSION_3) == 1 &&
                  ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), random.u64() >> 1) == 1 &&
                  X509_gmtime_adj(X509_getm_notBefore(x), kYesterday) &&
                  X509_gmtime_adj(X509_getm_notAfter(x), kTenYears) && X509_set_pubkey(x, key) == 1 &&
                  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, base::as_bytes(common).data(),
                                             static_cast<int>(common.size()), -1, 0) == 1 &&
                  X509_set_issuer_name(x, name) == 1 && X509_sign(x, key, EVP_sha256()) > 0;
  return ok ? std::move(made) : nullptr;
}

std::string digest_of(const X509* certificate, const EVP_MD* algorithm) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  if (X509_digest(certificate, algorithm, bytes.data(), &size) != 1) return {};
  return std::string(base::as_text({bytes.data(), size}));
}

std::string fingerprint_text(std::string_view digest) {
  std::string text = "sha-256 ";
  for (const unsigned char c : digest) text += fmt::format("{}{:02X}", text.back() == ' ' ? "" : ":", c);
  return text;
}

// Empty for what is not known, or proves nothing.
std::string_view openssl_name(std::string_view algorithm) {
  if (algorithm == "sha-256" || algorithm == "SHA-256") return "SHA256";
  if (algorithm == "sha-384" || algorithm == "SHA-384") return "SHA384";
  if (algorithm == "sha-512" || algorithm == "SHA-512") return "SHA512";
  return {};
}

unsigned next_repeat(SSL*, unsigned microseconds) {
  const auto first = static_cast<unsigned>(std::chrono::microseconds(limits::kDtlsRepeat).count());
  const auto longest = static_cast<unsigned>(std::chrono::microseconds(kLongestRepeat).count());
  return microseconds == 0 ? first : std::min(2 * microseconds, longest);
}

}  // namespace

// OpenSSL's side of a session's packets: one write is one packet, one read takes one.
struct DtlsBio {
  static DtlsSession& session(BIO* bio) { return *static_cast<DtlsSession*>(BIO_get_data(bio)); }
  static int write(BIO* bio, const char* bytes, int size) {
    if (size > 0) session(bio).send_({bytes, static_cast<std::size_t>(size)});
    return size;
  }
  static int read(BIO* bio, char* to, int room) {
    std::string_view& incoming = session(bio).incoming_;
    BIO_clear_retry_flags(bio);
    if (incoming.empty()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const std::size_t size = std::min(incoming.size(), static_cast<std::size_t>(std::max(room, 0)));
    std::copy_n(incoming.begin(), size, to);
    incoming = {};
    return static_cast<int>(size);
  }
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }
  static int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }
  static BIO* make(DtlsSession& owner) {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "packets");
      BIO_meth_set_write(made, &write);
      BIO_meth_set_read(made, &read);
      BIO_meth_set_ctrl(made, &control);
      BIO_meth_set_create(made, &create);
      return made;
    }();
    BIO* bio = BIO_new(method);
    if (bio) BIO_set_data(bio, &owner);
    return bio;
  }
};

base::Result<std::shared_ptr<const DtlsIdentity>> DtlsIdentity::make() {
  ERR_clear_error();
  std::shared_ptr<DtlsIdentity> made(new DtlsIdentity);
  made->context_ = SSL_CTX_new(DTLS_method());
  const identity::openssl::Pkey key(EVP_EC_gen("P-256"));
  const Certificate certificate = key ? make_certificate(key.get()) : nullptr;
  SSL_CTX* context = made->context_;
  if (!context || !certificate) return base::fail("DTLS cannot be set up: {}", take_tls_error());
  SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                   SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(context, limits::kMaxDtlsChain);
  SSL_CTX_set_cert_verify_callback(context, &DtlsSession::verify, nullptr);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  if (SSL_CTX_use_certificate(context, certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!SHA1:!aNULL") != 1 ||
      SSL_CTX_set_tlsext_use_srtp(context, kProfiles) != 0)  // here 0 is success
    return base::fail("DTLS cannot be set up: {}", take_tls_error());
  made->fingerprint_ = fingerprint_text(digest_of(certificate.get(), EVP_sha256()));
  return made;
}

base::Result<std::shared_ptr<const DtlsIdentity>> DtlsIdentity::of_process() {
  static std::mutex mutex;
  static std::shared_ptr<const DtlsIdentity> made;
  const std::lock_guard lock(mutex);
  if (!made) {
    auto identity = make();
    if (!identity) return identity;
    made = *identity;
  }
  return made;
}

DtlsIdentity::~DtlsIdentity() { SSL_CTX_free(context_); }

base::Result<std::unique_ptr<DtlsSession>> DtlsSession::make(const DtlsIdentity& identity, Role role,
                                                             std::string_view fingerprint, Send send) {
  const std::size_t space = fingerprint.find(' ');
  const std::string_view algorithm = openssl_name(fingerprint.substr(0, space));
  std::string hex(space == std::string_view::npos ? "" : fingerprint.substr(space + 1));
  std::erase(hex, ':');
  const auto digest = base::from_hex(hex);
  const EVP_MD* kind = algorithm.empty() ? nullptr : EVP_get_digestbyname(std::string(algorithm).c_str());
  if (!kind || !digest || digest->size() != static_cast<std::size_t>(EVP_MD_get_size(kind)))
    return base::fail("expected a fingerprint such as 'sha-256 AB:CD:...', found '{}'",
                      fingerprint.substr(0, 100));

  ERR_clear_error();
  std::unique_ptr<DtlsSession> session(new DtlsSession(role, std::move(send)));
  session->algorithm_ = algorithm;
  session->digest_ = base::as_text(*digest);
  session->ssl_ = SSL_new(identity.native());
  BIO* bio = session->ssl_ ? DtlsBio::make(*session) : nullptr;
  if (!bio) return base::fail("DTLS cannot begin: {}", take_tls_error());
  SSL_set_bio(session->ssl_, bio, bio);
  SSL_set_mtu(session->ssl_, kMtu);
  DTLS_set_timer_cb(session->ssl_, &next_repeat);
  SSL_set_app_data(session->ssl_, session.get());
  if (role == Role::client)
    SSL_set_connect_state(session->ssl_);
  else
    SSL_set_accept_state(session->ssl_);
  return session;
}

DtlsSession::~DtlsSession() { SSL_free(ssl_); }

bool DtlsSession::proves(x509_st* certificate) const {
  return certificate && digest_of(certificate, EVP_get_digestbyname(algorithm_.c_str())) == digest_;
}

int DtlsSession::verify(x509_store_ctx_st* store, void*) {
  const auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* session = static_cast<DtlsSession*>(SSL_get_app_data(ssl));
  if (session->proves(X509_STORE_CTX_get0_cert(store))) return 1;
  session->failure_ =
      "DTLS: the other side's certificate has another fingerprint than its session description says";
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
  return 0;
}

void DtlsSession::fail(std::string why) {
  state_ = State::failed;
  if (failure_.empty()) failure_ = std::move(why);
}

void DtlsSession::start(base::Instant now) {
  if (started_ || state_ != State::shaking_hands) return;
  started_ = true;
  give_up_ = now + limits::kDtlsPatience;
  advance();
}

void DtlsSession::advance() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    state_ = State::done;
    answers_left_ = limits::kMaxDtlsAfter;
    if (!SSL_get_selected_srtp_profile(ssl_))
      fail("DTLS: the other side agrees to no SRTP profile that is known here");
    return;
  }
  const int error = SSL_get_error(ssl_, result);
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
    fail(fmt::format("DTLS: the handshake has failed: {}", take_tls_error()));
  ERR_clear_error();
}

bool DtlsSession::on_packet(std::string_view packet, base::Instant now) {
  const bool after = state_ == State::done;
  if (state_ == State::failed || state_ == State::closed || (after && answers_left_ == 0)) return false;
  incoming_ = packet;
  if (!after && !started_)
    start(now);
  else if (!after)
    advance();
  if (state_ == State::done) read_after();  // also what is in the same packet behind the last message
  incoming_ = {};
  return true;
}

// Repetitions of the handshake, which OpenSSL answers, and its end. Application data means nothing here.
void DtlsSession::read_after() {
  if (answers_left_ > 0) --answers_left_;
  ERR_clear_error();
  std::array<char, limits::kMaxPacket> data;
  const int result = SSL_read(ssl_, data.data(), static_cast<int>(data.size()));
  if (result <= 0 && SSL_get_error(ssl_, result) == SSL_ERROR_ZERO_RETURN) state_ = State::closed;
  ERR_clear_error();
}

void DtlsSession::on_time(base::Instant now) {
  if (state_ != State::shaking_hands || !started_) return;
  if (now >= give_up_)
    return fail(fmt::format("DTLS: no handshake within {}", base::format_duration(limits::kDtlsPatience)));
  ERR_clear_error();
  if (DTLSv1_handle_timeout(ssl_) < 0)
    fail(fmt::format("DTLS: the other side does not answer: {}", take_tls_error()));
  ERR_clear_error();
}

base::Instant DtlsSession::next_wake(base::Instant now) const {
  if (state_ != State::shaking_hands || !started_) return base::Instant::max();
  timeval left{};
  if (DTLSv1_get_timeout(ssl_, &left) != 1) return give_up_;
  const auto wait = std::chrono::ceil<base::Duration>(std::chrono::seconds(left.tv_sec) +
                                                      std::chrono::microseconds(left.tv_usec));
  return std::min(give_up_, now + wait);
}

void DtlsSession::close() {
  if (state_ == State::done) {
    ERR_clear_error();
    SSL_shutdown(ssl_);
    ERR_clear_error();
  }
  if (state_ != State::failed) state_ = State::closed;
}

base::Result<SrtpKeys> DtlsSession::keys() const {
  const SRTP_PROTECTION_PROFILE* profile = SSL_get_selected_srtp_profile(ssl_);
  if (state_ != State::done || !profile)
    return base::fail("DTLS: there are no keys before the handshake is done");
  SrtpKeys keys{.profile = static_cast<SrtpProfile>(profile->id), .ours = {}, .theirs = {}};
  const std::size_t key = srtp_key_size(keys.profile), salt = srtp_salt_size(keys.profile);
  std::array<unsigned char, 128> material{};
  if (SSL_export_keying_material(ssl_, material.data(), 2 * (key + salt), kExporter.data(), kExporter.size(),
                                 nullptr, 0, 0) != 1)
    return base::fail("DTLS: no keys can be made: {}", take_tls_error());
  const std::string_view all = base::as_text({material.data(), 2 * (key + salt)});
  const std::string client = std::string(all.substr(0, key)).append(all.substr(2 * key, salt));
  const std::string server = std::string(all.substr(key, key)).append(all.substr(2 * key + salt, salt));
  keys.ours = role_ == Role::client ? client : server;
  keys.theirs = role_ == Role::client ? server : client;
  return keys;
}

}  // namespace causeway::ua
