#include "proxy/targets.h"
#include "base/limits.h"

#include <algorithm>
#include <array>

#include "identity/bundle.h"
#include "sip/headers.h"
#include "sip/rewrite.h"

namespace causeway::proxy {
namespace {

// What forwarding adds to a request: a Via and two Record-Route values.
constexpr std::size_t kForwardingAdds = 330;

using registrar::Binding;
using State = Branch::State;
using How = Branch::How;

// The flows of one phone, the newest first (RFC 5626: several reg-ids under one instance).
struct Flows {
  std::array<const Binding*, limits::kMaxFlows> item;
  std::size_t count = 0;
};
Flows flows_of(const registrar::Bindings& bindings, std::string_view user, std::uint64_t instance) {
  Flows flows;
  for (const auto& b : bindings.of(user)) {
    if (b.instance_hash != instance || flows.count == limits::kMaxFlows) continue;
    std::size_t at = flows.count++;
    for (; at > 0 && flows.item[at - 1]->registered < b.registered; --at) flows.item[at] = flows.item[at - 1];
    flows.item[at] = &b;
  }
  return flows;
}

bool by_address(const Binding& b) { return b.by_flow || (b.path().empty() && b.contact_endpoint); }

// Where a binding without a numeric address leads: its topmost Path, or its Contact.
std::optional<sip::Uri> first_hop(const Binding& b) {
  if (b.path().empty()) {
    auto uri = sip::parse_uri(b.contact());
    return uri ? std::optional(*uri) : std::nullopt;
  }
  const auto values = sip::split_first(b.path());
  auto address = values ? sip::parse_name_addr(values->first) : std::unexpected(values.error());
  return address ? std::optional(address->uri) : std::nullopt;
}

bool is_secure(const Binding& b) {
  return (b.by_flow            ? b.flow.transport
          : b.contact_endpoint ? b.contact_endpoint->transport
                               : net::Transport::udp) == net::Transport::tls;
}

std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      if (auto byte = base::from_hex(text.substr(i + 1, 2))) {
        result += static_cast<char>((*byte)[0]);
        i += 2;
        continue;
      }
    }
    result += text[i];
  }
  return result;
}

}  // namespace

// ---- users

Targets::Wanted Targets::wanted(const sip::Uri& uri) {
  Wanted result;
  auto gr = uri.param("gr");
  if (!gr || gr->empty()) return result;
  const std::string instance = unescaped(*gr);
  result.one = true;
  result.bare = identity::instance_hash(instance);
  result.bracketed = identity::instance_hash("<" + instance + ">");
  return result;
}

void Targets::to_user(ResponseContext& context, const sip::Uri& uri) {
  std::string room;
  context.user = sip::plain_user(uri, room);
  const Wanted want = wanted(uri);
  add_bindings(context, want);
  // Alone, what this peer has put is all there is, and it comes from these bindings.
  // But for what those have put who are reached through it.
  if (core_.parts.overlay.alone() && !core_.has_attached()) return user_found(context, {}, want);

  const Handle handle(context);
  if (!want.one) {  // the usual case: small enough to need no memory
    core_.parts.users.find(aor(context.user), [handle](const overlay::UserLookup& lookup) {
      if (auto* c = handle.get()) c->owner->targets().user_found(*c, lookup, {});
    });
  } else {
    core_.parts.users.find(aor(context.user), [handle, want](const overlay::UserLookup& lookup) {
      if (auto* c = handle.get()) c->owner->targets().user_found(*c, lookup, want);
    });
  }
  if (auto* c = handle.get(); c && !c->going && !c->found) contexts_.wait(*c);
}

bool Targets::has_room(const ResponseContext& context) const {
  if (context.branch_count < core_.config.max_forks) return true;
  ++core_.metrics.forks_left_out;
  return false;
}

void Targets::add_bindings(ResponseContext& context, const Wanted& want) {
  const auto* bindings = core_.bindings();
  if (!bindings) return;
  const auto all = bindings->of(context.user);
  for (const auto& b : all) {
    if (!want.covers(b.instance_hash)) continue;
    if (context.plan.secure && !is_secure(b)) continue;
    bool newest = true;
    for (const auto& other : all)
      newest &= &other == &b || other.instance_hash != b.instance_hash || other.registered < b.registered ||
                (other.registered == b.registered && &other > &b);
    if (newest && has_room(context)) contexts_.add(context, How::binding, b.q).instance = b.instance_hash;
  }
}

