#include "ua/servers.h"

#include <algorithm>
#include <utility>

namespace causeway::ua {

namespace {

std::vector<sip::Target> targets_of(dns::Hops hops) {
  std::vector<sip::Target> targets;
  if (!hops) return targets;
  for (dns::Hop& hop : *hops) targets.push_back({hop.endpoint, std::move(hop.name), false});
  return targets;
}

std::uint16_t port_of(const sip::Uri& uri, net::Transport transport) {
  return uri.port ? uri.port : transport == net::Transport::tls ? 5061 : 5060;
}

}  // namespace

Servers::Servers(dns::Locator* locator, std::string domain, std::optional<sip::Target> told,
                 std::function<void()> moved)
    : locator_(told ? nullptr : locator), domain_(std::move(domain)), moved_(std::move(moved)) {
  if (told) places_.push_back(std::move(*told));
}

void Servers::find(std::function<void(base::Status)> done) {
  if (!locator_)
    return done(places_.empty() ? base::fail("expected a server or a resolver, has neither")
                                : base::Status{});
  locator_->locate({.host = domain_},
                   [this, alive = std::weak_ptr(alive_), done = std::move(done)](dns::Hops hops) {
                     if (alive.expired()) return;
                     if (!hops) return done(std::unexpected(hops.error()));
                     take(targets_of(std::move(hops)));
                     done({});
                   });
}

// Who is in use stays in use, if the DNS still knows it.
void Servers::take(std::vector<sip::Target> places) {
  const std::optional<net::Endpoint> used = current() ? std::optional(current()->endpoint) : std::nullopt;
  places_ = std::move(places);
  const auto same = std::ranges::find_if(places_, [&](const auto& place) { return place.endpoint == used; });
  current_ = same == places_.end() ? 0 : static_cast<std::size_t>(same - places_.begin());
  if (used && same == places_.end()) moved_();
}

bool Servers::has(const net::Address& address) const {
  return std::ranges::any_of(places_, [&](const auto& place) { return place.endpoint.address == address; });
}

void Servers::failed(const net::Endpoint& place) {
  if (!current() || current()->endpoint != place) return;
  const bool was_last = ++current_ == places_.size();
  if (was_last) current_ = 0;
  if (has_another()) moved_();
  if (!was_last || std::exchange(asking_again_, true)) return;
  find([this](const base::Status&) { asking_again_ = false; });
}

bool Servers::is_meant_by(const sip::Uri& uri) const {
  if (sip::same_text(uri.host, domain_)) return uri.port == 0 && !uri.param("maddr");
  const auto ip = net::Ip::parse(uri.param("maddr").value_or(uri.host));
  const sip::Target* now = current();
  return ip && now && now->endpoint.address == net::Address{*ip, port_of(uri, now->endpoint.transport)};
}

sip::Target Servers::stream_to(const net::Address& server) const {
  const auto found = std::ranges::find_if(places_, [&](const sip::Target& place) {
    return net::is_stream(place.endpoint.transport) && place.endpoint.address.ip == server.ip;
  });
  return found != places_.end() ? *found : sip::Target{{net::Transport::tcp, server}, "", false};
}

void Servers::locate(std::string_view text, OnPlaces done) {
  const auto uri = sip::parse_uri(text);
  if (!locator_ || !uri || !uri->is_sip || is_meant_by(*uri)) return done({});
  const auto question = dns::question_of(uri->param("maddr").value_or(uri->host), uri->port,
                                         uri->param("transport"), uri->is_sips);
  if (!question) return done({});
  locator_->locate(*question,
                   [done = std::move(done)](dns::Hops hops) { done(targets_of(std::move(hops))); });
}

}  // namespace causeway::ua
