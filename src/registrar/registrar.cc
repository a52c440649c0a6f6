#include "registrar/registrar.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/log.h"
#include "registrar/binding_table.h"
#include "registrar/publisher.h"
#include "registrar/reach.h"
#include "registrar/refresh.h"
#include "registrar/register_request.h"
#include "registrar/shared_bindings.h"
#include "sip/hash.h"
#include "sip/rewrite.h"

namespace causeway::registrar {

namespace {

constexpr const char* kLog = "registrar";
// RFC 3261 8.2.2.3: option tags that a Require may name here.
constexpr std::string_view kExtensions[] = {"path", "outbound", "gruu"};

struct Metrics {
  explicit Metrics(base::Metrics& m)
      : accepted(m.counter("registrar_requests_total{outcome=\"accepted\"}", "REGISTERs answered 200")),
        refreshed(
            m.counter("registrar_refreshes_total", "of those accepted, REGISTERs that said the same again")),
        challenged(m.counter("registrar_requests_total{outcome=\"challenged\"}", "REGISTERs answered 401")),
        wrong_password(m.counter("registrar_requests_total{outcome=\"wrong_password\"}",
                                 "REGISTERs whose digest was wrong")),
        refused(m.counter("registrar_requests_total{outcome=\"refused\"}",
                          "REGISTERs answered with another error")),
        too_much(m.counter(
            "registrar_requests_total{outcome=\"too_much\"}",
            "of the refused: too many contacts or too much in one, or no room for another phone")) {}
  base::Counter &accepted, &refreshed, &challenged, &wrong_password, &refused, &too_much;
};

}  // namespace

class Registrar::Impl {
 public:
  Impl(RegistrarConfig config, RegistrarParts parts)
      : config_(std::move(config)),
        parts_(parts),
        metrics_(parts.metrics),
        publisher_(config_.domain, parts.loop, parts.random, parts.overlay, parts.users, parts.signer,
                   parts.metrics),
        table_(
            parts.loop, [this](RegisteredUser& user, bool) { publisher_.publish(user); },
            parts.shelves ? &parts.shelves->of(parts.worker) : nullptr, parts.random.u64()) {
    if (parts.shelves) shared_.emplace(*parts.shelves, parts.worker, table_);
  }

  void on_register(sip::ServerTransaction& transaction, const sip::Message& request, const sip::Flow& flow);
  bool authenticated(sip::ServerTransaction& transaction, const sip::Message& request, std::string_view user);
  bool carry_out(sip::ServerTransaction& transaction, const sip::Message& request,
                 const RegisterRequest& asked, const sip::Flow& flow);
  // A REGISTER that says what the last one said: carries it out and answers it. False if it is another.
  bool refresh(sip::ServerTransaction& transaction, const sip::Message& request, const sip::Flow& flow);
  // 200. `path`: what the request's Path said; `flows`: whether a flow of RFC 5626 was asked for.
  void answer(sip::ServerTransaction& transaction, const sip::Message& request, const RegisteredUser* user,
              std::string_view path, bool flows);
  void refuse(sip::ServerTransaction& transaction, const sip::Message& request, int status,
              std::string_view reason, std::span<const sip::ExtraHeader> extra = {});
  void challenge(sip::ServerTransaction& transaction, const sip::Message& request, bool stale);

  std::uint64_t call_hash(std::string_view call_id) const { return sip::keyed_hash(call_id, call_seed_); }
  static bool out_of_order(const Binding& binding, std::uint64_t call, std::uint32_t cseq) {
    return cseq <= binding.cseq && binding.call == call;
  }
  static bool same_binding(const Binding& binding, const ContactChange& change);
  Binding make_binding(const RegisterRequest& asked, const ContactChange& change, const sip::Message& request,
                       const sip::Flow& flow);
  // True if what others must know about the binding is different now.
  bool renew(RegisteredUser& user, Binding& old, Binding fresh);
  std::string_view contact_list(const RegisteredUser& user, bool with_gruu);

