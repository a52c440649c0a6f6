#include "identity/bundle.h"
#include "base/limits.h"

#include <algorithm>
#include <charconv>

#include "identity/accounts_toml.h"
#include "identity/certificate.h"
#include "identity/toml_reading.h"

namespace causeway::identity {
namespace {

constexpr std::int64_t kVersion = 1;

base::Result<base::Bytes> read_base64(TomlTable& file, std::string_view key, std::size_t least,
                                      std::size_t most) {
  auto text = file.text(key);
  if (!text) return std::unexpected(text.error());
  auto bytes = base::from_base64(*text);
  if (!bytes)
    return file.error(key,
                      fmt::format("expected base64, found {} characters of something else", text->size()));
  if (bytes->size() < least || bytes->size() > most)
    return file.error(
        key, least == most
                 ? fmt::format("expected {} bytes in base64, found {}", least, bytes->size())
                 : fmt::format("expected at most {} bytes in base64, found {}", most, bytes->size()));
  return std::move(*bytes);
}

// "host:port", "192.0.2.1:7400", "[2001:db8::1]:7400"
bool is_host_port(std::string_view text) {
  std::size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0) return false;
  std::string_view host = text.substr(0, colon), digits = text.substr(colon + 1);
  unsigned port = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size() || port == 0 || port > 65535) return false;
  if (net::Ip::parse(host)) return host.front() == '[' || host.find(':') == host.npos;
  return host.size() <= 253 && std::ranges::all_of(host, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                  c == '.';
         });
}

base::Status read_domain_and_authority(TomlTable& file, Bundle& out) {
  auto version = file.number("version");
  if (!version) return std::unexpected(version.error());
  if (*version != kVersion)
    return file.error("version",
                      fmt::format("expected {}, found {}: this bundle is for another version of causeway",
                                  kVersion, *version));
  auto domain = file.text("domain");
  if (!domain) return std::unexpected(domain.error());
  auto normal = parse_domain(*domain);
  if (!normal) return file.error("domain", normal.error().message);
  out.domain = std::move(*normal);

  auto bytes = read_base64(file, "authority", 33, 33);
  if (!bytes) return std::unexpected(bytes.error());
  auto authority = PublicKey::from_bytes(*bytes);
  if (!authority) return file.error("authority", authority.error().message);
  out.authority = std::move(*authority);

  auto pem = file.text("authority_certificate");
  if (!pem) return std::unexpected(pem.error());
  if (auto ok = check_authority_certificate(*pem, out.authority); !ok)
    return file.error("authority_certificate", ok.error().message);
  out.authority_certificate_pem = std::move(*pem);
  return {};
}

base::Status read_credential(TomlTable& file, Bundle& out) {
  auto bytes = read_base64(file, "credential", 1, limits::kMaxCredential);
  if (!bytes) return std::unexpected(bytes.error());
  auto credential = Credential::decode(*bytes);
  if (!credential) return file.error("credential", credential.error().message);
  if (credential->domain != out.domain)
    return file.error("credential",
                      fmt::format("expected one for {}, found one for {}", out.domain, credential->domain));
  if (!credential->signed_by(out.authority))
    return file.error("credential",
                      "expected one signed by the authority in this file, found one signed by another");
  out.credential = std::move(*credential);
  return {};
}

base::Status read_key_and_certificate(TomlTable& file, Bundle& out) {
  auto pem = file.text("key");
  if (!pem) return std::unexpected(pem.error());
  auto key = PrivateKey::from_pem(*pem);
  if (!key) return file.error("key", key.error().message);
  if (key->public_key() != out.credential.key)
    return file.error("key", "expected the private key of the credential, found another");
  out.key = std::move(*key);
  out.key_pem = std::move(*pem);

  auto certificate = file.text("certificate");
  if (!certificate) return std::unexpected(certificate.error());
  if (auto ok = check_member_certificate(*certificate, out.credential, out.authority); !ok)
    return file.error("certificate", ok.error().message);
  out.certificate_pem = std::move(*certificate);
  return {};
}

