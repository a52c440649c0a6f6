#include "ua/member_line.h"

#include <algorithm>

#include <fmt/format.h>

#include "identity/relay_token.h"
#include "ua/limits.h"

namespace causeway::ua {

namespace {

using namespace std::chrono_literals;

// Like a registrar's records of its phones (registrar.h).
constexpr base::Duration kRecordLife = 600s;
constexpr base::Duration kRecordRefresh = 240s;
// Two links that come up together make one record.
constexpr base::Duration kGather = 100ms;
// Time for the withdrawn records to leave.
constexpr base::Duration kGoodbye = 200ms;

}  // namespace

base::Result<std::string> user_of(const identity::Credential& credential) {
  for (const std::string& cover : credential.covers) {
    if (!cover.starts_with("sip:") || !cover.ends_with("@")) continue;
    const std::string user = cover.substr(4, cover.size() - 5);
    if (!user.empty() && user != "*" && user[0] != '_') return user;
  }
  return base::fail(
      "expected the bundle of a user (causeway authority issue NAME --users NAME), found one whose "
      "credential "
      "covers no user");
}

MemberLine::MemberLine(Parts parts, const identity::Bundle& bundle, std::string user,
                       std::vector<net::Address> bootstrap)
    : parts_(parts),
      domain_(bundle.domain),
      user_(std::move(user)),
      aor_(fmt::format("sip:{}@{}", user_, domain_)),
      self_(bundle.peer_id()),
      signer_{bundle.key, bundle.credential},
      sealer_(bundle.network_key),
      checker_(bundle.domain, bundle.authority, parts.metrics),
      asker_({parts.loop, parts.random, parts.metrics, parts.transport, parts.transactions}, domain_, self_),
      links_(asker_, {.bootstrap = std::move(bootstrap), .nodes_file = {}}),
      overlay_(overlay::make_remote_overlay(parts.loop, parts.metrics, checker_, links_)),
      directory_(parts.loop, *overlay_, signer_, parts.random, parts.metrics),
      round_trips_(parts.loop, parts.network, parts.random, parts.metrics),
      digest_(parts.random),
      publish_(parts.loop.timers(), [this] { publish(); }),
      goodbye_(parts.loop.timers(), [this] {
        links_.stop();
        if (auto done = std::exchange(stopped_, nullptr)) done();
      }) {
  make_token({});
}

MemberLine::~MemberLine() { links_.remove_user(*this); }

void MemberLine::start(Client&, LineUser& user) {
  line_user_ = &user;
  links_.add_user(*this);
  links_.start();
}

void MemberLine::stop(std::function<void()> done) {
  publish_.stop();
  if (!links_.up().empty()) {
    put(overlay::Kind::user, aor_, {});
    put(overlay::Kind::peer, fmt::format("sip:_{}@{}", self_.text(), domain_), {});
  }
  stopped_ = std::move(done);
  goodbye_.start(links_.up().empty() ? base::Duration::zero() : kGoodbye);
}

void MemberLine::detach() {
  publish_.stop();
  goodbye_.stop();
  links_.remove_user(*this);
  line_user_ = nullptr;
}

// ---- where requests go and come from

std::optional<sip::Flow> MemberLine::flow() {
  const auto& up = links_.up();
  for (const auto& link : up)
    if (!avoided_ || link.flow != *avoided_) return link.flow;
  return up.empty() ? std::nullopt : std::optional(up.front().flow);
}

void MemberLine::failed(const sip::Flow& flow) { avoided_ = flow; }

// Any proxy of the domain finds the way there: by this peer's record, or the user's.
std::string MemberLine::contact() { return fmt::format("sip:_{}.{}@{}", self_.text(), token_, domain_); }

void MemberLine::make_token(net::Address seen) {
  token_ = sealer_.seal({.user = user_,
                         .instance = identity::instance_hash(self_.text()),
                         .transport = net::Transport::tls,
                         .source = seen});
}

bool MemberLine::is_for_us(const sip::Uri& uri) const {
  if (!uri.is_sip || !sip::same_text(uri.host, domain_)) return false;
  std::string room;
  if (sip::plain_user(uri, room) == user_) return true;
  const std::string own = "_" + self_.text();
  return uri.user.size() >= own.size() && sip::same_text(uri.user.substr(0, own.size()), own) &&
         (uri.user.size() == own.size() || uri.user[own.size()] == '.');
}

bool MemberLine::take_request(sip::ServerTransaction& transaction, const sip::Message& request,
                              const sip::Flow& flow) {
  if (!flow.member || request.method_text() != overlay::kLinkMethod) return false;
  links_.on_link_request(transaction, request, flow);
  return true;
}

void MemberLine::on_flow_closed(const sip::Flow& flow) {
  if (flow.member) links_.on_link_closed(flow);
}

// ---- the records

void MemberLine::on_link_up(const overlay::PublicLinks::Link& link) {
  make_token(link.seen);
  if (!stopped_) publish_.start(kGather);
}

void MemberLine::on_link_down(const overlay::PublicLinks::Link& link) {
  if (avoided_ == link.flow) avoided_.reset();
  if (stopped_) return;
  if (!links_.up().empty()) return publish_.start(kGather);
  publish_.stop();
  line_user_->on_line_down({"a public peer of " + domain_ + " to be reached", "none answers",
                            "check the network and the bootstrap addresses of the bundle"},
                           false);
}

void MemberLine::on_news(const overlay::PublicLinks::Link&, const overlay::LinkQuestion&) {}

void MemberLine::publish() {
  const base::UnixMs now = parts_.loop.unix_now();
  const auto vias = links_.vias();
  if (vias.empty()) return;
  overlay::UserBody body{.contacts = {}, .vias = vias};
  body.contacts.push_back({.instance = identity::instance_hash(self_.text()),
                           .home = self_,
                           .endpoints = {},
                           .token = token_,
                           .q = 1000,
                           .registered = now,
                           .expiry = now + kRecordLife.count(),
                           .vias = {}});
  put(overlay::Kind::user, aor_, overlay::encode(body));
  put(overlay::Kind::peer, fmt::format("sip:_{}@{}", self_.text(), domain_),
      overlay::encode(overlay::PeerBody{.links = {}, .vias = vias}));
  // A peer's record lives for two minutes.
  publish_.start(std::min(kRecordRefresh, overlay::max_life(overlay::Kind::peer) / 3));
  line_user_->on_line_up();
}

void MemberLine::put(overlay::Kind kind, std::string uri, base::Bytes body) {
  const base::UnixMs now = parts_.loop.unix_now();
  sequence_ = std::max(sequence_ + 1, now);
  const auto life = std::min(kRecordLife, overlay::max_life(kind));
  overlay_->put(signer_.sign(kind, std::move(uri), sequence_, now + life.count(), std::move(body)));
}

// ---- relays

std::vector<RelayServer> MemberLine::with_tokens(const std::vector<overlay::ServiceBody>& relays,
                                                 bool over_udp) {
  std::vector<RelayServer> servers;
  std::vector<identity::TokenKey> keys;
  for (const auto& relay : relays) {
    const auto fits = [&](const net::Endpoint& e) { return net::is_stream(e.transport) != over_udp; };
    const auto endpoint = std::ranges::find_if(relay.endpoints, fits);
    if (!relay.token_key || endpoint == relay.endpoints.end() || servers.size() == limits::kMaxRelays)
      continue;
    servers.push_back({*endpoint, {}, {}, domain_});
    keys.push_back(*relay.token_key);
  }
  if (keys.empty()) return {};
  const base::UnixMs end = static_cast<base::UnixMs>(signer_.credential.not_after) * 1000;
  const base::UnixMs expiry = std::min(parts_.loop.unix_now() + limits::kRelayTokenLife.count(), end);
  auto tokens =
      identity::make_relay_tokens(user_, expiry, signer_.key, signer_.credential, keys, parts_.random);
  if (!tokens) return {};
  for (std::size_t i = 0; i < servers.size(); ++i) {
    servers[i].user = std::move((*tokens)[i].username);
    servers[i].password = std::move((*tokens)[i].password);
  }
  return servers;
}

void MemberLine::relays(std::function<void(std::vector<RelayServer>)> done) {
  const std::string uri = "turn:" + domain_;
  directory_.find_near(uri, round_trips_, limits::kMaxRelays,
                       [this, uri, done = std::move(done)](const std::vector<overlay::Near>& near) {
                         std::vector<overlay::ServiceBody> bodies;
                         for (const auto& one : near) bodies.push_back(one.body);
                         if (!bodies.empty()) return done(with_tokens(bodies, true));
                         directory_.find(uri, [this, done](const std::vector<overlay::ServiceBody>& all) {
                           done(with_tokens(all, false));
                         });
                       });
}

}  // namespace causeway::ua
