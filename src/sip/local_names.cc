#include "sip/local_names.h"
#include "base/limits.h"

#include <charconv>

#include "sip/uri.h"

namespace causeway::sip {

namespace {

// Routes change seldom.
constexpr base::Duration kSourceLife = std::chrono::seconds(10);

std::uint16_t default_port(net::Transport transport) {
  return transport == net::Transport::tls ? 5061 : 5060;
}

std::string with_port(const std::string& host, std::uint16_t port) {
  return host + ":" + std::to_string(port);
}

}  // namespace

base::Result<std::size_t> LocalNames::add(net::Transport transport, const net::Address& address,
                                          std::string advertised) {
  Local local{transport, address, std::move(advertised), {}, 0};
  if (!local.sent_by.empty()) {
    local.host = local.sent_by;
    local.port = default_port(transport);
    const auto colon = local.sent_by.rfind(':');
    if (colon != std::string::npos && local.sent_by.find(']', colon) == std::string::npos) {
      const char* begin = local.sent_by.data() + colon + 1;
      const char* end = local.sent_by.data() + local.sent_by.size();
      const auto read = std::from_chars(begin, end, local.port);
      if (read.ec != std::errc() || read.ptr != end || local.port == 0)
        return base::fail("advertised address '{}': expected host or host:port with a port from 1 to 65535",
                          local.sent_by);
      local.host.resize(colon);
    }
  } else if (!address.ip.is_unspecified()) {
    local.sent_by = with_port(address.ip.uri_text(), address.port);
  }
  locals_.push_back(std::move(local));
  return locals_.size() - 1;
}

std::string_view LocalNames::interned(const net::Address& address) {
  auto known = texts_.find(address);
  if (known == texts_.end())
    known = texts_.emplace(address, with_port(address.ip.uri_text(), address.port)).first;
  return known->second;
}

std::string_view LocalNames::sent_by(std::size_t number, const net::Ip& remote) {
  const Local& local = locals_[number];
  if (!local.sent_by.empty()) return local.sent_by;
  return interned({source_for(remote), local.address.port});
}

std::string_view LocalNames::sent_by_source(net::Transport transport, const net::Ip& remote) {
  for (const Local& local : locals_)  // a port at which we can be reached, if there is one
    if (local.address.ip.is_v4() == remote.is_v4() && local.sent_by.empty())
      return interned({source_for(remote), local.address.port});
  if (!locals_.empty() && !locals_.front().sent_by.empty()) return locals_.front().sent_by;
  return interned({source_for(remote), default_port(transport)});
}

net::Ip LocalNames::source_for(const net::Ip& remote) {
  if (sources_.size() >= limits::kMaxSources || loop_.now() - sources_since_ >= kSourceLife) {
    sources_.clear();
    sources_since_ = loop_.now();
  }
  const auto known = sources_.find(remote);
  if (known != sources_.end()) return known->second;
  const net::Ip source = network_.source_ip_for(remote);
  sources_.emplace(remote, source);
  return source;
}

// A route to an address of this machine leaves from that address.
bool LocalNames::is_own_ip(const net::Ip& ip) {
  if (ip.is_unspecified()) return false;
  return ip.is_loopback() || source_for(ip) == ip;
}

bool LocalNames::is_local(std::string_view host, std::uint16_t port) {
  const auto ip = net::Ip::parse(host);
  for (const Local& local : locals_) {
    const std::uint16_t asked = port ? port : default_port(local.transport);
    if (!local.host.empty() && asked == local.port && same_text(host, local.host)) return true;
    if (!ip || asked != local.address.port) continue;
    if (!local.address.ip.is_unspecified()) {
      if (*ip == local.address.ip) return true;
    } else if (ip->is_v4() == local.address.ip.is_v4() && is_own_ip(*ip)) {
      return true;
    }
  }
  for (const std::string& name : names_)
    if (same_text(host, name)) return true;
  return ip && texts_.contains({*ip, port});  // of a stream that no listener stands for
}

}  // namespace causeway::sip
