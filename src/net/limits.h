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

// Kernel socket buffers asked for: two seconds of 2,000 calls a second.
inline constexpr int kUdpSocketBuffer = 8 << 20;

// Bytes queued for a stream whose other side does not read. Eight of the largest SIP messages.
inline constexpr std::size_t kMaxQueued = 512 << 10;

// TCP connect plus TLS handshake. Well below Timer B (32 s), so that the next target gets a try.
inline constexpr base::Duration kConnectTimeout = 4s;

// An accepted connection must finish its TLS handshake within this.
inline constexpr base::Duration kHandshakeTimeout = 5s;

// Accepted connections per listener, all told; the oldest idle one is closed for a new one.
inline constexpr std::size_t kMaxAccepted = 20000;

}  // namespace causeway::net::limits
