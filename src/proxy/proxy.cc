#include "proxy/proxy.h"

#include "proxy/core.h"
#include "proxy/record_route.h"
#include "proxy/response_context.h"
#include "proxy/route.h"
#include "proxy/sender.h"
#include "proxy/targets.h"
#include "sip/headers.h"
#include "sip/rewrite.h"

namespace causeway::proxy {
namespace {

using sip::ExtraHeader;
using sip::HeaderName;
using sip::Message;
using sip::Method;

constexpr std::string_view kAllow =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER, MESSAGE, SUBSCRIBE, NOTIFY, "
    "PUBLISH";

}  // namespace

class Proxy::Impl {
 public:
  Impl(ProxyConfig config, ProxyParts parts)
      : core_(std::move(config), parts), contexts_(core_), targets_(core_, contexts_), senders_(core_) {
    contexts_.set_targets(targets_);
  }

  void on_request(sip::ServerTransaction* transaction, const Message& request, const sip::Flow& flow);
  ResponseContexts& contexts() { return contexts_; }
  Core& core() { return core_; }

 private:
  // One request being worked on.
  struct Work {
    sip::ServerTransaction* transaction;
    const Message& request;
    const sip::Flow& flow;
    Validated valid;
    Route route;
  };

  void refuse(const Work& work, Refusal refusal);
  void refuse_extension(const Work& work);
  void route(Work& work);
  void answer_here(const Work& work);
  bool may_leave(const Work& work, const Sender& sender);
  void forward(const Work& work, const Sender& sender);
  void fill(const Work& work, const Sender& sender, ResponseContext& context);
  void show(const Work& work, const Sender& sender, ResponseContext& context);
  void shown(ResponseContext& context, PhoneHook::Shown shown);
  void find_targets(ResponseContext& context, const Route& route, const sip::Uri& uri);

