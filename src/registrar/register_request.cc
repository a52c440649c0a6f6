#include "registrar/register_request.h"

#include <algorithm>

#include "base/limits.h"

namespace causeway::registrar {

namespace {

using sip::HeaderName;

template <class T>
using Read = std::expected<T, Refusal>;

std::unexpected<Refusal> refuse(int status, const char* reason) {
  return std::unexpected(Refusal{status, reason});
}
std::unexpected<Refusal> too_much(int status, const char* reason) {
  return std::unexpected(Refusal{status, reason, true});
}

// "<urn:uuid:...>" in quotes; the parser has taken the quotes off.
std::string_view bare_instance(std::string_view value) {
  if (value.starts_with('<') && value.ends_with('>') && value.size() > 2)
    return value.substr(1, value.size() - 2);
  return value;
}

// RFC 3261 10.3 step 6: the contact's own expires, else the Expires header, else the default. A value
// that is not a number counts as the default.
Read<std::uint32_t> granted(std::optional<std::string_view> parameter, std::string_view header,
                            const ExpiryLimits& limits) {
  std::int64_t asked = limits.initial;
  std::string_view text = parameter ? *parameter : header;
  if (!text.empty())
    if (auto seconds = sip::parse_delta_seconds(text)) asked = *seconds;
  if (asked > 0 && asked < limits.least) return refuse(423, "Interval Too Brief");
  return static_cast<std::uint32_t>(std::min(asked, limits.most));
}

Read<ContactChange> read_contact(std::string_view value, std::string_view expires_header,
                                 const ExpiryLimits& limits) {
  auto contact = sip::parse_contact(value);
  if (!contact || contact->is_star) return refuse(400, "Bad Contact");
  const sip::NameAddr& address = contact->address;
  if (!address.uri.is_sip) return refuse(400, "Contact Is Not A SIP URI");
  if (address.uri.text.size() > limits::kMaxContactUri) return too_much(400, "Contact Too Long");
  ContactChange change{.uri_text = address.uri.text, .uri = address.uri};
  auto seconds = granted(address.params.get("expires"), expires_header, limits);
  if (!seconds) return std::unexpected(seconds.error());
  change.expires = *seconds;
  if (auto q = address.params.get("q")) {
    auto parsed = sip::parse_q(*q);
    if (!parsed) return refuse(400, "Bad q");
    change.q = static_cast<std::uint16_t>(*parsed);
  }
  change.instance = bare_instance(address.params.get("+sip.instance").value_or(""));
  if (change.instance.size() > limits::kMaxInstance) return too_much(400, "Instance Too Long");
  if (auto id = address.params.get("reg-id"); id && !change.instance.empty()) {
    auto number = sip::parse_delta_seconds(*id);
    if (!number || *number == 0) return refuse(400, "Bad reg-id");
    change.reg_id = *number;
  }
  change.ob = address.uri.param("ob").has_value() || change.reg_id != 0;
  return change;
}

std::optional<Refusal> read_contacts(const sip::Message& request, const ExpiryLimits& limits,
                                     RegisterRequest& into) {
  std::string_view expires = request.value(HeaderName::expires);
  std::optional<Refusal> refusal;
  bool fine = sip::for_each_value(request, HeaderName::contact, [&](std::string_view value) {
    if (value == "*") {
      into.remove_all = true;
      return true;
    }
    if (into.contacts.size() == limits::kMaxContactsInRequest) {
      refusal = Refusal{403, "Too Many Contacts", true};
      return false;
    }
    auto change = read_contact(value, expires, limits);
    if (!change) {
      refusal = change.error();
      return false;
    }
    into.contacts.push_back(*change);
    return true;
  });
  if (refusal) return refusal;
  if (!fine) return Refusal{400, "Bad Contact"};
  // 10.2.2: "*" only alone and only with Expires: 0.
  if (into.remove_all) {
    auto seconds = sip::parse_delta_seconds(expires);
    if (!into.contacts.empty() || !seconds || *seconds != 0) return Refusal{400, "Contact * Needs Expires 0"};
  }
  return {};
}

std::optional<Refusal> read_path(const sip::Message& request, RegisterRequest& into) {
  std::size_t count = 0;
  bool good = true;
  bool fine = sip::for_each_value(request, HeaderName::path, [&](std::string_view value) {
    auto address = sip::parse_name_addr(value);
    good = address && address->uri.is_sip && count++ < limits::kMaxPath;
    if (good) into.path.append(into.path.empty() ? "" : ", ").append(value);
    return good;
  });
  if (count > limits::kMaxPath) return Refusal{400, "Path Too Long", true};
  if (!fine || !good || (request.has(HeaderName::path) && into.path.empty())) return Refusal{400, "Bad Path"};
  return {};
}

}  // namespace

Extensions extensions_of(const sip::Message& request) {
  Extensions result;
  for (auto* field = request.first(HeaderName::supported); field; field = request.next(*field)) {
    const std::string_view list = request.value(*field);
    result.path |= sip::has_token(list, "path");
    result.outbound |= sip::has_token(list, "outbound");
    result.gruu |= sip::has_token(list, "gruu");
  }
  return result;
}

std::expected<std::string, Refusal> read_user(const sip::Message& request, std::string_view domain) {
  auto to = sip::parse_name_addr(request.value(HeaderName::to));
  if (!to || !to->uri.is_sip) return refuse(400, "Bad To");
  if (!sip::same_text(to->uri.host, domain) || !to->uri.has_user)
    return refuse(404, "Not A User Of This Domain");
  std::string aor = sip::address_of_record(to->uri);
  constexpr std::string_view kScheme = "sip:";
  std::string user = aor.substr(kScheme.size(), aor.size() - kScheme.size() - domain.size() - 1);
  // draft 4.1: the user field must be set. Names that begin with '_' are peers.
  if (user.empty() || user.starts_with('_')) return refuse(404, "Not A User Name");
  if (user.size() > limits::kMaxUser) return too_much(404, "Not A User Name: Too Long");
  return user;
}

std::expected<RegisterRequest, Refusal> read_register(const sip::Message& request, std::string_view domain,
                                                      const ExpiryLimits& limits) {
  auto user = read_user(request, domain);
  if (!user) return std::unexpected(user.error());
  auto cseq = request.cseq();
  if (!cseq) return refuse(400, "Bad CSeq");

  RegisterRequest result{.user = std::move(*user), .call_id = request.call_id(), .cseq = cseq->number};
  if (auto refusal = read_contacts(request, limits, result)) return std::unexpected(*refusal);
  if (auto refusal = read_path(request, result)) return std::unexpected(*refusal);
  return result;
}

}  // namespace causeway::registrar
