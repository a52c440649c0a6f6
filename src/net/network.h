// The network, behind interfaces, so that everything above runs on real sockets and on a simulated
// network alike.
//
// A datagram's way in: the kernel fills a batch of slots (recvmmsg), the handler is called once with
// all of them, and it parses them where they lie: the bytes are valid until it returns. A datagram's
// way out: `send` queues a reference to a Buffer; at the end of the loop's turn the socket hands the
// whole queue to the kernel (sendmmsg).
//
// A stream's way in: the handler gets each chunk of plain text as it arrives (TLS is below it) and
// keeps what is incomplete itself. A stream's way out: `send` queues; more than `max_queued` bytes
// waiting means that the other side does not read, and the stream closes (limits.h).
//
//   RealNetwork (real_network.h)  sockets on a base::Loop, TLS by OpenSSL
//   SimNetwork  (sim_network.h)   delay, loss, partitions, dead hosts; virtual time
//
// One thread: everything here belongs to one Loop.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/result.h"
#include "net/address.h"

namespace causeway::net {

class TlsContext;  // tls.h

struct Datagram {
  Address from;
  std::span<char> bytes;  // may be overwritten by the handler; gone when it returns
};

class UdpHandler {
 public:
  virtual void on_datagrams(std::span<Datagram> batch) = 0;
  // The kernel said that `to` could not be reached (ICMP). A hint: it may be forged.
  virtual void on_unreachable(const Address& to) { (void)to; }

 protected:
  ~UdpHandler() = default;
};

class UdpSocket {
 public:
  virtual ~UdpSocket() = default;
  virtual const Address& local() const = 0;  // with the port the kernel chose
  // Queues. Never blocks; a full kernel buffer drops the datagram and counts it.
  virtual void send(const Address& to, base::Buffer bytes) = 0;
  // The same for one whose place among the others does not matter: it leaves after them, together with those
  // of its size for the same address, which costs a sixth.
  virtual void send_unordered(const Address& to, base::Buffer bytes) { send(to, std::move(bytes)); }
};

// Why a stream ended. `text` is for logs and for the operator.
enum class CloseReason { remote, local, refused, timeout, tls, overflow, reset };
struct StreamClosed {
  CloseReason reason;
  std::string text;
};

class StreamHandler {
 public:
  virtual void on_connected() {}  // TCP and TLS done; sends before that are queued
  virtual void on_bytes(std::span<const char> bytes) = 0;
  // The last call. The handler may destroy the stream in it, or in any other call.
  virtual void on_closed(const StreamClosed& why) = 0;

 protected:
  ~StreamHandler() = default;
};

class Stream {
 public:
  virtual ~Stream() = default;  // closes, without a call to the handler
  virtual void set_handler(StreamHandler& handler) = 0;
  virtual const Address& local() const = 0;
  virtual const Address& remote() const = 0;
  virtual bool connected() const = 0;
  virtual void send(base::Buffer bytes) = 0;
  // DNS names in the other side's verified certificate, and a member's URIs; empty without TLS or without
  // one.
  virtual const std::vector<std::string>& certified_names() const = 0;
  // Bytes that wait for the other side to read.
  virtual std::size_t queued() const = 0;
};

class Listener {
 public:
  virtual ~Listener() = default;
  virtual const Address& local() const = 0;
};
// Connections that one listener keeps at a time.
struct MostConnections {
  std::size_t accepted = limits::kMaxAccepted;
  std::size_t per_source = limits::kMaxAcceptedPerSource;  // Ip::source
};
// A stream that was accepted (and whose TLS handshake is done). Set its handler in the call.
using Accept = std::function<void(std::unique_ptr<Stream>)>;

// How a TLS connection is made: whose certificates, and the name that the other side must prove.
struct TlsClient {
  TlsContext* context = nullptr;  // nullptr: plain TCP
  // SNI and the name its certificate must carry (RFC 5922). Empty, with a member context: any member.
  std::string name;
};

class Network {
 public:
  virtual ~Network() = default;
  // Errors say what an operator can do: "udp 0.0.0.0:5060: address in use; another program ...".
  virtual base::Result<std::unique_ptr<UdpSocket>> open_udp(const Address& local, UdpHandler& handler) = 0;
  virtual base::Result<std::unique_ptr<Listener>> listen(const Address& local, TlsContext* tls,
                                                         Accept on_accept) = 0;
  // Never fails at once: a refused connection is told by on_closed in a later turn.
  virtual std::unique_ptr<Stream> connect(const Address& remote, const TlsClient& tls,
                                          StreamHandler& handler) = 0;
  // The local address that packets to `remote` would leave from (routing table; no packet is sent).
  virtual Ip source_ip_for(const Ip& remote) = 0;
  // For how long what is being delivered right now has waited to be read: by the kernel's stamp on the first
  // datagram of the batch, or the longest that the bytes of a stream can have waited. Overload shows here
  // first.
  virtual std::chrono::microseconds waited() const = 0;
};

}  // namespace causeway::net
