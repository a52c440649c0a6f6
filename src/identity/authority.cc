#include "identity/authority.h"
#include "base/limits.h"

#include <algorithm>
#include <filesystem>

#include "identity/certificate.h"
#include "identity/openssl.h"
#include "identity/private_file.h"
#include "identity/toml_reading.h"

namespace causeway::identity {
namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::int64_t kMaxValidDays = 36500;

std::string key_file(const std::string& folder) { return folder + "/authority.toml"; }
std::string accounts_file(const std::string& folder) { return folder + "/accounts.toml"; }

base::Status check_user(std::string_view user) {
  if (is_user_part(user) && user != "*") return {};
  return base::fail(
      "expected a user name such as alice (the part before the @ of a SIP address, at most {} characters, "
      "not beginning with '_'), found {}",
      limits::kMaxUserPart, toml_quoted(user.substr(0, limits::kMaxUserPart)));
}

// RFC 8760 2.4, RFC 7616 3.4.2: H(user:realm:password)
std::string ha1(const char* algorithm, std::string_view user, std::string_view realm,
                std::string_view password) {
  std::string text = fmt::format("{}:{}:{}", user, realm, password);
  std::uint8_t digest[EVP_MAX_MD_SIZE];
  std::size_t size = 0;
  int ok = EVP_Q_digest(nullptr, algorithm, nullptr, text.data(), text.size(), digest, &size);
  OPENSSL_cleanse(text.data(), text.size());
  return ok ? base::hex({digest, size}) : std::string();
}

base::Result<std::vector<std::string>> covers_for(const Authority::Request& request) {
  std::vector<std::string> covers;
  auto add = [&](std::string cover) {
    if (std::ranges::find(covers, cover) == covers.end()) covers.push_back(std::move(cover));
  };
  for (Role role : request.roles)
    for (std::string& cover : covers_of(role)) add(std::move(cover));
  for (const std::string& user : request.users) {
    if (auto ok = check_user(user); !ok) return std::unexpected(ok.error());
    add("sip:" + user + "@");
  }
  if (covers.size() > limits::kMaxCovers)
    return base::fail("expected roles and users to cover at most {} URIs, found {}", limits::kMaxCovers,
                      covers.size());
  return covers;
}

}  // namespace

base::Result<Authority> Authority::create(std::string_view domain) {
  base::Random random;
  return create(domain, random);
}

base::Result<Authority> Authority::create(std::string_view domain, base::Random& random) {
  auto normal = parse_domain(domain);
  if (!normal) return std::unexpected(normal.error());
  Authority out;
  out.domain_ = std::move(*normal);
  out.key_ = PrivateKey::generate(random);
  auto certificate = make_authority_certificate(out.domain_, out.key_);
  if (!certificate) return std::unexpected(certificate.error());
  out.ca_pem_ = std::move(*certificate);
  random.fill(out.network_key_);
  return out;
}

base::Result<Bundle> Authority::issue(const Request& request) {
  base::Random random;
  return issue(request, random);
}

base::Result<Bundle> Authority::issue(const Request& request, base::Random& random) {
  if (request.valid_days < 1 || request.valid_days > kMaxValidDays)
    return base::fail("expected a credential to be valid for 1 to {} days, found {}", kMaxValidDays,
                      request.valid_days);
  if (request.now < 0 || request.now > static_cast<base::UnixMs>(kMaxSeconds) * 500)
    return base::fail("expected the time of day, found {} ms since 1970: is this clock right?", request.now);
  if (auto ok = check_bootstrap(request.bootstrap); !ok) return std::unexpected(ok.error());
  auto covers = covers_for(request);
  if (!covers) return std::unexpected(covers.error());

  Bundle out;
  out.domain = domain_;
  out.key = PrivateKey::generate(random);
  out.key_pem = out.key.pem();
  out.credential.domain = domain_;
  out.credential.key = out.key.public_key();
  out.credential.covers = std::move(*covers);
  out.credential.not_before = static_cast<std::uint64_t>(request.now / 1000);
  out.credential.not_after =
      out.credential.not_before + static_cast<std::uint64_t>(request.valid_days) * 86400;
  out.credential.serial = next_serial_;
  out.credential.sign(key_);
  if (std::size_t size = out.credential.encode().size(); size > limits::kMaxCredential)
    return base::fail("expected a credential of at most {} bytes, found {}: name fewer users",
                      limits::kMaxCredential, size);
  auto certificate = make_member_certificate(out.credential, key_, ca_pem_);
  if (!certificate) return std::unexpected(certificate.error());
  out.certificate_pem = std::move(*certificate);
  out.authority = key_.public_key();
  out.authority_certificate_pem = ca_pem_;
  out.network_key = network_key_;
  out.bootstrap = request.bootstrap;
  if (out.credential.covers_any_user()) out.accounts = accounts_;
  ++next_serial_;
  return out;
}

