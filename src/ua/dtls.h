// DTLS-SRTP (RFC 5763, 5764): DTLS 1.2 by OpenSSL on packets that the caller carries, for the keys of SRTP.
//
// Certificates are made on the spot and signed by themselves; what proves the other side is the fingerprint
// that came over signalling. Times of repetition are OpenSSL's own, by the system's clock: next_wake() says
// when.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "ua/srtp.h"

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
struct x509_st;
struct x509_store_ctx_st;

namespace causeway::ua {

// A key and its certificate, the same for all calls of a process. Any thread may use it once it is made.
class DtlsIdentity {
 public:
  static base::Result<std::shared_ptr<const DtlsIdentity>> make();
  // The one of this process, made when first asked for.
  static base::Result<std::shared_ptr<const DtlsIdentity>> of_process();
  ~DtlsIdentity();
  DtlsIdentity(const DtlsIdentity&) = delete;
  DtlsIdentity& operator=(const DtlsIdentity&) = delete;

  const std::string& fingerprint() const { return fingerprint_; }  // "sha-256 AB:CD:..." (RFC 8122 5)
  SSL_CTX* native() const { return context_; }

 private:
  DtlsIdentity() = default;
  SSL_CTX* context_ = nullptr;
  std::string fingerprint_;
};

class DtlsSession {
 public:
  enum class Role : std::uint8_t { client, server };
  enum class State : std::uint8_t { shaking_hands, done, closed, failed };
  // Called from within start, on_packet, on_time and close.
  using Send = std::function<void(std::string_view packet)>;

  // `fingerprint`: "sha-256 AB:..."; SHA-256, SHA-384 and SHA-512 are known (RFC 8122 5: SHA-1 proves nothing
  // any more).
  static base::Result<std::unique_ptr<DtlsSession>> make(const DtlsIdentity& identity, Role role,
                                                         std::string_view fingerprint, Send send);
  ~DtlsSession();
  DtlsSession(const DtlsSession&) = delete;
  DtlsSession& operator=(const DtlsSession&) = delete;

  // The client speaks first; the server waits. Patience begins here (limits::kDtlsPatience).
  void start(base::Instant now);
  // False: it is not looked at, since there have been too many (limits::kMaxDtlsAfter) or this has ended.
  bool on_packet(std::string_view packet, base::Instant now);
  void on_time(base::Instant now);
  base::Instant next_wake(base::Instant now) const;
  void close();  // close_notify

  State state() const { return state_; }
  const std::string& failure() const { return failure_; }  // a sentence, once it has failed
  // Once it is done (RFC 5764 4.2).
  base::Result<SrtpKeys> keys() const;

 private:
  friend struct DtlsBio;
  friend class DtlsIdentity;  // its context calls verify
  DtlsSession(Role role, Send send) : role_(role), send_(std::move(send)) {}
  void advance();
  void read_after();
  void fail(std::string why);
  // Of the certificate that the other side shows.
  bool proves(x509_st* certificate) const;
  static int verify(x509_store_ctx_st* store, void*);

  Role role_;
  Send send_;
  std::string algorithm_, digest_;  // of the fingerprint: OpenSSL's name, bytes
  SSL* ssl_ = nullptr;
  State state_ = State::shaking_hands;
  std::string failure_;
  std::string_view incoming_;  // the packet that OpenSSL reads now
  base::Instant give_up_ = base::Instant::max();
  bool started_ = false;
  std::size_t answers_left_ = 0;  // after the handshake
};

}  // namespace causeway::ua
