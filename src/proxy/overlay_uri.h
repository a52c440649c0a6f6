// What a SIP URI means in this domain (D is the overlay identifier):
//
//   sip:D                 the domain: its proxy peers
//   sip:alice@D           a user
//   sip:_PEERID@D         a peer
//   sip:_PEERID.TOKEN@D   one flow at a peer (Record-Route, Path, GRUU)
//   host:port of ours     the same as the domain, asked of this peer
//   anything else         foreign
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "identity/key.h"
#include "sip/transport.h"
#include "sip/uri.h"

namespace causeway::proxy {

enum class Place {
  foreign,
  domain,       // sip:D
  here,         // one of our own addresses, no user
  user,         // sip:alice@D, or alice@ an address of ours
  peer,         // sip:_PEERID@D
  flow,         // sip:_PEERID.TOKEN@D
  reserved,     // a user part that begins with '_' and is neither
  unsupported,  // a scheme that is neither sip nor sips
};

struct OverlayUri {
  Place place = Place::foreign;
  bool own = false;        // peer, flow: it names this peer
  std::string_view user;   // the whole user part
  std::string_view token;  // flow
  identity::PeerId peer;   // peer, flow
};

class OverlayNames {
 public:
  OverlayNames(std::string domain, identity::PeerId self, const sip::TransportLayer& transport);

  OverlayUri read(const sip::Uri& uri) const;
  bool is_domain(std::string_view host) const { return sip::same_text(host, domain_); }

  const std::string& domain() const { return domain_; }
  // What stands for D in Record-Route. An address instead of D only in a throwaway domain that no
  // phone can look up: `host_port` then names the domain like D itself.
  const std::string& route_host() const { return route_host_; }
  void set_route_host(std::string host_port);
  const identity::PeerId& self() const { return self_; }
  // "_PEERID": the user part that names this peer.
  const std::string& self_user() const { return self_user_; }

 private:
  OverlayUri read_reserved(std::string_view user) const;
  bool is_route_host(const sip::Uri& uri) const;

  std::string domain_;
  std::string route_host_;
  std::string route_name_;  // route_host_ in two, if it is not D
  std::uint16_t route_port_ = 0;
  identity::PeerId self_;
  std::string self_user_;
  const sip::TransportLayer& transport_;
};

}  // namespace causeway::proxy