base::Status Authority::add_user(std::string_view user, std::string_view password,
                                 std::optional<AccountMedia> media) {
  if (auto ok = check_user(user); !ok) return ok;
  if (password.empty() || password.size() > limits::kMaxPassword)
    return base::fail("expected a password of 1 to {} characters for {}, found {}", limits::kMaxPassword,
                      user, password.size());
  const Account* before = accounts_.find(user);
  Account account{ha1("MD5", user, domain_, password), ha1("SHA256", user, domain_, password),
                  media.value_or(before ? before->media : AccountMedia::direct)};
  if (account.ha1_sha256.empty())
    return base::fail("OpenSSL cannot make SHA-256 here: is its default provider loaded?");
  accounts_.set(std::string(user), std::move(account));
  return {};
}

// ---- the folder

std::string Authority::text() const {
  return fmt::format(
      "# The authority of {0}. Whoever has this file can make members of {0}: keep it to yourself,\n"
      "# and a copy of it in a safe place.\n"
      "version = {1}\n"
      "domain = {2}\n"
      "key = '''\n{3}'''\n"
      "certificate = '''\n{4}'''\n"
      "network_key = {5}\n"
      "next_serial = {6}\n",
      domain_, kVersion, toml_quoted(domain_), key_.pem(), ca_pem_, toml_quoted(base::base64(network_key_)),
      next_serial_);
}

base::Status Authority::read(std::string_view toml, const std::string& name) {
  auto file = TomlTable::read(toml, name);
  if (!file) return std::unexpected(file.error());
  auto version = file->number("version");
  if (!version) return std::unexpected(version.error());
  if (*version != kVersion)
    return file->error("version",
                       fmt::format("expected {}, found {}: this folder is of another version of causeway",
                                   kVersion, *version));
  auto domain = file->text("domain"), key = file->text("key"), certificate = file->text("certificate"),
       network_key = file->text("network_key");
  for (auto* text : {&domain, &key, &certificate, &network_key})
    if (!*text) return std::unexpected(text->error());
  auto serial = file->number("next_serial");
  if (!serial) return std::unexpected(serial.error());
  if (auto ok = file->no_others(); !ok) return ok;

  auto normal = parse_domain(*domain);
  if (!normal) return file->error("domain", normal.error().message);
  auto private_key = PrivateKey::from_pem(*key);
  if (!private_key) return file->error("key", private_key.error().message);
  if (auto ok = check_authority_certificate(*certificate, private_key->public_key()); !ok)
    return file->error("certificate", ok.error().message);
  auto bytes = base::from_base64(*network_key);
  if (!bytes || bytes->size() != network_key_.size())
    return file->error("network_key", fmt::format("expected {} bytes in base64", network_key_.size()));
  if (*serial < 1) return file->error("next_serial", fmt::format("expected 1 or more, found {}", *serial));

  domain_ = std::move(*normal);
  key_ = std::move(*private_key);
  ca_pem_ = std::move(*certificate);
  std::ranges::copy(*bytes, network_key_.begin());
  next_serial_ = static_cast<std::uint64_t>(*serial);
  return {};
}

base::Result<Authority> Authority::load(const std::string& folder) {
  auto text = read_private_file(key_file(folder));
  if (!text)
    return base::fail("{}: is {} the folder of an authority? `causeway authority init` makes one",
                      text.error().message, folder);
  Authority out;
  if (auto ok = out.read(*text, key_file(folder)); !ok) return std::unexpected(ok.error());
  std::error_code error;  // a file that cannot even be looked at must not pass for none
  if (std::filesystem::exists(accounts_file(folder), error) || error) {
    auto accounts = Accounts::read_file(accounts_file(folder));
    if (!accounts) return std::unexpected(accounts.error());
    out.accounts_ = std::move(*accounts);
  }
  return out;
}

base::Status Authority::save(const std::string& folder) const {
  std::error_code error;
  bool made = std::filesystem::create_directories(folder, error);
  if (error) return base::fail("cannot make the folder {}: {}", folder, error.message());
  if (made) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  if (std::filesystem::exists(key_file(folder), error)) {
    auto there = load(folder);
    if (!there)
      return base::fail("not written: there is a file that may be the key of an authority, but {}",
                        there.error().message);
    if (there->key() != key())
      return base::fail(
          "not written: {} holds the authority of {} already, with another key. Give another folder, "
          "or move that one away if it is not needed any more",
          folder, there->domain());
  }
  if (auto ok = write_private_file(key_file(folder), text()); !ok) return ok;
  return write_private_file(accounts_file(folder), accounts_.text());
}

}  // namespace causeway::identity
