// The names of this server: what stands as sent-by in its Vias, and whether a host and port mean it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/loop.h"
#include "net/network.h"

namespace causeway::sip {

class LocalNames {
 public:
  LocalNames(base::Loop& loop, net::Network& network) : loop_(loop), network_(network) {}

  // `advertised`: "host" or "host:port", or empty. Returns the number of this local address.
  base::Result<std::size_t> add(net::Transport transport, const net::Address& address,
                                std::string advertised);
  // A name with every port: our PEERID.peers.D.
  void add_name(std::string name) { names_.push_back(std::move(name)); }

  // Sent-by for requests that leave from local address `number` towards `remote`. Views stay valid.
  std::string_view sent_by(std::size_t number, const net::Ip& remote);
  // The same for a stream of a transport that we do not listen on.
  std::string_view sent_by_source(net::Transport transport, const net::Ip& remote);

  bool is_local(std::string_view host, std::uint16_t port);

  // Which of our addresses packets to `remote` leave from; remembered for a while.
  net::Ip source_for(const net::Ip& remote);
  std::size_t routes_remembered() const { return sources_.size(); }

 private:
  struct Local {
    net::Transport transport;
    net::Address address;
    std::string sent_by;  // empty: depends on where it goes to
    std::string host;     // advertised, or empty
    std::uint16_t port;   // advertised
  };
  std::string_view interned(const net::Address& address);
  bool is_own_ip(const net::Ip& ip);

  base::Loop& loop_;
  net::Network& network_;
  std::vector<Local> locals_;
  std::vector<std::string> names_;
  std::map<net::Address, std::string> texts_;
  std::unordered_map<net::Ip, net::Ip> sources_;
  base::Instant sources_since_{};
};

}  // namespace causeway::sip
