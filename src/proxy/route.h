// Where a request goes: the table of the protocol, decided from the Route set, the Request-URI and
// whether it came over a peer link. Pure: no lookups, no state; targets.h finds the way.
//
//   the request, own Routes removed           goes
//   ---------------------------------------   ---------------------------------------------------
//   sip:_P.T@D                                Way::flow: down that flow, wherever the phone is now
//   sip:_P@D                                  Way::peer: to that peer; here: Way::here
//   sip:D, or an own address, no user         Way::here: REGISTER to the registrar, OPTIONS answered
//   sip:alice@D                               Way::user: to all her contacts
//   other host                                Way::outside: allowed to members and own phones only
//
// The walk over the Route set. Values that name the domain or this peer are taken out. A value
// `_X.T` can mean two things, since a dialogue's route set has one at either end:
//   * the first of all, and not from a peer link: the sender says "I am the phone of that flow, this
//     is on its way from me". It is taken out too, as a *claim* that sender.h must see proven; the
//     request goes on to what follows. X may be any peer: any member can open the token.
//   * anywhere else (after sip:D, from a peer link, or as Request-URI): it is on its way to that phone.
#pragma once

#include <optional>

#include "proxy/overlay_uri.h"
#include "proxy/validation.h"
#include "sip/headers.h"

namespace causeway::proxy {

enum class Way { flow, peer, here, user, outside, nowhere };

struct Route {
  Way way = Way::nowhere;
  OverlayUri name;        // what the next hop names
  sip::Uri next;          // the URI that decides: a Route value or the Request-URI
  bool in_route = false;  // `next` is a Route value
  int pop = 0;            // Route values to take out before it
  int pop_behind = 0;     // ... and behind it, when it goes down to the phone (record_route.h: site)
  std::optional<OverlayUri> claim;
  bool too_many = false;  // own values: refused
  Refusal refusal;        // a Route set that cannot be read
};

Route find_route(const sip::Message& request, const sip::Uri& request_uri, const OverlayNames& names,
                 bool from_member);

// The next hop of a request whose first `pop` Route values are taken out: the next Route value, or the
// Request-URI.
sip::Parsed<sip::Uri> next_hop(const sip::Message& request, int pop);

// True if the request comes from a strict router (16.4): its Request-URI is a value that a peer of
// ours has put into a Record-Route.
bool from_strict_router(const sip::Message& request, const sip::Uri& request_uri, const OverlayNames& names);
// What a loose router would have sent instead: the last Route value as Request-URI, the Request-URI as
// first Route value.
base::Buffer as_from_loose_router(const sip::Message& request);

}  // namespace causeway::proxy