void Targets::add_contact(ResponseContext& context, const overlay::UserContact& contact) {
  if (contact.home == core_.names.self()) return;  // our own record: the bindings are fresher
  for (Branch* b = context.branches; b; b = b->next) {
    if (b->instance != contact.instance) continue;
    if (b->how != How::binding) return;
    const auto* binding = core_.bindings()->find(context.user, contact.instance);
    if (!binding || binding->registered >= contact.registered) return;
    b->q = contact.q;  // the phone has gone there since
    return set_member(*b, contact);
  }
  if (!has_room(context)) return;
  set_member(contexts_.add(context, How::member, contact.q), contact);
}

void Targets::set_member(Branch& branch, const overlay::UserContact& contact) {
  branch.how = How::member;
  branch.instance = contact.instance;
  branch.home = contact.home;
  add_places(branch, contact.vias, contact.endpoints);
  if (!branch.flow_target)
    branch.uri = (branch.context->plan.secure ? "sips:_" : "sip:_") + contact.home.text() + "." +
                 contact.token + "@" + core_.names.domain();
}

// A peer has sent it here because this one leads to the home peer; it has others to go to.
bool Targets::chosen_as_via(const Branch& branch) {
  const Plan& plan = branch.context->plan;
  return plan.from_member && !plan.from_user && (branch.flow_target || branch.context->user.empty());
}

// Those of the peer `branch.home`.
void Targets::add_places(Branch& branch, const std::vector<overlay::ViaPeer>& vias,
                         const std::vector<net::Address>& links) {
  branch.hops.clear();
  branch.next_hop = 0;
  const auto self = core_.names.self();
  branch.via_ends_here =
      chosen_as_via(branch) && std::ranges::any_of(vias, [&](const auto& via) { return via.peer == self; });
  for (const auto& via : vias) {
    if (via.peer == self || branch.via_ends_here) continue;
    const auto name = identity::peer_host(via.peer, core_.names.domain());
    for (const auto& address : via.links)
      branch.hops.push_back({{{net::Transport::tls, address}, name, true}, via.peer, true});
  }
  const auto name = identity::peer_host(branch.home, core_.names.domain());
  for (const auto& address : links)
    branch.hops.push_back({{{net::Transport::tls, address}, name, true}, branch.home});
}

void Targets::user_found(ResponseContext& context, const overlay::UserLookup& lookup, const Wanted& want) {
  context.found = true;
  for (const auto& contact : lookup.contacts)
    if (want.covers(contact.instance)) add_contact(context, contact);
  if (context.branches) return contexts_.go(context);
  const auto* bindings = core_.bindings();
  const bool known = lookup.known || !lookup.contacts.empty() ||
                     (core_.parts.registrar && core_.parts.registrar->accounts().find(context.user)) ||
                     (bindings && !bindings->of(context.user).empty());
  if (lookup.refused) return contexts_.refuse(context, 503, "Too many users are being looked up");
  if (known) return contexts_.refuse(context, 480, "Temporarily Unavailable");
  contexts_.refuse(context, 404, "Not Found");
}

// ---- flows

void Targets::to_flow(ResponseContext& context, const Route& route, const sip::Uri& request_uri) {
  const auto* token = core_.tokens.open(route.name.token);
  if (!token) return contexts_.refuse(context, 404, "Not Found: no flow token of this domain");
  context.user = token->user;
  Branch& branch = contexts_.add(context, How::member);
  branch.flow_target = true;
  branch.in_route = route.in_route;
  branch.flow_user = route.name.user;
  branch.home = route.name.peer;
  branch.instance = token->instance;
  branch.source = {token->transport, token->source};
  // A Request-URI of this domain is a GRUU of that phone, and is translated; else it is the Contact
  // that the phone has given in this dialogue.
  branch.keep_uri = route.in_route && core_.names.read(request_uri).place == Place::foreign;
  const auto* bindings = core_.bindings();
  if (bindings && bindings->find(context.user, branch.instance)) branch.how = How::binding;
  contexts_.go(context);
}

