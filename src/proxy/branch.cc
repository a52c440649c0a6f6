// Branches: one target each, tried place after place.
#include "base/limits.h"
#include "proxy/response_context.h"
#include "proxy/targets.h"
#include "sip/rewrite.h"

namespace causeway::proxy {
namespace {

// RFC 3261 16.6 step 2: a Contact may have headers behind its '?' (RFC 4475 3.3.14), a Request-URI not.
std::string_view without_headers(std::string_view contact) {
  if (contact.find('?') == contact.npos) return contact;
  const auto uri = sip::parse_uri(contact);
  if (!uri || !uri->headers.data()) return contact;
  return contact.substr(0, static_cast<std::size_t>(uri->headers.data() - contact.data()) - 1);
}

}  // namespace

Branch::Branch() : Node(Kind::branch), timer(&ResponseContexts::on_timer) { timer.branch = this; }

void Branch::reset() {
  timer.stop();
  ++generation;
  context = nullptr;
  next = nullptr;
  client = nullptr;
  state = State::waiting;
  how = How::binding;
  accepted = answered_503 = timed_out = searched_again = exhausted = flow_target = in_route = keep_uri =
      false;
  searches = 0;
  q = 1000;
  breadth = 1;
  instance = 0;
  flows_tried = 0;
  home = {};
  uri.clear();
  flow_user.clear();
  source = {};
  link.reset();
  attached = by_via = via_ends_here = impatient = silent = arrived = false;
  first = this;
  hops.clear();
  next_hop = 0;
  trying_peer.reset();
  shown = false;
  leg.reset();
  shown_as = {};
}

Branch& ResponseContexts::add(ResponseContext& context, Branch::How how, std::uint16_t q) {
  Branch& branch = branches_.take();
  branch.context = &context;
  branch.how = how;
  branch.q = q;
  Branch** place = &context.branches;
  while (*place) place = &(*place)->next;
  *place = &branch;
  ++context.branch_count;
  return branch;
}

// The targets of the highest q that is left, in parallel, as far as Max-Breadth reaches (RFC 5393 5.3.3);
// the others wait for these, or are left out.
void ResponseContexts::start_group(ResponseContext& context) {
  int q = -1, count = 0;
  for (Branch* b = context.branches; b; b = b->next) {
    if (b->state != Branch::State::waiting) continue;
    if (b->q > q) count = 0;
    q = std::max<int>(q, b->q);
    if (b->q == q) ++count;
  }
  const int most = std::min(count, context.breadth);
  int started = 0;
  for (Branch* b = context.branches; b && started < most; b = b->next) {
    if (b->state != Branch::State::waiting || b->q != q) continue;
    b->breadth = context.breadth / most + (started < context.breadth % most ? 1 : 0);
    ++started;
    start(*b);
    if (context.server == nullptr) return;  // an ACK has one target
  }
  for (Branch* b = context.branches; b && !context.in_turn; b = b->next) {
    if (b->state != Branch::State::waiting) continue;
    ++core_.metrics.forks_left_out;
    finish(*b);
  }
}

void ResponseContexts::start(Branch& branch) {
  branch.state = Branch::State::searching;
  targets_->find_places(branch);
  if (branch.state == Branch::State::searching) wait(*branch.context);
}

void ResponseContexts::resolved(Branch& branch) {
  if (branch.state == Branch::State::searching) advance(branch);
}

// Lookups may answer at once, from inside: only the outermost call concludes anything.
void ResponseContexts::advance(Branch& branch) {
  ResponseContext& context = *branch.context;
  const bool outer = std::exchange(context.going, true);
  try_next(branch);
  context.going = outer;
  settle(context);
}

void ResponseContexts::fail(Branch& branch, int status, std::string_view reason) {
  if (branch.state == Branch::State::done) return;
  branch.context->best.consider_local(status, reason);
  finish(branch);
  settle(*branch.context);
}

// The flow to the next place, if there is one that can be sent to.
std::optional<sip::Flow> ResponseContexts::next_flow(Branch& branch) {
  auto& transport = core_.parts.transport;
  branch.trying_peer.reset();
  branch.by_via = false;
  if (branch.link) {
    const sip::Flow flow = *branch.link;
    branch.link.reset();
    branch.by_via = branch.attached;
    if (transport.alive(flow)) return flow;
  }
  branch.attached = false;
  while (branch.next_hop < branch.hops.size()) {
    const Hop& hop = branch.hops[branch.next_hop++];
    if (auto flow = transport.flow_to(hop.target)) {
      branch.trying_peer = hop.peer;
      branch.by_via = hop.is_via;
      return flow;
    }
  }
  while (branch.how == Branch::How::binding && branch.hops.empty()) {
    auto [flow, more] = targets_->next_phone_flow(branch);
    if (!more) break;
    if (flow) return flow;
  }
  return std::nullopt;
}

// Sends to the next place, or looks for others, or gives the branch up.
void ResponseContexts::try_next(Branch& branch) {
  ResponseContext& context = *branch.context;
  if (context.cancelled || context.answered) return finish(branch);
  if (branch.to_phone() && !branch.shown && core_.is_for_hook(context.method, context.user))
    return show(branch);
  while (auto flow = next_flow(branch)) {
    const bool sent = context.server ? transmit(branch, *flow) : transmit_ack(branch, *flow);
    if (sent) return;
    if (branch.state == Branch::State::done) return;
  }
  branch.state = Branch::State::searching;
  if (targets_->find_again(branch)) {
    if (branch.state == Branch::State::searching) wait(context);
    return;
  }
  conclude(branch);
  finish(branch);
}

// The branch is still searching, until the hook has answered.
void ResponseContexts::show(Branch& branch) {
  ResponseContext& context = *branch.context;
  branch.shown = true;
  branch.state = Branch::State::searching;
  const Handle handle(branch);
  sip::Message room;
  core_.parts.phones->request(context.message(room), Crossing::to_phone, context.user,
                              targets_->source_of(branch), [handle](PhoneHook::Shown shown) {
                                if (auto* b = handle.get()) b->context->owner->shown(*b, std::move(shown));
                              });
  if (handle.get() && branch.state == Branch::State::searching) wait(context);
}

void ResponseContexts::shown(Branch& branch, PhoneHook::Shown shown) {
  if (branch.state != Branch::State::searching) return;
  if (shown.refused) return fail(branch, shown.refused, shown.reason);
  branch.leg = std::move(shown.leg);
  branch.shown_as = std::move(shown.request);
  resolved(branch);
}

// All places of a branch were tried in vain: what its sender is told if no other branch does better.
void ResponseContexts::conclude(Branch& branch) {
  auto& best = branch.context->best;
  if (branch.answered_503) return;  // that stands
  if (branch.via_ends_here) return best.consider_local(503, "That peer is not reached through this one now");
  if (branch.timed_out) return best.consider_local(408, sip::reason_phrase(408));
  switch (branch.how) {
    case Branch::How::via_proxy:
      return best.consider_local(503, "No proxy peer can be reached");
    case Branch::How::outside:
      // To another peer 503: it may try a better connected proxy peer. To others 500 (16.7 step 6).
      return best.consider_local(branch.context->plan.from_member ? 503 : 500,
                                 "No server of that domain can be reached");
    case Branch::How::binding:
    case Branch::How::member:
    case Branch::How::source:
      return best.consider_local(480, "That phone cannot be reached");
  }
}

base::Buffer ResponseContexts::build(Branch& branch, const sip::Flow& flow, std::string_view via_branch) {
  ResponseContext& context = *branch.context;
  Leg leg;
  leg.breadth = branch.breadth;
  leg.uri = branch.uri;
  leg.to_outside = branch.how == Branch::How::outside;
  if (branch.to_phone() && branch.in_route) leg.pop = 1 + context.plan.pop_behind;
  if (branch.how == Branch::How::binding) {
    const auto* binding = targets_->binding_of(branch);
    if (!binding) return {};
    if (!branch.keep_uri) leg.uri = without_headers(binding->contact());
    leg.callee_token = binding->token();
    leg.path = binding->path();
  } else if (branch.how == Branch::How::source) {
    leg.callee_flow = branch.flow_user;
  }
  if (context.registration) leg.contact = context.registration->new_contact;
  leg.stays_here = branch.to_phone() && branch.leg;
  sip::Message room;
  const bool as_shown = branch.to_phone() && branch.shown_as && room.parse(branch.shown_as.view());
  return splice_request(as_shown ? room : context.message(room), context.plan, leg, core_, flow, via_branch);
}

bool ResponseContexts::transmit(Branch& branch, const sip::Flow& flow) {
  ResponseContext& context = *branch.context;
  auto& transactions = core_.parts.transactions;
  auto& client = transactions.open_client(context.method, {}, flow, *this, context.plan.loop_hash);
  auto bytes = build(branch, flow, client.branch().view());
  if (!bytes) {
    ++core_.metrics.unsent;
    transactions.discard(client);
    context.best.consider_local(500, "Too many header fields to change");
    finish(branch);
    return false;
  }
  ++core_.metrics.forwarded;
  keep(context);
  client.context = static_cast<Node*>(&branch);
  branch.client = &client;
  branch.state = Branch::State::trying;
  arm(branch);
  transactions.start(client, std::move(bytes));
  return true;
}

// 16.11: no transaction, no response; the branch only has to differ from that of the INVITE.
bool ResponseContexts::transmit_ack(Branch& branch, const sip::Flow& flow) {
  const auto& client =
      core_.parts.transactions.open_client(sip::Method::ack, {}, flow, *this, branch.context->plan.loop_hash);
  auto bytes = build(branch, flow, client.branch().view());
  core_.parts.transactions.discard(const_cast<sip::ClientTransaction&>(client));
  if (bytes) {
    ++core_.metrics.acks;
    core_.parts.transport.send(flow, std::move(bytes));
  } else {
    ++core_.metrics.acks_dropped;
  }
  branch.context->answered = true;
  finish(branch);
  return true;
}

namespace {

// Whether there is another place, or another peer may be found, if this one stays silent.
bool has_more(const Branch& branch) {
  return branch.next_hop < branch.hops.size() || branch.via_ends_here ||
         (branch.how == Branch::How::member && !branch.exhausted && !branch.context->user.empty());
}

}  // namespace

void ResponseContexts::arm(Branch& branch) {
  const bool more = has_more(branch);
  branch.impatient = more;
  if (!more && branch.context->method != sip::Method::invite) return branch.timer.stop();
  const bool by_peer = branch.how == Branch::How::member || branch.how == Branch::How::via_proxy;
  const auto patience = by_peer && branch.context->method != sip::Method::invite ? limits::kPeerPatience
                        : branch.by_via                                          ? limits::kViaPatience
                                                                                 : limits::kHopPatience;
  core_.parts.loop.timers().start(branch.timer, more ? patience : sip::limits::kTimerC);
}

void ResponseContexts::on_timer(base::TimerNode& node) {
  Branch& branch = *static_cast<Branch::BranchTimer&>(node).branch;
  branch.context->owner->out_of_patience(branch);
}

void ResponseContexts::out_of_patience(Branch& branch) {
  ResponseContext& context = *branch.context;
  if (branch.state != Branch::State::trying) return;
  // It has said 100: somebody is there.
  if (std::exchange(branch.impatient, false) && branch.client->has_provisional())
    return context.method == sip::Method::invite
               ? core_.parts.loop.timers().start(branch.timer, sip::limits::kTimerC)
               : branch.timer.stop();
  if (!branch.client->has_provisional() && has_more(branch)) {
    ++core_.metrics.failovers;
    return branch.via_ends_here ? give_back(branch) : try_beside(branch);
  }
  // 16.8. Without a provisional response Timer B has ended the transaction long ago.
  ++core_.metrics.timer_c;
  core_.parts.transactions.cancel(*branch.client);
}

// The next place, while this one may still answer.
void ResponseContexts::try_beside(Branch& branch) {
  if (branch.trying_peer) core_.parts.directory.failed(*branch.trying_peer);
  // A peer has one link, whatever its addresses.
  while (branch.trying_peer && branch.next_hop < branch.hops.size() &&
         branch.hops[branch.next_hop].peer == branch.trying_peer)
    ++branch.next_hop;
  Branch& beside = add(*branch.context, branch.how, branch.q);
  take_over(beside, branch);
  arm(branch);
  beside.state = Branch::State::searching;
  resolved(beside);
}

// ---- ways that end at a silent link

namespace {

constexpr std::string_view kSilent = "SIP;cause=408;text=\"Silent\"";

bool says_silent(const sip::Message& response) {
  return response.status() == 182 && response.value(sip::HeaderName::reason) == kSilent;
}

}  // namespace

// Its sender has another way to that peer, and waits to hear that this one may be none. What went there may
// only be late: an INVITE is waited for, so that its answer finds the way back, and the sender is told.
void ResponseContexts::give_back(Branch& branch) {
  ResponseContext& context = *branch.context;
  if (context.method == sip::Method::invite) {
    sip::Message room;
    const sip::ExtraHeader reason{"Reason", kSilent};
    return core_.answer(context.server, context.message(room), 182, sip::reason_phrase(182), {&reason, 1});
  }
  core_.parts.transactions.cancel(*branch.client);
  conclude(branch);
  finish(branch);
  settle(context);
}

// The other end of that: true if it is what the response says. The next way is tried beside this one.
bool ResponseContexts::take_silence(Branch& branch, const sip::Message& response) {
  if (!branch.by_via || !says_silent(response)) return false;
  ResponseContext& context = *branch.context;
  if (branch.silent || context.answered || context.cancelled) return true;
  branch.silent = true;
  if (branch.next_hop < branch.hops.size()) {
    ++core_.metrics.failovers;
    try_beside(branch);
  } else {
    settle(context);
  }
  return true;
}

// Silent ways are waited for while another one to the same peer is tried, and when that has heard from there
// that the request has arrived: it came twice (482), or is out of order (500).
void ResponseContexts::end_silent(ResponseContext& context) {
  const auto is_open = [](const Branch& b) {
    return b.state == Branch::State::searching || b.state == Branch::State::trying;
  };
  for (Branch* b = context.branches; b; b = b->next) {
    if (!b->silent || b->state != Branch::State::trying || b->first->arrived) continue;
    bool another = false;
    for (Branch* c = context.branches; c; c = c->next)
      another |= c->first == b->first && !c->silent && is_open(*c);
    if (another) continue;
    context.best.consider_local(480, "That phone cannot be reached");
    core_.parts.transactions.cancel(*b->client);
    finish(*b);
  }
}

// The places that are left, to a branch beside.
void ResponseContexts::take_over(Branch& to, Branch& from) {
  to.first = from.first;
  to.flow_target = from.flow_target;
  to.in_route = from.in_route;
  to.keep_uri = from.keep_uri;
  to.breadth = from.breadth;
  to.instance = from.instance;
  to.flows_tried = from.flows_tried;
  to.home = from.home;
  to.uri = from.uri;
  to.flow_user = from.flow_user;
  to.source = from.source;
  to.searches = from.searches;
  to.shown = from.shown;
  to.leg = from.leg;
  to.shown_as = from.shown_as;
  to.hops = std::exchange(from.hops, {});
  to.next_hop = std::exchange(from.next_hop, 0);
  // The peer that is silent is not asked again.
  to.searched_again =
      to.how == Branch::How::member && to.next_hop == to.hops.size() && !std::exchange(from.attached, false);
  from.exhausted = true;  // the other one goes on looking
}

}  // namespace causeway::proxy
