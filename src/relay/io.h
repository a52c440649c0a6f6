// What the TURN server asks of the world outside: ports to relay through, and packets on their way.
//
// sockets.h has it with the kernel's sockets, tests with lists of packets.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "net/address.h"
#include "net/packet_batch.h"
#include "stun/protocol.h"

namespace causeway::relay {

// A client's 5-tuple (RFC 8656 3.2): the listener stands for the server's address and the transport.
struct Client {
  net::Address remote;
  std::uint16_t listener = 0;
  bool stream = false;           // TCP or TLS
  std::uint64_t connection = 0;  // which one; 0 for UDP
  bool operator==(const Client& other) const { return remote == other.remote && listener == other.listener; }
};

// A received packet. The server writes around the data: so many bytes in front of it and behind it may be
// overwritten.
struct Packet {
  static constexpr std::size_t kHeadroom = 64;
  static constexpr std::size_t kTailroom = 28;
  char* data;
  std::size_t size;
};

// A relayed transport address. Numbers are small, and used again after close().
using PortId = std::uint32_t;
inline constexpr PortId kNoPort = UINT32_MAX;

class Io {
 public:
  struct Port {
    PortId id = kNoPort;
    net::Address address;  // as peers see it
  };
  enum class Wish : std::uint8_t { any, even, even_and_next };
  struct Opened {
    Port port;
    Port next;  // even_and_next: the port above it, held open too
  };

  virtual ~Io() = default;
  virtual bool has_family(stun::Family family) const = 0;
  // Nothing when no port of the range is free.
  virtual std::optional<Opened> open(stun::Family family, Wish wish) = 0;
  virtual void close(PortId port) = 0;

  // Copies the bytes. They are sent however slowly a stream is read.
  virtual void answer(const Client& client, std::string_view bytes) = 0;
  // The bytes lie in the packet that the server was given; Io keeps them there until they have left.
  virtual void to_client(const Client& client, std::string_view bytes) = 0;
  // The same for bytes that lie elsewhere.
  virtual void copy_to_client(const Client& client, std::string_view bytes) = 0;
  virtual void to_peer(PortId port, const net::Address& peer, std::string_view bytes, bool dont_fragment) = 0;
};

}  // namespace causeway::relay