void Targets::find_flow(Branch& branch) {
  const Handle handle(branch);
  core_.parts.users.find(aor(branch.context->user), [handle](const overlay::UserLookup& lookup) {
    if (auto* b = handle.get()) b->context->owner->targets().flow_found(*b, lookup);
  });
}

void Targets::flow_found(Branch& branch, const overlay::UserLookup& lookup) {
  if (branch.state != State::searching) return;
  const auto& self = core_.names.self();
  for (const auto& contact : lookup.contacts) {
    if (contact.instance != branch.instance || contact.home == self) continue;
    if (branch.searched_again && contact.home == branch.home) continue;  // it was tried
    if (branch.searched_again) ++core_.metrics.found_again;
    set_member(branch, contact);
    return contexts_.resolved(branch);
  }
  if (!branch.searched_again && branch.home != self) return peer_record(branch);
  last_resort(branch);
}

void Targets::peer_record(Branch& branch) {
  const Handle handle(branch);
  core_.parts.overlay.get("sip:_" + branch.home.text() + "@" + core_.names.domain(),
                          overlay::limits::kLookupPatience, nullptr,
                          [handle](const std::vector<overlay::Record>& records) {
                            if (auto* b = handle.get()) b->context->owner->targets().peer_found(*b, records);
                          });
}

void Targets::peer_found(Branch& branch, const std::vector<overlay::Record>& records) {
  if (branch.state != State::searching) return;
  for (const auto& record : records) {
    if (record.kind != overlay::Kind::peer || record.is_tombstone()) continue;
    if (auto body = overlay::decode_peer(record.body)) add_places(branch, body->vias, body->links);
  }
  if (branch.hops.empty()) return last_resort(branch);
  contexts_.resolved(branch);
}

// The phone is registered nowhere, but was at this address when the dialogue began.
void Targets::last_resort(Branch& branch) {
  const bool may = branch.flow_target && branch.how != How::source && branch.keep_uri &&
                   branch.context->in_dialogue && branch.source.transport == net::Transport::udp;
  branch.exhausted = true;
  branch.hops.clear();
  branch.next_hop = 0;
  if (may) {
    branch.how = How::source;
    branch.hops.push_back({{branch.source, {}, false}, std::nullopt});
  }
  contexts_.resolved(branch);
}

// ---- peers and other domains

void Targets::to_peer(ResponseContext& context, const identity::PeerId& peer) {
  Branch& branch = contexts_.add(context, How::member);
  branch.home = peer;
  contexts_.go(context);
}

void Targets::to_outside(ResponseContext& context) {
  contexts_.add(context, core_.config.is_proxy ? How::outside : How::via_proxy);
  contexts_.go(context);
}

void Targets::ask_dns(Branch& branch, const sip::Uri& uri) {
  const auto question =
      dns::question_of(uri.param("maddr").value_or(uri.host), uri.port, uri.param("transport"), uri.is_sips);
  if (!question) return contexts_.fail(branch, 500, "Transport not supported");
  const Handle handle(branch);
  core_.parts.locator.locate(*question, [handle](dns::Hops hops) {
    if (auto* b = handle.get()) b->context->owner->targets().located(*b, std::move(hops));
  });
}

void Targets::located(Branch& branch, dns::Hops hops) {
  if (branch.state != State::searching) return;
  if (!hops)
    return contexts_.fail(branch, branch.context->plan.from_member ? 503 : 500, hops.error().message);
  // RFC 3261 18.1.1: a request that may not fit one datagram on its path goes over a stream, where the
  // other domain's DNS offers one.
  const ResponseContext& context = *branch.context;
  const auto bytes = context.live ? context.live->bytes().size() : context.copy.size();
  if (bytes + kForwardingAdds > sip::limits::kMaxUdpRequest)
    std::ranges::stable_partition(*hops,
                                  [](const dns::Hop& hop) { return net::is_stream(hop.endpoint.transport); });
  for (auto& hop : *hops) branch.hops.push_back({{hop.endpoint, std::move(hop.name), false}, std::nullopt});
  contexts_.resolved(branch);
}

void Targets::ask_directory(Branch& branch) {
  const Handle handle(branch);
  core_.parts.directory.find("sip:" + core_.names.domain(),
                             [handle](std::vector<overlay::ServiceBody> peers) {
                               if (auto* b = handle.get())
                                 b->context->owner->targets().proxies_found(*b, peers);
                             });
}

