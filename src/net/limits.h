// Limits of the network layer, in one place, each with its reason.
#pragma once

#include <cstddef>

#include "base/time.h"

namespace causeway::net::limits {

using namespace std::chrono_literals;

// Datagrams read or written in one system call. 64 x 64 kB of address space; a batch of 64 typical
// requests (45 kB) still fits the second-level cache.
inline constexpr std::size_t kBatch = 64;

// UDP's own limit (65,535 less the headers), rounded up.
inline constexpr std::size_t kMaxDatagram = 65536;

// Batches that one socket reads, and rounds that one stream reads (64 kB each), before the others
// get their turn: 512 datagrams are about 10 ms of work.
inline constexpr int kReadRounds = 8;

// Kernel socket buffers asked for: two seconds of 2,000 calls a second.
inline constexpr int kUdpSocketBuffer = 8 << 20;

// Datagrams queued within one turn before they are handed to the kernel without waiting for its end.
inline constexpr std::size_t kUdpFlush = 4 * kBatch;

// Datagrams that wait for room in the kernel's buffer. What SIP has not sent within a few hundred
// milliseconds it will retransmit anyway.
inline constexpr std::size_t kMaxUdpQueued = 64 * kBatch;

// Bytes queued for a stream whose other side does not read. Eight of the largest SIP messages.
inline constexpr std::size_t kMaxQueued = 512 << 10;

// The largest piece given to one write on a stream: TLS's own record limit (RFC 8446 5.1).
inline constexpr std::size_t kMaxWrite = 16384;

// TCP connect plus TLS handshake. Well below Timer B (32 s), so that the next target gets a try.
inline constexpr base::Duration kConnectTimeout = 4s;

// An accepted connection must finish its TLS handshake within this.
inline constexpr base::Duration kHandshakeTimeout = 5s;

// Accepted connections per listener, all told; the oldest idle one is closed for a new one.
inline constexpr std::size_t kMaxAccepted = 20000;

// Connections accepted in one turn: 64 TLS handshakes begun are about 20 ms of work.
inline constexpr int kAcceptsPerTurn = 64;

// How long a listener rests when the kernel has no descriptor or memory for another connection.
inline constexpr base::Duration kAcceptPause = 100ms;

// Strangers can provoke it: the operator is told no more often than this.
inline constexpr base::Duration kWarningPause = 60s;

// A host that vanished without a word is noticed after this long: when it acknowledges nothing that
// was sent (TCP_USER_TIMEOUT, Timer B's 32 s), or on an idle connection (TCP keep-alive) after one
// minute and then this long.
inline constexpr base::Duration kPeerSilence = 32s;
inline constexpr base::Duration kKeepAliveIdle = 60s;
inline constexpr base::Duration kKeepAliveInterval = 8s;

// Certificate chains are kept in memory per connection; four P-256 certificates are below 4 kB.
inline constexpr long kMaxCertificateChain = 16384;

}  // namespace causeway::net::limits
