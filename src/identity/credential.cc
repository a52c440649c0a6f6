#include "identity/credential.h"
#include "base/limits.h"

#include <algorithm>
#include <ctime>

#include "base/msgpack.h"

namespace causeway::identity {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::string_view kPrefix = "causeway credential";

// "sip:", "turn:", "sip:*@", "sip:alice@". Schemes that are not known yet are kept; they cover nothing
// that exists today.
bool is_cover(std::string_view cover) {
  std::size_t colon = cover.find(':');
  if (colon == cover.npos || colon == 0 || colon > 16) return false;
  if (!std::ranges::all_of(cover.substr(0, colon), [](char c) { return c >= 'a' && c <= 'z'; })) return false;
  std::string_view user = cover.substr(colon + 1);
  if (user.empty()) return true;
  return user.ends_with('@') && cover.starts_with("sip:") && is_user_part(user.substr(0, user.size() - 1));
}

base::MsgpackWriter unsigned_part(const Credential& c) {
  base::MsgpackWriter out;
  out.array(8);
  out.uint(kVersion);
  out.text(c.domain);
  out.bytes(c.key.bytes());
  out.array(c.covers.size());
  for (const std::string& cover : c.covers) out.text(cover);
  out.uint(c.not_before);
  out.uint(c.not_after);
  out.uint(c.serial);
  return out;
}

base::Bytes signed_message(const Credential& c) {
  base::MsgpackWriter part = unsigned_part(c);
  base::Bytes message(kPrefix.size() + part.data().size());
  std::ranges::copy(part.data(), std::ranges::copy(kPrefix, message.begin()).out);
  return message;
}

base::Status read_covers(base::MsgpackReader& in, Credential& out) {
  auto count = in.array(limits::kMaxCovers);
  if (!count) return base::fail("expected at most {} covered URIs in a credential", limits::kMaxCovers);
  for (std::size_t i = 0; i < *count; ++i) {
    auto cover = in.text(limits::kMaxUserPart + 8);
    if (!cover || !is_cover(*cover))
      return base::fail("expected a covered URI such as 'sip:alice@' in a credential, found something else");
    out.covers.emplace_back(*cover);
  }
  return {};
}

base::Status read_dates_and_signature(base::MsgpackReader& in, Credential& out) {
  auto not_before = in.uint(), not_after = in.uint(), serial = in.uint();
  auto signature = in.bytes(out.signature.size());
  if (!signature || signature->size() != out.signature.size() || !in.at_end())
    return base::fail("expected two dates, a serial and a signature at the end of a credential");
  if (*not_before > *not_after || *not_after > kMaxSeconds)
    return base::fail("expected a credential to begin before it ends, and that before the year 10000");
  out.not_before = *not_before;
  out.not_after = *not_after;
  out.serial = *serial;
  std::ranges::copy(*signature, out.signature.begin());
  return {};
}

}  // namespace

base::Result<Role> parse_role(std::string_view name) {
  for (Role role : {Role::registrar, Role::proxy, Role::relay})
    if (name == role_name(role)) return role;
  return base::fail("expected a role (registrar, proxy or relay), found '{}'", name);
}

std::string_view role_name(Role role) {
  switch (role) {
    case Role::registrar:
      return "registrar";
    case Role::proxy:
      return "proxy";
    case Role::relay:
      return "relay";
  }
  return "unknown";
}

std::vector<std::string> covers_of(Role role) {
  switch (role) {
    case Role::registrar:
      return {"sip:*@"};
    case Role::proxy:
      return {"sip:"};
    case Role::relay:
      return {"turn:", "teredo:"};
  }
  return {};
}

bool Credential::covers_any_user() const { return std::ranges::find(covers, "sip:*@") != covers.end(); }

bool Credential::covers_uri(std::string_view uri) const {
  auto parts = parse_overlay_uri(uri);
  if (!parts || parts->domain != domain) return false;
  if (parts->peer) return *parts->peer == key.peer_id();
  std::string_view without_domain = uri.substr(0, uri.size() - domain.size());
  return std::ranges::any_of(covers, [&](const std::string& cover) {
    return cover == without_domain || (cover == "sip:*@" && !parts->user.empty());
  });
}

base::Bytes Credential::encode() const {
  base::MsgpackWriter out = unsigned_part(*this);
  out.bytes(signature);
  return out.take();
}

base::Result<Credential> Credential::decode(std::span<const std::uint8_t> bytes) {
  if (bytes.size() > limits::kMaxCredential)
    return base::fail("expected a credential of at most {} bytes, found {}", limits::kMaxCredential,
                      bytes.size());
  base::MsgpackReader in(bytes);
  auto fields = in.array(64);
  auto version = in.uint();
  if (!version) return base::fail("expected a credential, found {} bytes of something else", bytes.size());
  if (*version != kVersion || *fields != 8)
    return base::fail("expected a credential of version {} with 8 fields, found version {} with {}", kVersion,
                      *version, *fields);
  Credential out;
  auto domain = in.text(limits::kMaxDomain);
  auto normal = domain ? parse_domain(*domain) : base::fail("none");
  if (!normal || *normal != *domain)
    return base::fail("expected a domain name in lower case in a credential, found something else");
  out.domain = std::move(*normal);
  auto key_bytes = in.bytes(33);
  if (!key_bytes) return base::fail("expected a public key of 33 bytes in a credential");
  if (auto ok = read_covers(in, out); !ok) return std::unexpected(ok.error());
  if (auto ok = read_dates_and_signature(in, out); !ok) return std::unexpected(ok.error());
  auto key = PublicKey::from_bytes(*key_bytes);  // last: it is what costs
  if (!key) return std::unexpected(key.error());
  out.key = std::move(*key);
  return out;
}

void Credential::sign(const PrivateKey& authority) { signature = authority.sign(signed_message(*this)); }

bool Credential::signed_by(const PublicKey& authority) const {
  return authority.verify(signed_message(*this), signature);
}

std::string utc_text(std::int64_t seconds) {
  std::time_t time = seconds;
  std::tm parts{};
  char text[64];
  if (!gmtime_r(&time, &parts) || !std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts))
    return fmt::format("second {} of 1970", seconds);
  return text;
}

base::Status check_dates(const Credential& credential, base::UnixMs now) {
  std::int64_t seconds = now / 1000;
  auto not_before = static_cast<std::int64_t>(credential.not_before);
  auto not_after = static_cast<std::int64_t>(credential.not_after);
  if (seconds + kClockSkewSeconds < not_before)
    return base::fail("the credential is not valid before {} and it is {} here: is this clock right?",
                      utc_text(not_before), utc_text(seconds));
  if (seconds - kClockSkewSeconds > not_after)
    return base::fail(
        "the credential is out of date since {} (it is {} here): ask the authority of {} for a new one",
        utc_text(not_after), utc_text(seconds), credential.domain);
  return {};
}

base::Status check_credential(const Credential& credential, std::string_view domain,
                              const PublicKey& authority, base::UnixMs now) {
  if (credential.domain != domain)
    return base::fail("expected a credential for {}, found one for {}", domain, credential.domain);
  if (auto ok = check_dates(credential, now); !ok) return ok;
  if (!credential.signed_by(authority))
    return base::fail("the credential is signed by another authority than that of {}", domain);
  return {};
}

}  // namespace causeway::identity
