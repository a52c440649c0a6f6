#include "proxy/forwarding.h"

#include "proxy/record_route.h"
#include "proxy/route.h"
#include "proxy/sender.h"
#include "proxy/text.h"
#include "sip/headers.h"
#include "sip/rewrite.h"

namespace causeway::proxy {
namespace {

using sip::HeaderName;
using sip::Message;

void count_hops(const Message& request, const Plan& plan, sip::Rewrite& edit, Scratch& scratch) {
  if (plan.max_forwards < 0) {
    edit.append("Max-Forwards", scratch.number(limits::kMaxForwards));
  } else {
    edit.replace(request.value(HeaderName::max_forwards), scratch.number(plan.max_forwards - 1));
  }
}

void share_breadth(const Message& request, int breadth, sip::Rewrite& edit, Scratch& scratch) {
  if (request.has(HeaderName::max_breadth)) {
    edit.replace(request.value(HeaderName::max_breadth), scratch.number(breadth));
  } else {
    edit.append("Max-Breadth", scratch.number(breadth));
  }
}

// What only its own domain may see or say.
void clean_identity(const Message& request, const Plan& plan, const Core& core, sip::Rewrite& edit) {
  if (!plan.from_member || plan.from_user) edit.remove_all(HeaderName::p_asserted_identity);
  if (!request.has(HeaderName::proxy_authorization)) return;
  for (auto* field = request.first(HeaderName::proxy_authorization); field; field = request.next(*field)) {
    auto credentials = sip::parse_digest_response(request.value(*field));
    if (!credentials || credentials->realm != core.parts.digest.realm()) continue;
    edit.replace(request.bytes().substr(field->line_at, field->line_end - field->line_at), {});
  }
}

// 16.6 step 6: the next hop's Route has no lr, so it wants its own URI as Request-URI, and the true one
// as last Route.
void please_strict_router(const Message& request, const Plan& plan, sip::Rewrite& edit, Scratch& scratch) {
  if (!request.has(HeaderName::route)) return;
  auto next = next_hop(request, plan.pop);
  if (!next || next->text == request.request_uri_text() || next->param("lr")) return;
  edit.replace_request_uri(next->text);
  edit.remove_first_value(HeaderName::route);
  edit.append("Route", scratch.join({"<", request.request_uri_text(), ">"}));
}

void record_routes(const Plan& plan, const Leg& leg, const Core& core, const sip::Flow& to,
                   sip::Rewrite& edit, Scratch& scratch) {
  if (!plan.record_route) return;
  RecordRoute record(core.names, edit, scratch, plan.secure);
  if (plan.from_outside) record.domain();
  const auto facing = [&](const sip::Flow& phone, bool stays_here) {
    if (core.site || stays_here)
      record.site(core.parts.transport.sent_by(phone), net::transport_name(phone.transport));
  };
  if (!plan.caller_flow.empty()) {
    facing(plan.from, plan.stays_here);
    record.flow(plan.caller_flow, plan.from.transport);
  }
  if (!leg.callee_token.empty()) {
    record.own_flow(leg.callee_token, to.transport);
    facing(to, leg.stays_here);
  } else if (!leg.callee_flow.empty()) {
    record.flow(leg.callee_flow, to.transport);
  }
  if (leg.to_outside) record.domain();
}

}  // namespace

base::Buffer splice_request(const Message& request, const Plan& plan, const Leg& leg, const Core& core,
                            const sip::Flow& flow, std::string_view branch) {
  Scratch scratch;
  sip::Rewrite edit(request);
  for (int i = 0; i < plan.pop + leg.pop; ++i) edit.remove_first_value(HeaderName::route);
  if (!leg.uri.empty()) {
    edit.replace_request_uri(leg.uri);
  } else if (leg.to_outside) {
    please_strict_router(request, plan, edit, scratch);
  }
  count_hops(request, plan, edit, scratch);
  share_breadth(request, leg.breadth, edit, scratch);
  clean_identity(request, plan, core, edit);
  record_routes(plan, leg, core, flow, edit, scratch);
  if (!leg.path.empty()) edit.prepend(HeaderName::route, leg.path);
  if (!leg.contact.empty()) {
    edit.remove_all(HeaderName::contact);
    edit.append("Contact", leg.contact);
  }
  const bool udp = flow.transport == net::Transport::udp;
  edit.prepend(HeaderName::via, scratch.join({"SIP/2.0/", net::transport_via_name(flow.transport), " ",
                                              core.parts.transport.sent_by(flow),
                                              udp ? ";rport;branch=" : ";branch=", branch}));
  if (!edit.ok() || !scratch.ok()) return {};
  return edit.build();
}

base::Buffer splice_response(const Message& response, int status, const PublicRegister* registration,
                             const Core& core) {
  sip::Rewrite edit(response);
  edit.remove_first_value(HeaderName::via);
  Scratch scratch;
  if (status != response.status()) {
    const auto line = response.bytes().substr(0, response.bytes().find("\r\n"));
    edit.replace(line, scratch.join({"SIP/2.0 ", scratch.number(status), " ", sip::reason_phrase(status)}));
  }
  if (registration && status / 100 == 2) core.publics.restore(response, *registration, edit);
  return edit.build();
}

}  // namespace causeway::proxy