  Core core_;
  ResponseContexts contexts_;
  Targets targets_;
  SenderCheck senders_;
  Sender sender_;  // of the request being worked on; keeps its room
};

// RFC 3261 16.3 and 16.4.
void Proxy::Impl::on_request(sip::ServerTransaction* transaction, const Message& request,
                             const sip::Flow& flow) {
  ++core_.metrics.requests;
  Work work{transaction, request, flow, {}, {}};
  if (auto refusal = validate(request, work.valid)) {
    return refusal.status == 420 ? refuse_extension(work) : refuse(work, refusal);
  }
  if (!from_strict_router(request, work.valid.uri, core_.names)) return route(work);
  const auto bytes = as_from_loose_router(request);
  Message loose;
  if (!bytes || !loose.parse(bytes.view())) return refuse(work, {400, "Bad Route"});
  auto uri = loose.request_uri();
  if (!uri) return refuse(work, {400, "Bad Route"});
  Work again{transaction, loose, flow, work.valid, {}};
  again.valid.uri = *uri;
  route(again);
}

void Proxy::Impl::refuse(const Work& work, Refusal refusal) {
  core_.answer(work.transaction, work.request, refusal.status, refusal.reason);
}

// No extension needs anything of this proxy, so all that are asked for are unknown.
void Proxy::Impl::refuse_extension(const Work& work) {
  std::vector<ExtraHeader> extra;
  for (auto* f = work.request.first(HeaderName::proxy_require); f; f = work.request.next(*f))
    extra.push_back({"Unsupported", work.request.value(*f)});
  core_.answer(work.transaction, work.request, 420, sip::reason_phrase(420), extra);
}

void Proxy::Impl::route(Work& work) {
  work.route = find_route(work.request, work.valid.uri, core_.names, work.flow.member);
  if (work.route.too_many) ++core_.metrics.own_routes;
  if (work.route.refusal) return refuse(work, work.route.refusal);
  const bool registers = work.request.method() == Method::register_;
  if (work.route.way == Way::here || (registers && work.route.way == Way::user)) return answer_here(work);
  if (work.route.way == Way::nowhere) return refuse(work, {404, "Not Found: no such name in this domain"});
  if (work.valid.max_forwards == 0) return refuse(work, {483, "Too Many Hops"});
  if (auto refusal = check_loop(work.request, core_.seed, work.valid)) {
    ++(refusal.status == 482 ? core_.metrics.looped : core_.metrics.spiralled);
    return refuse(work, refusal);
  }

  sender_.kind = Sender::Kind::outsider;
  sender_.user.clear();
  sender_.caller_flow.clear();
  sender_.registered = sender_.of_user = false;
  auto known = senders_.check(work.request, work.flow, work.route, sender_);
  if (work.transaction)
    work.transaction->known |= sender_.kind != Sender::Kind::outsider || sender_.registered;
  if (known.verdict != SenderCheck::Verdict::known)
    return senders_.answer(known, work.transaction, work.request);
  if (work.route.way == Way::outside && !may_leave(work, sender_)) return;
  forward(work, sender_);
}

// Requests to the domain or to this peer itself.
void Proxy::Impl::answer_here(const Work& work) {
  if (!work.transaction) {
    ++core_.metrics.acks_dropped;
    return;
  }
  switch (work.request.method()) {
    case Method::register_:
      if (!core_.parts.registrar) return refuse(work, {501, "This peer is no registrar"});
      return core_.parts.registrar->on_register(*work.transaction, work.request, work.flow);
    case Method::options: {
      const ExtraHeader extra[] = {
          {"Allow", kAllow}, {"Accept", "application/sdp"}, {"Supported", "path, outbound, gruu"}};
      return core_.answer(work.transaction, work.request, 200, "OK", extra);
    }
    default: {
      const ExtraHeader extra[] = {{"Allow", "OPTIONS, REGISTER"}};
      const int status = work.request.method() == Method::other ? 501 : 405;  // 8.2.1
      return core_.answer(work.transaction, work.request, status, sip::reason_phrase(status), extra);
    }
  }
}

bool Proxy::Impl::may_leave(const Work& work, const Sender& sender) {
  switch (sender.kind) {
    case Sender::Kind::phone:
      return true;
    case Sender::Kind::member:
      if (core_.config.is_proxy || sender.of_user) return true;
      refuse(work, {503, "This peer is no proxy peer"});
      return false;
    case Sender::Kind::outsider:
      break;
  }
  ++core_.metrics.not_a_relay;
  refuse(work, {403, "Forbidden: not a relay for other domains"});
  return false;
}

void Proxy::Impl::fill(const Work& work, const Sender& sender, ResponseContext& context) {
  Plan& plan = context.plan;
  plan.pop = work.route.pop;
  plan.max_forwards = work.valid.max_forwards;
  plan.loop_hash = work.valid.loop_hash;
  plan.record_route = wants_record_route(work.request.method());
  plan.from_outside = sender.kind == Sender::Kind::outsider;
  plan.from_member = sender.kind == Sender::Kind::member;
  plan.from_user = sender.of_user;
  plan.secure = work.valid.uri.is_sips;
  plan.caller_flow = sender.caller_flow;
  plan.pop_behind = work.route.pop_behind;
  plan.from = work.flow;
  context.breadth = work.valid.breadth;
  context.in_turn = work.valid.passes < limits::kMaxPassesInTurn;
}

// RFC 3261 16.5: the target set.
void Proxy::Impl::forward(const Work& work, const Sender& sender) {
  ResponseContext& context = contexts_.open(work.transaction, work.request);
  const Handle handle(context);
  fill(work, sender, context);
  const bool of_user = sender.kind == Sender::Kind::phone || sender.of_user;
  if (work.request.method() == Method::register_ && of_user) {
    context.registration = std::make_unique<PublicRegister>();
    if (!core_.publics.prepare(work.request, sender.user, *context.registration))
      return contexts_.refuse(context, 400, "Bad To or Contact");
  }
  if (sender.kind == Sender::Kind::phone && core_.is_for_hook(work.request.method(), sender.user))
    show(work, sender, context);
  else
    find_targets(context, work.route, work.valid.uri);
  if (auto* c = handle.get()) c->live = nullptr;
}

void Proxy::Impl::find_targets(ResponseContext& context, const Route& route, const sip::Uri& uri) {
  switch (route.way) {
    case Way::flow:
      return targets_.to_flow(context, route, uri);
    case Way::user:
      return targets_.to_user(context, uri);
    case Way::peer:
      return targets_.to_peer(context, route.name.peer);
    case Way::outside:
      return targets_.to_outside(context);
    case Way::here:
    case Way::nowhere:
      return;
  }
}

// A request of a phone that somebody stands in for. Its targets are looked for when he has seen it.
void Proxy::Impl::show(const Work& work, const Sender& sender, ResponseContext& context) {
  context.plan.stays_here = true;
  const Handle handle(context);
  core_.parts.phones->request(work.request, Crossing::from_phone, sender.user, work.flow.remote.ip,
                              [this, handle](PhoneHook::Shown what) {
                                if (auto* c = handle.get()) shown(*c, std::move(what));
                              });
  if (handle.get() && !context.branches) contexts_.wait(context);
}

void Proxy::Impl::shown(ResponseContext& context, PhoneHook::Shown what) {
  if (what.refused) return contexts_.refuse(context, what.refused, what.reason);
  context.caller_leg = std::move(what.leg);
  if (what.request) {
    context.copy = std::move(what.request);
    context.live = nullptr;
  }
  Message room;
  const Message& request = context.message(room);
  const auto uri = request.request_uri();
  if (!uri) return contexts_.refuse(context, 400, "Bad Request-URI");
  find_targets(context, find_route(request, *uri, core_.names, false), *uri);
}

Proxy::Proxy(ProxyConfig config, ProxyParts parts)
    : impl_(std::make_unique<Impl>(std::move(config), parts)) {}
Proxy::~Proxy() = default;

void Proxy::on_request(sip::ServerTransaction& transaction, const Message& request, const sip::Flow& flow) {
  auto* links = impl_->core().parts.links;
  if (request.method() == Method::other && flow.member && links &&
      request.method_text() == overlay::kLinkMethod)
    return links->on_link_request(transaction, request, flow);
  impl_->on_request(&transaction, request, flow);
}

void Proxy::on_ack(const Message& ack, const sip::Flow& flow) { impl_->on_request(nullptr, ack, flow); }

void Proxy::on_cancel(sip::ServerTransaction& invite, const Message&) { impl_->contexts().on_cancel(invite); }

// RFC 6026 8.9: a response that belongs to no transaction is not forwarded.
void Proxy::on_stray_response(const Message&, const sip::Flow&) { ++impl_->core().metrics.strays; }

void Proxy::on_gone(sip::ServerTransaction& transaction) {
  auto* links = impl_->core().parts.links;
  if (links && transaction.method() == Method::other) links->on_link_gone(transaction);
  impl_->contexts().on_server_gone(transaction);
}

void Proxy::on_flow_closed(const sip::Flow& flow) {
  if (auto* links = impl_->core().parts.links; links && flow.member) links->on_link_closed(flow);
}

void Proxy::set_site(bool on) { impl_->core().site = on; }

PublicRegistrations& Proxy::public_registrations() { return impl_->core().publics; }

bool Proxy::is_registered(const Message& request) const {
  const Core& core = impl_->core();
  if (core.parts.registrar && core.parts.registrar->is_registered(request)) return true;
  const auto to = sip::parse_name_addr(request.value(HeaderName::to));
  return to && !core.publics.owner(to->uri, core.parts.loop.now()).empty();
}

std::size_t Proxy::calls_in_setup() const { return impl_->contexts().in_setup(); }

}  // namespace causeway::proxy
