#include "proxy/overlay_uri.h"

namespace causeway::proxy {

OverlayNames::OverlayNames(std::string domain, identity::PeerId self, const sip::TransportLayer& transport)
    : domain_(std::move(domain)),
      route_host_(domain_),
      self_(self),
      self_user_("_" + self.text()),
      transport_(transport) {}

void OverlayNames::set_route_host(std::string host_port) {
  const std::string text = "sip:" + host_port;  // what `uri` looks into
  auto uri = sip::parse_uri(text);
  if (!uri) return;
  route_name_ = uri->host;
  route_port_ = uri->port;
  route_host_ = std::move(host_port);
}

bool OverlayNames::is_route_host(const sip::Uri& uri) const {
  return !route_name_.empty() && uri.port == route_port_ && sip::same_text(uri.host, route_name_);
}

OverlayUri OverlayNames::read(const sip::Uri& uri) const {
  OverlayUri result;
  if (!uri.is_sip) {
    result.place = Place::unsupported;
    return result;
  }
  result.user = uri.user;
  const bool named = is_domain(uri.host) || is_route_host(uri);
  if (!named && !transport_.is_local(uri.host, uri.port)) return result;
  if (!uri.has_user || uri.user.empty()) {
    result.place = named ? Place::domain : Place::here;
    return result;
  }
  if (uri.user.front() != '_') {
    result.place = Place::user;
    return result;
  }
  return read_reserved(uri.user);
}

OverlayUri OverlayNames::read_reserved(std::string_view user) const {
  OverlayUri result;
  result.user = user;
  result.place = Place::reserved;
  const auto dot = user.find('.');
  const auto name = user.substr(0, dot);
  if (sip::same_text(name, self_user_)) {
    result.own = true;
    result.peer = self_;
  } else {
    auto peer = identity::PeerId::parse(name.substr(1));
    if (!peer) return result;
    result.peer = *peer;
  }
  if (dot == std::string_view::npos) {
    result.place = Place::peer;
  } else if (dot + 1 < user.size()) {
    result.place = Place::flow;
    result.token = user.substr(dot + 1);
  }
  return result;
}

}  // namespace causeway::proxy