base::Status read_rest(TomlTable& file, Bundle& out) {
  auto network_key = read_base64(file, "network_key", out.network_key.size(), out.network_key.size());
  if (!network_key) return std::unexpected(network_key.error());
  std::ranges::copy(*network_key, out.network_key.begin());
  auto bootstrap = file.texts("bootstrap");
  if (!bootstrap) return std::unexpected(bootstrap.error());
  if (auto ok = check_bootstrap(*bootstrap); !ok) return file.error("bootstrap", ok.error().message);
  out.bootstrap = std::move(*bootstrap);
  if (const TomlValue* accounts = file.find("accounts")) {
    auto read = accounts_from_toml(*accounts, file.name());
    if (!read) return std::unexpected(read.error());
    out.accounts = std::move(*read);
  }
  return file.no_others();
}

}  // namespace

base::Result<std::unique_ptr<net::TlsContext>> member_tls(const Bundle& bundle) {
  // What peer links speak, so that a link can carry something else beside SIP one day.
  constexpr std::string_view kLinkProtocol = "causeway-sip/1";
  return net::TlsContext::member({bundle.certificate_pem, bundle.key_pem}, bundle.authority_certificate_pem,
                                 kLinkProtocol);
}

base::Status check_bootstrap(const std::vector<std::string>& bootstrap) {
  if (bootstrap.size() > limits::kMaxBootstrap)
    return base::fail("expected at most {} addresses, found {}", limits::kMaxBootstrap, bootstrap.size());
  for (const std::string& text : bootstrap)
    if (!is_host_port(text))
      return base::fail("expected host:port such as 192.0.2.1:7400 or [2001:db8::1]:7400, found {}",
                        toml_quoted(text.substr(0, 260)));
  return {};
}

base::Result<Bundle> Bundle::read_file(const std::string& path) {
  auto text = read_private_file(path);
  if (!text) return std::unexpected(text.error());
  return read_text(*text, path);
}

base::Result<Bundle> Bundle::read_text(std::string_view toml, const std::string& name) {
  auto file = TomlTable::read(toml, name);
  if (!file) return std::unexpected(file.error());
  Bundle out;
  for (auto* step : {read_domain_and_authority, read_credential, read_key_and_certificate, read_rest})
    if (auto ok = step(*file, out); !ok) return std::unexpected(ok.error());
  return out;
}

std::string Bundle::text() const {
  std::string out =
      "# A member of " + domain + ". Whoever has this file is that member: keep it to yourself.\n";
  auto line = [&](std::string_view name, std::string_view value) {
    out += fmt::format("{} = {}\n", name, value);
  };
  auto block = [&](std::string_view name, std::string_view pem) {
    out += fmt::format("{} = '''\n{}'''\n", name, pem);
  };
  line("version", std::to_string(kVersion));
  line("domain", toml_quoted(domain));
  line("credential", toml_quoted(base::base64(credential.encode())));
  block("key", key_pem);
  block("certificate", certificate_pem);
  line("authority", toml_quoted(base::base64(authority.bytes())));
  block("authority_certificate", authority_certificate_pem);
  line("network_key", toml_quoted(base::base64(network_key)));
  std::string addresses;
  for (const std::string& address : bootstrap)
    addresses += (addresses.empty() ? "" : ", ") + toml_quoted(address);
  line("bootstrap", "[" + addresses + "]");
  if (!accounts.empty()) out += "\n" + accounts.text();
  return out;
}

std::string peer_host(const PeerId& peer, std::string_view domain) {
  return fmt::format("{}.peers.{}", peer.text(), domain);
}

std::optional<PeerId> peer_of_host(std::string_view host, std::string_view domain) {
  if (host.size() > 254) return std::nullopt;
  std::string name(host);
  if (name.ends_with('.')) name.pop_back();
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  if (name.size() < 32) return std::nullopt;
  auto peer = PeerId::parse(std::string_view(name).substr(0, 32));
  if (!peer || name != peer_host(*peer, domain)) return std::nullopt;
  return peer;
}

}  // namespace causeway::identity
