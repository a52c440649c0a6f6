// Record-Route (RFC 3261 16.6 step 4; draft 3.1), in two forms only, never an address: peers come and
// go, D does not.
//
//   sip:_P.TOKEN@D;lr   (a) the peer at which the caller's phone is
//                       (b) the peer that sends down to the callee's phone
//   sip:D;lr            (c) the peer that takes a request across the boundary
//
// Inward (c) is added first, so the callee's phone sees its own peer on top; outward it is added last,
// so the outside sees D on top and comes back to whichever proxy peer then lives. When caller and
// callee are at one peer both (a) and (b) are added.
//
// Of (a) and (b) only that phone asks the DNS where to send, all others send over peer links. So they name
// the transport that it uses, unless it is UDP: where UDP does not get through, its requests within a
// dialogue would be lost.
//
// A peer behind a NAT, and one that stands in for a phone (phone_hook.h), adds one more, which faces its
// phone: behind (a), in front of (b).
//
//   sip:10.0.0.2:5060;transport=udp;lr;causeway-site
//
// Its phones then send everything through it. From elsewhere those of a site would be seen at an address that
// is not the one sealed in their token, so nobody would believe that they are who they are; and a NAT would
// have to be kept open. Whoever comes to such a value takes it out.
//
// Every request but ACK, CANCEL and REGISTER gets them: within a dialogue they change nothing
// (12.2.1.1), but the draft wants them on every request that crosses.
#pragma once

#include <string_view>

#include "proxy/overlay_uri.h"
#include "proxy/text.h"
#include "sip/rewrite.h"

namespace causeway::proxy {

bool wants_record_route(sip::Method method);

inline constexpr std::string_view kSiteParam = "causeway-site";

class RecordRoute {
 public:
  // `secure`: the Request-URI is a SIPS URI, so ours must be (16.6 step 4).
  RecordRoute(const OverlayNames& names, sip::Rewrite& edit, Scratch& scratch, bool secure)
      : names_(names), edit_(edit), scratch_(scratch), scheme_(secure ? kSecure : "<sip:") {}

  // sip:D;lr on top of what is there.
  void domain() { put({scheme_, names_.route_host(), ";lr>"}); }
  // The phone that comes and goes over `transport`; `user` is "_PEERID.TOKEN".
  void flow(std::string_view user, net::Transport transport) {
    put({scheme_, user, "@", names_.route_host(), way(transport), ";lr>"});
  }
  // `here`: host and port at which the phone has this peer.
  void site(std::string_view here, std::string_view transport) {
    put({scheme_, here, ";transport=", transport, ";lr;", kSiteParam, ">"});
  }
  // The same; its flow is `token` at this peer.
  void own_flow(std::string_view token, net::Transport transport) {
    put({scheme_, names_.self_user(), ".", token, "@", names_.route_host(), way(transport), ";lr>"});
  }

 private:
  // A SIPS URI says it already.
  std::string_view way(net::Transport transport) const {
    if (scheme_ == kSecure || transport == net::Transport::udp) return {};
    return transport == net::Transport::tls ? ";transport=tls" : ";transport=tcp";
  }
  void put(std::initializer_list<std::string_view> parts) {
    edit_.prepend(sip::HeaderName::record_route, scratch_.join(parts));
  }
  static constexpr std::string_view kSecure = "<sips:";

  const OverlayNames& names_;
  sip::Rewrite& edit_;
  Scratch& scratch_;
  std::string_view scheme_;
};

}  // namespace causeway::proxy
