// Locating SIP servers (RFC 3263): from a URI's host, port, transport and scheme to an ordered list
// of places to try.
//
//   section 4    requests: NAPTR, then SRV by priority and weight, then A and AAAA
//   section 5    responses, when the Via has a host name and the connection is gone
//
// and the relays of a domain in the same way (RFC 5928, `turn:D`): S-NAPTR, or else SRV of _turn._udp,
// _turn._tcp and _turns._tcp. Unlike there, a domain without such records has none: nobody has said that it
// has.
//
// The order of the list is the order to try: SRV priorities ascending, weights drawn anew for each
// question (RFC 2782), each host's addresses together. A numeric host, or one with a port, is not
// looked up further than the section says.
//
// `Resolver` is what asks the DNS: unbound_resolver.h (libunbound, its cache, DNSSEC if asked for), or
// a table in tests.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/random.h"
#include "base/result.h"
#include "net/address.h"

namespace causeway::dns {

enum class Service : std::uint8_t { sip, relay };

struct Question {
  std::string host;                         // maddr if the URI has one; "[v6]" or v4 allowed
  std::uint16_t port = 0;                   // 0: none given
  std::optional<net::Transport> transport;  // the transport parameter
  bool secure = false;                      // sips, or transport=tls
  Service service = Service::sip;           // of a relay only the host matters
};

struct Hop {
  net::Endpoint endpoint;
  std::string name;  // the domain asked for: what a TLS certificate must carry (RFC 5922 7.1)
};

// The question that a URI asks (RFC 3263 4), from its host (maddr, if it has one), its port, its transport
// parameter and its scheme. None: a transport that nobody knows.
std::optional<Question> question_of(std::string_view host, std::uint16_t port,
                                    std::optional<std::string_view> transport, bool is_sips);

using Hops = base::Result<std::vector<Hop>>;
using OnHops = std::function<void(Hops)>;

struct Supported {  // what this peer can send, by transport and family
  bool udp = true, tcp = true, tls = true;
  bool ipv4 = true, ipv6 = true;
};

class Resolver;

class Locator {
 public:
  Locator(Resolver& resolver, base::Random& random, Supported supported, base::Metrics& metrics);
  ~Locator();
  // `done` is called exactly once, at once if nothing has to be asked (numeric hosts, cached answers),
  // unless the Locator is destroyed before. Errors are sentences: "example.com: no such domain".
  void locate(const Question& question, OnHops done);
  // RFC 3263 5: responses. `transport` is that of the request.
  void locate_response(const std::string& host, std::uint16_t port, net::Transport transport, OnHops done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::dns
