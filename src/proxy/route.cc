#include "proxy/route.h"
#include "base/limits.h"
#include "proxy/record_route.h"

#include <string>

#include "sip/rewrite.h"

namespace causeway::proxy {
namespace {

using sip::HeaderName;
using sip::Message;

Way way_of(const OverlayUri& name) {
  switch (name.place) {
    case Place::flow:
      return Way::flow;
    case Place::peer:
      return name.own ? Way::here : Way::peer;
    case Place::domain:
    case Place::here:
      return Way::here;
    case Place::user:
      return Way::user;
    case Place::foreign:
      return Way::outside;
    case Place::reserved:
    case Place::unsupported:
      break;
  }
  return Way::nowhere;
}

// Whether a Route value is ours to take out whoever sent it: the domain, this peer, or a user of the
// domain (an outbound proxy that somebody has typed with a user part).
bool is_ours(const OverlayUri& name) {
  return name.place == Place::domain || name.place == Place::here || name.place == Place::user ||
         (name.place == Place::peer && name.own);
}

}  // namespace

Route find_route(const Message& request, const sip::Uri& request_uri, const OverlayNames& names,
                 bool from_member) {
  Route route;
  bool before_domain = true;
  bool behind = false;
  bool fine = sip::for_each_value(request, HeaderName::route, [&](std::string_view value) {
    auto address = sip::parse_name_addr(value);
    if (!address) {
      route.refusal = {400, "Bad Route"};
      return false;
    }
    const bool of_site = address->uri.param(kSiteParam).has_value();
    if (behind) {
      route.pop_behind = of_site;
      return false;
    }
    const auto name = of_site ? OverlayUri{.place = Place::here} : names.read(address->uri);
    if (name.place == Place::flow && !from_member && before_domain && !route.claim) {
      route.claim = name;
      ++route.pop;
    } else if (is_ours(name)) {
      if (name.place != Place::here) before_domain = false;
      ++route.pop;
    } else {
      route.way = way_of(name);
      route.name = name;
      route.next = address->uri;
      route.in_route = true;
      behind = name.place == Place::flow;
      return behind;
    }
    if (route.pop > limits::kMaxOwnRoutes) {
      route.too_many = true;
      route.refusal = {400, "Too many Route values of this domain"};
      return false;
    }
    return true;
  });
  if (!fine && !route.refusal) route.refusal = {400, "Bad Route"};
  if (route.in_route || route.refusal) return route;
  route.next = request_uri;
  route.name = names.read(request_uri);
  route.way = way_of(route.name);
  return route;
}

sip::Parsed<sip::Uri> next_hop(const Message& request, int pop) {
  std::string_view found;
  sip::for_each_value(request, HeaderName::route, [&](std::string_view value) {
    if (pop-- > 0) return true;
    found = value;
    return false;
  });
  if (found.empty()) return request.request_uri();
  auto address = sip::parse_name_addr(found);
  if (!address) return std::unexpected(address.error());
  return address->uri;
}

bool from_strict_router(const Message& request, const sip::Uri& request_uri, const OverlayNames& names) {
  if (!request.has(HeaderName::route) || !request_uri.param("lr")) return false;
  const auto place = names.read(request_uri).place;
  return place == Place::flow || place == Place::domain;
}

base::Buffer as_from_loose_router(const Message& request) {
  std::string kept, last;
  sip::for_each_value(request, HeaderName::route, [&](std::string_view value) {
    if (!last.empty()) kept += ", " + last;
    last = value;
    return true;
  });
  auto address = sip::parse_name_addr(last);
  if (!address) return {};
  const std::string routes = "<" + std::string(request.request_uri_text()) + ">" + kept;
  sip::Rewrite edit(request);
  edit.replace_request_uri(address->uri.text);
  edit.remove_all(HeaderName::route);
  edit.append("Route", routes);
  return edit.build();
}

}  // namespace causeway::proxy
