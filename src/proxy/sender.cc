#include "proxy/sender.h"

#include <optional>
#include <vector>

#include "proxy/record_route.h"
#include "sip/rewrite.h"

namespace causeway::proxy {
namespace {

using sip::HeaderName;
using sip::Message;
using sip::Method;

constexpr Refusal kNotProven{403, "Forbidden: this domain's name without proof"};
constexpr Refusal kNotYours{403, "Forbidden: From is not an address of the authenticated user"};

}  // namespace

bool has_credentials_for(const Message& request, std::string_view realm) {
  for (auto* field = request.first(HeaderName::proxy_authorization); field; field = request.next(*field)) {
    auto response = sip::parse_digest_response(request.value(*field));
    if (response && response->realm == realm) return true;
  }
  return false;
}

// One request, as far as these questions go.
struct SenderCheck::Case {
  const Message& request;
  const sip::Flow& flow;
  const Route& route;
  sip::NameAddr from;
  bool in_dialogue = false;
  bool from_here = false;     // From is of D
  bool asserts_here = false;  // a P-Asserted-Identity is of D
  bool registers_elsewhere = false;
  std::string_view candidate{};  // the user that it says it is; empty: does not say
  std::string_view from_user{};  // in normal form
  const identity::FlowToken* claim = nullptr;
};

bool SenderCheck::on_registered_stream(std::string_view user, const sip::Flow& flow) const {
  const auto* bindings = core_.bindings();
  return bindings && net::is_stream(flow.transport) && bindings->registered_over(user, flow);
}

bool SenderCheck::from_registered_ip(std::string_view user, const sip::Flow& flow) const {
  const auto* bindings = core_.bindings();
  if (!bindings) return false;
  for (const auto& b : bindings->of(user))
    if (b.flow.remote.ip == flow.remote.ip) return true;
  return false;
}

// Weaker than digest, so only within a dialogue, whose tags an outsider does not know.
bool SenderCheck::by_claim(const Case& c) const {
  return c.claim && c.in_dialogue &&
         (c.claim->source.ip == c.flow.remote.ip || on_registered_stream(c.claim->user, c.flow));
}

SenderCheck::Proof SenderCheck::digest(const Message& request, std::string& user) const {
  for (auto* field = request.first(HeaderName::proxy_authorization); field; field = request.next(*field)) {
    auto response = sip::parse_digest_response(request.value(*field));
    if (!response || response->realm != core_.parts.digest.realm()) continue;
    user = sip::unquote_user(*response);
    const auto* account = core_.parts.registrar ? core_.parts.registrar->accounts().find(user) : nullptr;
    if (!account) return Proof::wrong;
    const sip::DigestSecrets secrets{account->ha1_md5, account->ha1_sha256};
    switch (
        core_.parts.digest.check(*response, secrets, request.method_text(), core_.parts.loop.unix_now())) {
      case sip::DigestVerifier::Verdict::ok:
        // Within the nonce's life an overheard answer can be replayed: for the same target only, then.
        return sip::is_for_uri(*response, request.request_uri_text()) ? Proof::right : Proof::wrong;
      case sip::DigestVerifier::Verdict::stale:
        return Proof::stale;
      case sip::DigestVerifier::Verdict::wrong:
      case sip::DigestVerifier::Verdict::malformed:
        return Proof::wrong;
    }
  }
  return Proof::none;
}

Refusal SenderCheck::check_from(const Case& c, std::string_view user) const {
  if (c.in_dialogue) return {};
  if (c.from_here) return c.from_user == user ? Refusal{} : kNotYours;
  if (c.registers_elsewhere || sip::same_text(c.from.uri.host, "anonymous.invalid")) return {};
  return core_.publics.belongs(c.from.uri, user, core_.parts.loop.now()) ? Refusal{} : kNotYours;
}

// The caller's phone by a name that Record-Route may carry: the claimed flow, the binding that it
// registered, or a token made for the way it has just come.
void SenderCheck::name_flow(const Case& c, Sender& sender) const {
  if (c.route.claim) {
    sender.caller_flow = c.route.claim->user;
    return;
  }
  const registrar::Binding* found = nullptr;
  if (const auto* bindings = core_.bindings()) {
    found = bindings->registered_over(sender.user, c.flow);
    auto contact = sip::parse_contact(c.request.value(HeaderName::contact));
    if (!found && contact && !contact->is_star)
      for (const auto& b : bindings->of(sender.user))
        if (b.contact() == contact->address.uri.text && b.flow.remote.ip == c.flow.remote.ip) found = &b;
  }
  sender.caller_flow.assign(core_.names.self_user()).append(".");
  if (found) {
    sender.caller_flow += found->token();
  } else {
    sender.caller_flow += core_.parts.tokens.seal({sender.user, 0, c.flow.transport, c.flow.remote});
  }
}

// Whose request it says it is, as far as it does.
std::string_view SenderCheck::candidate(const Case& c) const {
  if (c.claim) return c.claim->user;
  if (c.from_here) return c.from_user;
  if (auto owner = core_.publics.owner(c.from.uri, core_.parts.loop.now()); !owner.empty()) return owner;
  const auto* bindings = core_.bindings();
  const bool same_name = c.registers_elsewhere && bindings && bindings->registered_over(c.from_user, c.flow);
  return same_name ? c.from_user : std::string_view();
}

bool SenderCheck::must_prove(const Case& c) const {
  if (c.claim || c.from_here || c.asserts_here || c.registers_elsewhere) return true;
  // A public address that one of our users has registered may call us from outside, too; only our
  // own phones may use it to call out.
  if (c.route.way == Way::outside && !c.candidate.empty()) return true;
  if (on_registered_stream(c.candidate, c.flow)) return true;
  return has_credentials_for(c.request, core_.parts.digest.realm());
}

SenderCheck::Result SenderCheck::prove(const Case& c, Sender& sender) const {
  if (!c.candidate.empty() && on_registered_stream(c.candidate, c.flow)) {
    sender.user = c.candidate;
    return {};
  }
  // A phone that keeps one challenge at a time cannot answer ours and its provider's. For a REGISTER
  // elsewhere the very flow it registered here on is proof enough: the provider asks for the password.
  const auto* bindings = core_.bindings();
  if (c.registers_elsewhere && !c.candidate.empty() && bindings &&
      bindings->registered_over(c.candidate, c.flow)) {
    sender.user = c.candidate;
    return {};
  }
  if (core_.config.open) {
    if (!c.candidate.empty() && from_registered_ip(c.candidate, c.flow)) {
      sender.user = c.candidate;
      return {};
    }
    return {Verdict::refused, kNotProven};
  }
  std::string user;
  switch (digest(c.request, user)) {
    case Proof::none:
      if (!core_.parts.registrar) return {Verdict::refused, {403, "Forbidden: this peer has no accounts"}};
      return {Verdict::challenge, {}};
    case Proof::stale:
      return {Verdict::stale, {}};
    case Proof::wrong:
      return {Verdict::refused, {403, "Forbidden: wrong user name or password"}};
    case Proof::right:
      core_.parts.transactions.proven(c.flow);
      break;
  }
  if (c.claim && c.claim->user != user) return {Verdict::refused, kNotYours};
  sender.user = user;
  return {};
}

// `room`: for the user part, while it is needed.
SenderCheck::Case SenderCheck::describe(const Message& request, const sip::Flow& flow, const Route& route,
                                        const sip::NameAddr& from, std::string& room) const {
  Case c{request, flow, route, from};
  c.in_dialogue = !request.to_tag().empty();
  c.from_user = sip::plain_user(from.uri, room);
  c.from_here = core_.names.is_domain(from.uri.host);
  c.registers_elsewhere = request.method() == Method::register_ && route.way == Way::outside;
  return c;
}

// What a user's own member says is what a phone of his could say (check_from); peers pass on what others say.
SenderCheck::Result SenderCheck::check_member(const Message& request, const sip::Flow& flow,
                                              const Route& route, Sender& sender) const {
  sender.kind = Sender::Kind::member;
  const auto users = core_.parts.transport.member_users(flow);
  if (users.empty()) return {};
  auto from = sip::parse_name_addr(request.value(HeaderName::from));
  if (!from) return {Verdict::refused, {400, "Bad From"}};
  std::string room;
  Case c = describe(request, flow, route, *from, room);
  sender.of_user = true;
  Refusal refusal;
  for (const std::string& user : users) {
    sender.user = user;
    refusal = check_from(c, user);
    if (!refusal) return {};
  }
  return {Verdict::refused, refusal};
}

SenderCheck::Result SenderCheck::check(const Message& request, const sip::Flow& flow, const Route& route,
                                       Sender& sender) {
  if (flow.member) return check_member(request, flow, route, sender);
  auto from = sip::parse_name_addr(request.value(HeaderName::from));
  if (!from) return {Verdict::refused, {400, "Bad From"}};

  std::string room;
  Case c = describe(request, flow, route, *from, room);
  if (request.has(HeaderName::p_asserted_identity)) {
    sip::for_each_value(request, HeaderName::p_asserted_identity, [&](std::string_view value) {
      auto asserted = sip::parse_name_addr(value);
      if (asserted && core_.names.is_domain(asserted->uri.host)) c.asserts_here = true;
      return true;
    });
  }
  if (route.claim) {
    c.claim = core_.tokens.open(route.claim->token);
    if (!c.claim)
      return {Verdict::refused, {403, "Forbidden: a flow token that no peer of this domain made"}};
  }

  if (by_claim(c)) {
    sender.user = c.claim->user;
  } else {
    if (request.method() == Method::ack) return {};
    c.candidate = candidate(c);
    if (!must_prove(c)) return {};
    if (auto result = prove(c, sender); result.verdict != Verdict::known) {
      const auto* bindings = core_.bindings();
      sender.registered = bindings && !c.candidate.empty() && bindings->registered_over(c.candidate, flow);
      return result;
    }
  }
  sender.kind = Sender::Kind::phone;
  if (auto refusal = check_from(c, sender.user)) return {Verdict::refused, refusal};
  if (wants_record_route(request.method())) name_flow(c, sender);
  return {};
}

void SenderCheck::answer(const Result& result, sip::ServerTransaction* transaction, const Message& request) {
  if (result.verdict == Verdict::refused) {
    if (result.refusal.status == 403) ++core_.metrics.forged;
    core_.answer(transaction, request, result.refusal.status, result.refusal.reason);
    return;
  }
  ++core_.metrics.challenged;
  const auto challenges =
      core_.parts.digest.challenges(core_.parts.loop.unix_now(), result.verdict == Verdict::stale);
  std::vector<sip::ExtraHeader> extra;
  for (const auto& challenge : challenges) extra.push_back({"Proxy-Authenticate", challenge});
  core_.answer(transaction, request, 407, sip::reason_phrase(407), extra);
}

}  // namespace causeway::proxy
