#include "identity/accounts.h"
#include "base/limits.h"

#include <algorithm>

#include "identity/accounts_toml.h"
#include "identity/credential.h"
#include "identity/private_file.h"

namespace causeway::identity {
namespace {

base::Result<std::string> hex_digits(TomlTable& table, std::string_view key, std::size_t digits) {
  auto text = table.text_if_any(key);
  if (!text || text->empty()) return text;
  std::ranges::transform(*text, text->begin(),
                         [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c | 0x20) : c; });
  bool hex =
      std::ranges::all_of(*text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!hex || text->size() != digits)  // not shown: it is nearly a password
    return table.error(key, fmt::format("expected {} hex digits, found {} characters{}", digits, text->size(),
                                        hex ? "" : " that are not all hex digits"));
  return text;
}

base::Result<Account> account_from_toml(const TomlValue& value, const std::string& name) {
  if (value.is != TomlValue::Is::table)
    return base::fail("{}:{}: accounts: {}: expected {{ md5 = \"...\", sha256 = \"...\" }}, found {}", name,
                      value.line, value.key, value.kind);
  TomlTable table(value, name);
  auto md5 = hex_digits(table, "md5", 32);
  if (!md5) return std::unexpected(md5.error());
  auto sha256 = hex_digits(table, "sha256", 64);
  if (!sha256) return std::unexpected(sha256.error());
  auto media_text = table.text_if_any("media");
  if (!media_text) return std::unexpected(media_text.error());
  const std::optional media = media_text->empty() ? AccountMedia::direct : parse_account_media(*media_text);
  if (!media)
    return table.error("media", fmt::format("expected \"direct\" or \"anchor\", found {}",
                                            toml_quoted(media_text->substr(0, limits::kMaxUserPart))));
  if (auto ok = table.no_others(); !ok) return std::unexpected(ok.error());
  if (md5->empty() && sha256->empty())
    return base::fail("{}:{}: accounts: {}: expected md5, sha256 or both, found neither", name, value.line,
                      value.key);
  return Account{std::move(*md5), std::move(*sha256), *media};
}

}  // namespace

base::Result<Accounts> accounts_from_toml(const TomlValue& value, const std::string& name) {
  if (value.is != TomlValue::Is::table)
    return base::fail("{}:{}: accounts: expected a table, found {}", name, value.line, value.kind);
  Accounts out;
  for (const TomlValue& item : value.items) {
    if (!is_user_part(item.key) || item.key == "*")
      return base::fail("{}:{}: accounts: expected the user part of a SIP address, found {}", name, item.line,
                        toml_quoted(item.key.substr(0, limits::kMaxUserPart)));
    auto account = account_from_toml(item, name);
    if (!account) return std::unexpected(account.error());
    out.set(item.key, std::move(*account));
  }
  return out;
}

std::optional<AccountMedia> parse_account_media(std::string_view text) {
  if (text == "direct") return AccountMedia::direct;
  if (text == "anchor") return AccountMedia::anchor;
  return std::nullopt;
}

const Account* Accounts::find(std::string_view user) const {
  auto at = by_user_.find(user);
  return at == by_user_.end() ? nullptr : &at->second;
}

void Accounts::set(std::string user, Account account) {
  remove(user);
  anchored_ += account.media == AccountMedia::anchor;
  by_user_.emplace(std::move(user), std::move(account));
}

bool Accounts::remove(std::string_view user) {
  auto at = by_user_.find(user);
  if (at == by_user_.end()) return false;
  anchored_ -= at->second.media == AccountMedia::anchor;
  by_user_.erase(at);
  return true;
}

base::Result<Accounts> Accounts::read_file(const std::string& path) {
  auto text = read_private_file(path);
  if (!text) return std::unexpected(text.error());
  return read_text(*text, path);
}

base::Result<Accounts> Accounts::read_text(std::string_view toml, const std::string& name) {
  auto table = TomlTable::read(toml, name);
  if (!table) return std::unexpected(table.error());
  const TomlValue* accounts = table->find("accounts");
  if (auto ok = table->no_others(); !ok) return std::unexpected(ok.error());
  return accounts ? accounts_from_toml(*accounts, name) : base::Result<Accounts>{};
}

std::string Accounts::text() const {
  std::string out = "[accounts]\n";
  for (const auto& [user, account] : by_user_) {
    out += toml_key(user) + " = { ";
    if (!account.ha1_md5.empty()) out += "md5 = " + toml_quoted(account.ha1_md5);
    if (!account.ha1_md5.empty() && !account.ha1_sha256.empty()) out += ", ";
    if (!account.ha1_sha256.empty()) out += "sha256 = " + toml_quoted(account.ha1_sha256);
    if (account.media == AccountMedia::anchor) out += ", media = \"anchor\"";
    out += " }\n";
  }
  return out;
}

}  // namespace causeway::identity