void Targets::proxies_found(Branch& branch, const std::vector<overlay::ServiceBody>& peers) {
  if (branch.state != State::searching) return;
  for (const auto& peer : peers) {
    if (peer.peer == core_.names.self()) continue;
    const auto name = identity::peer_host(peer.peer, core_.names.domain());
    for (const auto& address : peer.links)
      branch.hops.push_back({{{net::Transport::tls, address}, name, true}, peer.peer});
  }
  contexts_.resolved(branch);
}

// ---- places

// An open link to that peer; through this one, or, if nothing is known of its addresses, any.
void Targets::find_link(Branch& branch) {
  branch.link = core_.attached(branch.home);
  branch.attached = branch.link.has_value();
  branch.via_ends_here |= branch.attached && chosen_as_via(branch);
  if (!branch.link && branch.hops.empty() && branch.home != core_.names.self())
    branch.link = core_.parts.transport.member_flow(identity::peer_host(branch.home, core_.names.domain()));
}

void Targets::find_places(Branch& branch) {
  switch (branch.how) {
    case How::binding: {
      const auto flows = flows_of(*core_.bindings(), branch.context->user, branch.instance);
      if (flows.count == 0 || by_address(*flows.item[0])) return contexts_.resolved(branch);
      branch.flows_tried = 1;
      const auto uri = first_hop(*flows.item[0]);
      if (!uri) return contexts_.resolved(branch);
      return ask_dns(branch, *uri);
    }
    case How::member:
      if (!branch.link) find_link(branch);
      if (branch.link || !branch.hops.empty()) return contexts_.resolved(branch);
      return branch.flow_target ? find_flow(branch) : peer_record(branch);
    case How::outside: {
      sip::Message room;
      auto uri = next_hop(branch.context->message(room), branch.context->plan.pop);
      if (!uri) return contexts_.fail(branch, 400, "Bad Route");
      return ask_dns(branch, *uri);
    }
    case How::via_proxy:
      return ask_directory(branch);
    case How::source:
      return contexts_.resolved(branch);
  }
}

bool Targets::find_again(Branch& branch) {
  const bool a_phone = branch.how == How::binding || branch.how == How::member;
  if (!a_phone || branch.exhausted || branch.via_ends_here || branch.context->user.empty()) return false;
  if (branch.searches++ == 2) {
    last_resort(branch);
    return true;
  }
  // After an open peer link has failed only, its peer is worth another try by address.
  branch.searched_again |= branch.how == How::binding || branch.next_hop > 0;
  branch.hops.clear();
  branch.next_hop = 0;
  find_flow(branch);
  return true;
}

const Binding* Targets::binding_of(const Branch& branch) const {
  const auto flows = flows_of(*core_.bindings(), branch.context->user, branch.instance);
  return branch.flows_tried > 0 && branch.flows_tried <= flows.count ? flows.item[branch.flows_tried - 1]
                                                                     : nullptr;
}

net::Ip Targets::source_of(const Branch& branch) const {
  if (branch.how == How::source) return branch.source.address.ip;
  const auto flows = flows_of(*core_.bindings(), branch.context->user, branch.instance);
  return flows.count > 0 ? flows.item[0]->flow.remote.ip : net::Ip();
}

std::pair<std::optional<sip::Flow>, bool> Targets::next_phone_flow(Branch& branch) {
  const auto flows = flows_of(*core_.bindings(), branch.context->user, branch.instance);
  if (branch.flows_tried >= flows.count) return {std::nullopt, false};
  const Binding& b = *flows.item[branch.flows_tried++];
  auto& transport = core_.parts.transport;
  if (b.by_flow && transport.alive(b.flow)) return {b.flow, true};
  // A stream that has ended can be made anew if the phone is where it says it is.
  const bool reachable = b.contact_endpoint && b.contact_endpoint->address.ip == b.flow.remote.ip;
  if (b.by_flow && !reachable) return {std::nullopt, true};
  if (!by_address(b)) return {std::nullopt, true};
  sip::Target to{*b.contact_endpoint, {}, false};
  if (net::is_stream(to.endpoint.transport)) to.tls_name = to.endpoint.address.ip.text();
  return {transport.flow_to(to), true};
}

}  // namespace causeway::proxy
