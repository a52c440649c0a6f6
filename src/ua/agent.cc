#include "ua/agent.h"

#include <fmt/format.h>

#include "sip/headers.h"
#include "sip/make_request.h"
#include "ua/limits.h"
#include "ua/methods.h"

namespace causeway::ua {

namespace {

// The option tags of a Require that we do not know (8.2.2.3).
std::string not_understood(const sip::Message& request) {
  std::string names;
  (void)sip::for_each_value(request, sip::HeaderName::require, [&](std::string_view value) {
    if (!sip::has_token(kSupported, value)) names += (names.empty() ? "" : ", ") + std::string(value);
    return true;
  });
  return names;
}

bool is_description(const sip::Message& request) {
  auto type = request.value(sip::HeaderName::content_type);
  type = type.substr(0, type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  return sip::same_text(type, kAccepted) && !request.has(sip::HeaderName::content_encoding);
}

}  // namespace

Agent::Agent(Parts parts, Line& line, SessionMaker& sessions, AgentUser& user, AgentConfig config)
    : parts_(parts),
      line_(line),
      sessions_(sessions),
      user_(user),
      config_(std::move(config)),
      client_(parts.loop, parts.transport, parts.transactions, parts.random, parts.metrics, line),
      incoming_(parts.metrics.counter("ua_calls_total{direction=\"in\"}", "calls that came in")),
      outgoing_(parts.metrics.counter("ua_calls_total{direction=\"out\"}", "calls that were made")),
      refused_(parts.metrics.counter("ua_refused_total{reason=\"not acceptable\"}",
                                     "requests that this user agent cannot serve")),
      too_many_(parts.metrics.counter("ua_refused_total{reason=\"too many calls\"}",
                                      "calls refused because there are too many")),
      not_ours_(parts.metrics.counter("ua_refused_total{reason=\"not for us\"}",
                                      "requests for somebody else, or in no call")) {
  if (config_.session_expires == base::Duration::zero()) config_.session_expires = limits::kSessionExpires;
  parts_.transactions.set_core(*this);
}

Agent::~Agent() {
  *alive_ = false;
  line_.detach();
}

void Agent::start() { line_.start(client_, *this); }

void Agent::stop(std::function<void()> done) {
  for (Call* call : calls()) call->hang_up();
  auto open = std::make_shared<std::size_t>(publics_.size() + 1);
  const auto one = [open, done = std::move(done)] {
    if (--*open == 0) done();
  };
  for (auto& address : publics_) address->registration->stop(one);
  line_.stop(one);
}

std::vector<Call*> Agent::calls() {
  std::vector<Call*> all;
  for (auto& [number, call] : calls_)
    if (call->state() != Call::State::ended) all.push_back(call.get());
  return all;
}

CallParts Agent::call_parts(std::string_view as) {
  const std::string name = config_.display_name.empty() ? "" : sip::quote(config_.display_name) + " ";
  return {parts_.loop,
          parts_.random,
          parts_.transactions,
          client_,
          line_,
          sessions_,
          user_,
          *this,
          name + in_brackets(as.empty() ? line_.aor() : as),
          config_.session_expires,
          as.empty() ? nullptr : way_of(std::string(as))};
}

Call& Agent::make_call(std::string_view as) {
  auto call = std::make_unique<Call>(call_parts(as), ++last_call_);
  Call& made = *call;
  calls_.emplace(last_call_, std::move(call));
  return made;
}

base::Result<Call*> Agent::call(std::string_view whom, std::string_view as) {
  std::string uri(whom);
  if (uri.find(':') == uri.npos) {
    if (uri.find('@') == uri.npos) uri += fmt::format("@{}", host_of(line_.aor()));
    uri = "sip:" + uri;
  }
  const auto parsed = sip::parse_uri(uri);
  if (!parsed || !parsed->is_sip || !parsed->headers.empty())
    return base::fail("expected an address such as bob or sip:bob@example.org, found '{}'", whom);
  const Public* own = as.empty() ? nullptr : public_of(as);
  if (!as.empty() && !own)
    return base::fail("expected a public address that is registered (register-public), found '{}'", as);
  if (calls_.size() >= limits::kMaxCalls) {
    ++too_many_;
    return base::fail("expected at most {} calls at one time, found one more; hang up first",
                      limits::kMaxCalls);
  }
  ++outgoing_;
  Call& made = own ? make_call(own->aor) : make_call();
  // In a turn of its own, so that nothing is told before the caller knows of it.
  parts_.loop.post([this, alive = alive_, number = made.number(), uri] {
    const auto found = *alive ? calls_.find(number) : calls_.end();
    if (*alive && found != calls_.end() && found->second->state() == Call::State::preparing)
      found->second->dial(uri);
  });
  return &made;
}

const Agent::Public* Agent::public_of(std::string_view address) const {
  const auto uri = sip::parse_uri(address);
  if (!uri || !uri->is_sip) return nullptr;
  const std::string aor = sip::address_of_record(*uri);
  for (const auto& one : publics_)
    if (one->aor == aor && one->up) return one.get();
  return nullptr;
}

std::function<std::optional<sip::Flow>()> Agent::way_of(std::string address) const {
  return [this, address = std::move(address)] {
    const Public* own = public_of(address);
    return own ? own->registration->way() : std::nullopt;
  };
}

// Only who has passed the registration on knows whose the address is.
bool Agent::is_known_there(const Public& address) const {
  const auto& way = address.registration->way();
  if (!way || !parts_.transport.alive(*way)) return false;
  return net::is_stream(way->transport) || way == line_.flow();
}

base::Status Agent::register_public(PublicAddress address) {
  const auto uri = sip::parse_uri(address.aor);
  if (!uri || !uri->is_sip || !uri->has_user)
    return base::fail("expected an address such as sip:alice@provider.example, found '{}'", address.aor);
  auto made = std::make_unique<Public>(parts_.random);
  made->aor = sip::address_of_record(*uri);
  if (address.user.empty()) address.user = uri->user;
  made->digest.add("", address.user, address.password);
  // The draft, 4.2: the provider's registrar learns the address in the overlay.
  RegistrationConfig config{.aor = made->aor,
                            .registrar = fmt::format("sip:{}", host_of(made->aor)),
                            .expires = limits::kRegisterExpires,
                            .digest = &made->digest};
  config.contact = [this] { return in_brackets(line_.aor()); };
  config.routes = [this] { return line_.routes(); };
  made->registration = std::make_unique<Registration>(parts_.loop, parts_.random, client_, std::move(config),
                                                      static_cast<RegistrationUser&>(*this));
  publics_.push_back(std::move(made));
  if (line_up_) publics_.back()->registration->refresh();
  return {};
}

// ---- requests

void Agent::refuse(sip::ServerTransaction& transaction, const sip::Message& request, int status,
                   std::vector<sip::ExtraHeader> extra) {
  if (status >= 300) ++refused_;
  parts_.transactions.answer(transaction, request, status, {}, parts_.random.token(12), extra);
}

// 8.2.1 to 8.2.3.
bool Agent::refuses(sip::ServerTransaction& transaction, const sip::Message& request) {
  const auto refused = [&](int status, std::vector<sip::ExtraHeader> extra = {}) {
    refuse(transaction, request, status, std::move(extra));
    return true;
  };
  switch (request.method()) {
    case sip::Method::other:
      return refused(501);
    case sip::Method::invite:
    case sip::Method::bye:
    case sip::Method::options:
    case sip::Method::prack:
    case sip::Method::update:
      break;
    default:
      return refused(405, {{"Allow", kAllowed}});
  }
  const auto uri = request.request_uri();
  if (!uri) return refused(400);
  if (!uri->is_sip) return refused(416);
  if (const std::string names = not_understood(request); !names.empty())
    return refused(420, {{"Unsupported", names}});
  if (!request.body().empty() && request.method() != sip::Method::bye && !is_description(request))
    return refused(415, {{"Accept", kAccepted}});
  return false;
}

Call* Agent::call_of(const sip::Message& request) {
  for (auto& [number, call] : calls_)
    if (call->local_tag() == request.to_tag() && call->has(request)) return call.get();
  return nullptr;
}

void Agent::on_request(sip::ServerTransaction& transaction, const sip::Message& request,
                       const sip::Flow& flow) {
  transaction.context = nullptr;
  if (line_.is_server(flow)) transaction.known = true;
  if (line_.take_request(transaction, request, flow)) return;
  if (refuses(transaction, request)) return;
  if (!request.to_tag().empty() && request.method() != sip::Method::options) {
    if (Call* call = call_of(request)) {
      transaction.known = true;
      return call->on_request(transaction, request);
    }
    ++not_ours_;
    return refuse(transaction, request, 481);
  }
  const auto uri = request.request_uri();
  if (!uri || !line_.is_for_us(*uri)) {
    ++not_ours_;
    return refuse(transaction, request, 404);
  }
  if (request.method() == sip::Method::options)
    return refuse(transaction, request, 200,
                  {{"Allow", kAllowed}, {"Accept", kAccepted}, {"Supported", kSupported}});
  if (request.method() != sip::Method::invite) return refuse(transaction, request, 481);
  on_new_invite(transaction, request);
}

void Agent::on_new_invite(sip::ServerTransaction& transaction, const sip::Message& invite) {
  for (auto& [number, call] : calls_)
    if (call->is_merged(invite)) {
      if (!transaction.known || !call->take_merged(transaction, invite)) refuse(transaction, invite, 482);
      return;
    }
  if (const auto least = SessionTimer::too_short(invite))
    return refuse(transaction, invite, 422, {{"Min-SE", *least}});
  if (!Dialog::of_request(invite, "x")) return refuse(transaction, invite, 400);
  if (calls_.size() >= limits::kMaxCalls) {
    ++too_many_;
    return refuse(transaction, invite, 486);
  }
  ++incoming_;
  Call& call = make_call();
  call.take_invite(transaction, invite);
  parts_.loop.post([this, alive = alive_, number = call.number()] {
    if (!*alive) return;
    const auto found = calls_.find(number);
    if (found != calls_.end() && found->second->state() == Call::State::incoming)
      user_.on_incoming(*found->second);
  });
}

void Agent::on_ack(const sip::Message& ack, const sip::Flow&) {
  if (Call* call = call_of(ack)) call->on_ack(ack);
}

void Agent::on_cancel(sip::ServerTransaction& invite, const sip::Message&) {
  if (auto* call = static_cast<Call*>(invite.context)) call->on_cancel(invite);
}

// A 2xx of before a restart: its dialogue is nobody's.
void Agent::on_stray_response(const sip::Message&, const sip::Flow&) {}

void Agent::on_gone(sip::ServerTransaction& transaction) {
  if (transaction.method() == sip::Method::other) return line_.on_gone(transaction);
  if (auto* call = static_cast<Call*>(transaction.context)) call->on_transaction_gone(transaction);
}

void Agent::on_flow_closed(const sip::Flow& flow) { line_.on_flow_closed(flow); }

// ---- the line, and public addresses

void Agent::on_line_up() {
  const bool first = !std::exchange(line_up_, true);
  if (first) user_.on_registered(line_.aor());
  for (auto& address : publics_)
    if (!address->up || !is_known_there(*address)) address->registration->refresh();
}

void Agent::on_line_down(const Trouble& why, bool final) {
  line_up_ = false;
  user_.on_not_registered(line_.aor(), why, final);
}

void Agent::on_registered(const RegistrationConfig& which, const sip::Message&) {
  for (auto& address : publics_)
    if (address->aor == which.aor && !std::exchange(address->up, true)) user_.on_registered(which.aor);
}

void Agent::on_not_registered(const RegistrationConfig& which, const Trouble& why, bool final) {
  for (auto& address : publics_)
    if (address->aor == which.aor) address->up = false;
  user_.on_not_registered(which.aor, why, final);
}

void Agent::on_finished(Call& call) {
  parts_.loop.post([this, alive = alive_, number = call.number()] {
    if (*alive) calls_.erase(number);
  });
}

}  // namespace causeway::ua
