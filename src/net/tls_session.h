// One TLS connection on a non-blocking descriptor, by OpenSSL (SSL_set_fd, no memory BIOs: they would
// cost two buffers a connection). Buffers are released between records (SSL_MODE_RELEASE_BUFFERS).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

typedef struct ssl_st SSL;

namespace causeway::net {

class TlsContext;

// What one attempt to move bytes came to; the same for TCP and TLS.
struct IoResult {
  enum class Kind { done, want_read, want_write, end, failed };
  Kind kind;
  std::size_t bytes = 0;  // done
  int error = 0;          // failed: errno, or 0 if TLS itself failed (TlsSession::failure)
};

class TlsSession {
 public:
  // `name`: SNI and what the server's certificate must carry; empty for a server.
  // Null if OpenSSL cannot (no memory, a simulated context).
  static std::unique_ptr<TlsSession> client(const TlsContext& context, int fd, std::string_view name);
  static std::unique_ptr<TlsSession> server(const TlsContext& context, int fd);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // `done` only after the other side's certificate, name and application protocol are as the
  // context asks.
  IoResult handshake();
  IoResult read(std::span<char> to);
  // After want_read or want_write, the next write must begin with the same bytes.
  IoResult write(std::span<const char> from);
  // Bytes that no readiness of the descriptor will announce.
  bool has_pending() const;
  void send_close_notify();

  // Why it failed, as a sentence for an operator.
  const std::string& failure() const { return failure_; }
  // DNS names in the verified certificate of the other side.
  std::vector<std::string> certified_names() const;

 private:
  TlsSession(const TlsContext& context, SSL* ssl, std::string_view name)
      : context_(context), ssl_(ssl), name_(name) {}
  static std::unique_ptr<TlsSession> make(const TlsContext& context, int fd, std::string_view name);
  IoResult judge(int result);
  base::Status check_other_side() const;
  std::string explain_failure() const;

  const TlsContext& context_;
  SSL* ssl_;
  std::string name_;
  std::string failure_;
};

// True if the certificate of the other side speaks for `name`: a SAN of type DNS, or the host of a
// `sip:` URI without user part (RFC 5922 7.1), or an address for a numeric name. Letter case does not
// matter and wildcards do not match (RFC 5922 7.2). The common name is not looked at.
bool certificate_carries(SSL* ssl, std::string_view name);

// The oldest error in OpenSSL's queue as text; empties the queue.
std::string take_tls_error();

}  // namespace causeway::net