  RegistrarConfig config_;
  RegistrarParts parts_;
  const std::string self_ = parts_.signer.credential.key.peer_id().text();
  Metrics metrics_;
  std::uint64_t call_seed_ = parts_.random.u64();
  Publisher publisher_;
  BindingTable table_;
  std::optional<SharedBindings> shared_;
  std::shared_ptr<const identity::Accounts> accounts_ = std::make_shared<identity::Accounts>();
  std::string contacts_;  // of the answer that is being written; keeps its room
};

void Registrar::Impl::on_register(sip::ServerTransaction& transaction, const sip::Message& request,
                                  const sip::Flow& flow) {
  if (refresh(transaction, request, flow)) return;
  if (auto* field = request.first(sip::HeaderName::require)) {
    std::string_view list = request.value(*field);
    std::string_view unknown;
    sip::for_each_value(list, [&](std::string_view tag) {
      bool known =
          std::ranges::any_of(kExtensions, [&](std::string_view e) { return sip::same_text(e, tag); });
      if (!known) unknown = tag;
      return known;
    });
    if (!unknown.empty()) {
      sip::ExtraHeader unsupported{"Unsupported", unknown};
      return refuse(transaction, request, 420, "Bad Extension", {&unsupported, 1});
    }
  }
  auto asked = read_register(request, config_.domain,
                             {config_.min_expires, config_.default_expires, config_.max_expires});
  if (!asked && asked.error().too_much) ++metrics_.too_much;
  // Who is not known learns nothing but that he must prove who he is.
  if (!asked && asked.error().status == 404) return refuse(transaction, request, 404, asked.error().reason);
  std::string_view user = asked ? std::string_view(asked->user) : std::string_view();
  // Open registration believes everybody.
  if (asked) transaction.known |= config_.open || table_.registered_over(user, flow) != nullptr;
  if (asked && !config_.open && !authenticated(transaction, request, user)) return;
  if (!asked) {
    std::string least = std::to_string(config_.min_expires);
    sip::ExtraHeader min_expires{"Min-Expires", least};
    return refuse(transaction, request, asked.error().status, asked.error().reason,
                  {&min_expires, asked.error().status == 423 ? 1u : 0u});
  }
  if (!carry_out(transaction, request, *asked, flow)) return;
  const bool flows =
      std::ranges::any_of(asked->contacts, [](const ContactChange& c) { return c.reg_id != 0; });
  answer(transaction, request, table_.user(asked->user), asked->path, flows);
}

bool Registrar::Impl::refresh(sip::ServerTransaction& transaction, const sip::Message& request,
                              const sip::Flow& flow) {
  const auto name = usual_user(request.value(sip::HeaderName::to), config_.domain);
  if (name.empty() || request.has(sip::HeaderName::require)) return false;
  RegisteredUser* user = table_.user(name);
  const std::uint64_t asked = user ? what_is_asked(request, flow, call_seed_) : 0;
  if (asked == 0) return false;
  const auto same = std::ranges::find(user->bindings, asked, &Binding::asked);
  const auto cseq = request.cseq();
  if (same == user->bindings.end() || !cseq) return false;
  const auto call = call_hash(request.call_id());
  if (out_of_order(*same, call, cseq->number)) return false;
  transaction.known = true;  // it comes over the flow of that binding
  if (!config_.open && !authenticated(transaction, request, user->name)) return true;
  {
    const auto lock = table_.change();
    same->call = call;
    same->cseq = cseq->number;
    same->expires = parts_.loop.now() + std::chrono::seconds(same->granted);
  }
  table_.settle(*user);
  ++metrics_.refreshed;
  answer(transaction, request, user, same->path(), same->reg_id != 0);
  return true;
}

bool Registrar::Impl::authenticated(sip::ServerTransaction& transaction, const sip::Message& request,
                                    std::string_view user) {
  for (auto* field = request.first(sip::HeaderName::authorization); field; field = request.next(*field)) {
    auto proof = sip::parse_digest_response(request.value(*field));
    if (!proof) {
      refuse(transaction, request, 400, "Bad Authorization");
      return false;
    }
    if (!sip::same_text(proof->realm, config_.domain)) continue;
    std::string name = sip::unquote_user(*proof);
    const identity::Account* account = accounts_->find(name);
    sip::DigestSecrets secrets;
    if (account) secrets = {account->ha1_md5, account->ha1_sha256};
    auto verdict = account
                       ? parts_.digest.check(*proof, secrets, request.method_text(), parts_.loop.unix_now())
                       : sip::DigestVerifier::Verdict::wrong;
    using Verdict = sip::DigestVerifier::Verdict;
    // RFC 3261 22.4 wants the digest's URI to be the Request-URI. User agents in wide use write their
    // registrar's address there, and a REGISTER leads nowhere else than here, so it is not compared.
    if (verdict == Verdict::ok) {
      transaction.known = true;
      parts_.transactions.proven(transaction.flow());
      if (name == user) return true;
      refuse(transaction, request, 403, "That Is Not Your Address");
      return false;
    }
    if (verdict == Verdict::malformed) {
      refuse(transaction, request, 400, "Bad Authorization");
      return false;
    }
    if (verdict == Verdict::wrong) ++metrics_.wrong_password;
    challenge(transaction, request, verdict == Verdict::stale);
    return false;
  }
  challenge(transaction, request, false);
  return false;
}

void Registrar::Impl::challenge(sip::ServerTransaction& transaction, const sip::Message& request,
                                bool stale) {
  ++metrics_.challenged;
  auto values = parts_.digest.challenges(parts_.loop.unix_now(), stale);
  std::vector<sip::ExtraHeader> headers;
  for (const std::string& value : values) headers.push_back({"WWW-Authenticate", value});
  std::string tag = parts_.random.token(10);
  parts_.transactions.answer(transaction, request, 401, "Unauthorized", tag, headers);
}

void Registrar::Impl::refuse(sip::ServerTransaction& transaction, const sip::Message& request, int status,
                             std::string_view reason, std::span<const sip::ExtraHeader> extra) {
  ++metrics_.refused;
  std::string tag = parts_.random.token(10);
  parts_.transactions.answer(transaction, request, status, reason, tag, extra);
}

bool Registrar::Impl::same_binding(const Binding& binding, const ContactChange& change) {
  // RFC 5626 6: flows of an instance are told apart by reg-id alone, whatever the URI. An instance
  // without flows that comes with another URI has moved. RFC 3261 10.3 step 7: else by the URI.
  bool same_instance = !change.instance.empty() && binding.instance() == change.instance;
  if (same_instance && binding.reg_id == change.reg_id) return true;
  if (binding.reg_id != 0 && change.reg_id != 0) return false;
  if (binding.contact() == change.uri_text) return true;
  auto uri = sip::parse_uri(binding.contact());
  return uri && sip::equivalent(*uri, change.uri);
}

Binding Registrar::Impl::make_binding(const RegisterRequest& asked, const ContactChange& change,
                                      const sip::Message& request, const sip::Flow& flow) {
  Binding b;
  b.set_texts(change.uri_text, change.instance, asked.path);
  b.instance_hash = identity::instance_hash(change.instance.empty() ? change.uri_text : change.instance);
  b.reg_id = change.reg_id;
  b.call = call_hash(asked.call_id);
  if (asked.contacts.size() == 1) b.asked = what_is_asked(request, flow, call_seed_);
  b.granted = change.expires;
  b.cseq = asked.cseq;
  b.q = change.q;
  b.expires = parts_.loop.now() + std::chrono::seconds(change.expires);
  b.registered = parts_.loop.unix_now();
  b.flow = flow;
  b.contact_endpoint = numeric_endpoint(change.uri);
  b.by_flow = asked.path.empty() && reach_by_flow(request, change, flow);
  return b;
}

bool Registrar::Impl::renew(RegisteredUser& user, Binding& old, Binding fresh) {
  bool moved = old.flow.remote != fresh.flow.remote || old.flow.transport != fresh.flow.transport ||
               old.instance_hash != fresh.instance_hash;
  bool changed = moved || old.q != fresh.q;
  if (!changed) fresh.registered = old.registered;
  const std::string token(moved ? std::string_view() : old.token());
  table_.set_token(user, old, {});
  old = std::move(fresh);
  if (!moved) table_.set_token(user, old, token);
  return changed;
}

// RFC 3261 10.3 step 7. Checks everything first, so that nothing is half done.
bool Registrar::Impl::carry_out(sip::ServerTransaction& transaction, const sip::Message& request,
                                const RegisterRequest& asked, const sip::Flow& flow) {
  RegisteredUser* known = table_.user(asked.user);
  if (!known && (asked.contacts.empty() || asked.remove_all)) return true;
  if (known && !(asked.contacts.empty() && !asked.remove_all))
    for (const Binding& binding : known->bindings) {
      bool touched = asked.remove_all || std::ranges::any_of(asked.contacts, [&](const ContactChange& c) {
                       return same_binding(binding, c);
                     });
      if (touched && out_of_order(binding, call_hash(asked.call_id), asked.cseq)) {
        refuse(transaction, request, 400, "CSeq Out Of Order");
        return false;
      }
    }
  std::size_t added = 0;
  for (const ContactChange& change : asked.contacts)
    if (change.expires != 0 && !(known && std::ranges::any_of(known->bindings, [&](const Binding& b) {
                                   return same_binding(b, change);
                                 })))
      ++added;
  if (added + (known ? known->bindings.size() : 0) > config_.max_contacts) {
    ++metrics_.too_much;
    refuse(transaction, request, 403, "Too Many Contacts");
    return false;
  }
  if (added > 0 && table_.size() + added > config_.max_bindings) {
    ++metrics_.too_much;
    refuse(transaction, request, 503, "No Room For Another Phone At This Peer");
    return false;
  }

  auto lock = table_.change();
  RegisteredUser& user = known ? *known : table_.make_user(asked.user);
  bool changed = false;
  if (asked.remove_all) {
    changed = !user.bindings.empty();
    while (!user.bindings.empty()) table_.remove(user, user.bindings.size() - 1);
  }
  for (const ContactChange& change : asked.contacts) {
    auto at = std::ranges::find_if(user.bindings, [&](const Binding& b) { return same_binding(b, change); });
    if (change.expires == 0) {
      if (at != user.bindings.end())
        table_.remove(user, static_cast<std::size_t>(at - user.bindings.begin())), changed = true;
      continue;
    }
    Binding fresh = make_binding(asked, change, request, flow);
    if (at != user.bindings.end()) {
      changed |= renew(user, *at, std::move(fresh));
    } else {
      table_.add(user, std::move(fresh));
      at = std::prev(user.bindings.end());
      changed = true;
    }
    if (at->token().empty())
      table_.set_token(user, *at,
                       parts_.tokens.seal({.user = asked.user,
                                           .instance = at->instance_hash,
                                           .transport = flow.transport,
                                           .source = flow.remote}));
  }
  if (lock) lock.unlock();
  if (changed) publisher_.publish(user);
  table_.settle(user);
  return true;
}

std::string_view Registrar::Impl::contact_list(const RegisteredUser& user, bool with_gruu) {
  contacts_.clear();
  const auto put = [&](std::initializer_list<std::string_view> parts) {
    for (std::string_view part : parts) contacts_ += part;
  };
  const auto number = [&](std::int64_t value) {
    char digits[24];
    put({{digits, std::to_chars(digits, digits + sizeof digits, value).ptr}});
  };
  for (const Binding& b : user.bindings) {
    put({contacts_.empty() ? "<" : ", <", b.contact(), ">;expires="});
    number(std::chrono::ceil<std::chrono::seconds>(b.expires - parts_.loop.now()).count());
    if (b.q != 1000) {
      const char q[] = {static_cast<char>('0' + b.q / 100), static_cast<char>('0' + b.q / 10 % 10),
                        static_cast<char>('0' + b.q % 10)};
      put({";q=0.", {q, sizeof q}});
    }
    if (!b.instance().empty()) put({";+sip.instance=\"<", b.instance(), ">\""});
    if (b.reg_id != 0) {
      put({";reg-id="});
      number(b.reg_id);
    }
    if (with_gruu && !b.instance().empty())
      put({";pub-gruu=\"sip:", user.name, "@", config_.domain, ";gr=", b.instance(), "\";temp-gruu=\"sip:_",
           self_, ".", b.token(), "@", config_.domain, ";gr\""});
  }
  return contacts_;
}

void Registrar::Impl::answer(sip::ServerTransaction& transaction, const sip::Message& request,
                             const RegisteredUser* user, std::string_view path, bool flows) {
  ++metrics_.accepted;
  const Extensions supported = extensions_of(request);
  std::array<sip::ExtraHeader, 3> headers;
  std::size_t count = 0;
  if (user) headers[count++] = {"Contact", contact_list(*user, supported.gruu)};
  // RFC 3327 5.3: what was recorded is shown to who asks for it.
  if (!path.empty() && supported.path) headers[count++] = {"Path", path};
  // RFC 5626 6: the flow will be used.
  if (flows && supported.outbound) headers[count++] = {"Require", "outbound"};
  const std::string tag = parts_.random.token(10);
  parts_.transactions.answer(transaction, request, 200, "OK", tag, std::span(headers).first(count));
}

Registrar::Registrar(RegistrarConfig config, RegistrarParts parts)
    : impl_(std::make_unique<Impl>(std::move(config), parts)) {}
Registrar::~Registrar() = default;

void Registrar::on_register(sip::ServerTransaction& transaction, const sip::Message& request,
                            const sip::Flow& flow) {
  impl_->on_register(transaction, request, flow);
}
const Bindings& Registrar::bindings() const {
  if (impl_->shared_) return *impl_->shared_;
  return impl_->table_;
}
bool Registrar::is_registered(const sip::Message& request) const {
  const auto user = read_user(request, impl_->config_.domain);
  return user && !bindings().of(*user).empty();
}
void Registrar::set_accounts(std::shared_ptr<const identity::Accounts> accounts) {
  impl_->accounts_ = std::move(accounts);
}
const identity::Accounts& Registrar::accounts() const { return *impl_->accounts_; }
void Registrar::set_links(std::vector<net::Address> links, std::vector<overlay::ViaPeer> vias) {
  if (!impl_->publisher_.set_links(std::move(links), std::move(vias))) return;
  impl_->table_.for_each([this](RegisteredUser& user) { impl_->publisher_.publish(user); });
}
void Registrar::withdraw_all() {
  impl_->table_.for_each([this](RegisteredUser& user) {
    auto lock = impl_->table_.change();
    while (!user.bindings.empty()) impl_->table_.remove(user, user.bindings.size() - 1);
    if (lock) lock.unlock();
    impl_->publisher_.publish(user);
  });
}

}  // namespace causeway::registrar
