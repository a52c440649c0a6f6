#include "registrar/reach.h"

#include "sip/headers.h"

namespace causeway::registrar {

namespace {

constexpr std::uint16_t kSipPort = 5060, kSipsPort = 5061;

net::Transport transport_of(const sip::Uri& uri) {
  if (uri.is_sips) return net::Transport::tls;
  auto parameter = uri.param("transport");
  return parameter ? net::parse_transport(*parameter).value_or(net::Transport::udp) : net::Transport::udp;
}

// The phone believes that it is somewhere else than where its packets come from.
bool via_shows_nat(const sip::Message& request, const sip::Flow& flow) {
  auto first = sip::split_first(request.value(sip::HeaderName::via));
  auto via = first ? sip::parse_via(first->first) : std::unexpected(first.error());
  if (!via) return false;
  auto ip = net::Ip::parse(via->host);
  if (!ip) return false;
  if (*ip != flow.remote.ip) return true;
  return !net::is_stream(flow.transport) && (via->port ? via->port : kSipPort) != flow.remote.port;
}

}  // namespace

bool reach_by_flow(const sip::Message& request, const ContactChange& contact, const sip::Flow& flow) {
  if (contact.ob) return true;
  if (net::is_stream(flow.transport) && transport_of(contact.uri) == flow.transport) return true;
  auto ip = net::Ip::parse(contact.uri.host);
  if (ip && *ip != flow.remote.ip) return true;
  return via_shows_nat(request, flow);
}

std::optional<net::Endpoint> numeric_endpoint(const sip::Uri& uri) {
  auto ip = net::Ip::parse(uri.param("maddr").value_or(uri.host));
  if (!ip) return {};
  net::Transport transport = transport_of(uri);
  std::uint16_t port = uri.port ? uri.port : transport == net::Transport::tls ? kSipsPort : kSipPort;
  return net::Endpoint{transport, {*ip, port}};
}

}  // namespace causeway::registrar
