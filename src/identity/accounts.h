// Accounts of phones: user name and digest secrets. Written by the authority, held by registrars.
//
//   [accounts]                       (accounts.toml, or a section of a bundle)
//   alice = { md5 = "32 hex", sha256 = "64 hex" }
//   bob = { md5 = "32 hex", sha256 = "64 hex", media = "anchor" }
//
// The secrets are HA1 of user:D:password, so the password itself is nowhere.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace causeway::identity {

// Who finds the way of a phone's media: the phone itself ("direct", if nothing is said), or its home peer in
// its place ("anchor"), for phones that know neither ICE nor TURN.
enum class AccountMedia : std::uint8_t { direct, anchor };
std::optional<AccountMedia> parse_account_media(std::string_view text);

struct Account {
  std::string ha1_md5;     // 32 hex digits, or empty: this algorithm is not allowed
  std::string ha1_sha256;  // 64 hex digits
  AccountMedia media = AccountMedia::direct;
};

class Accounts {
 public:
  const Account* find(std::string_view user) const;
  void set(std::string user, Account account);
  bool remove(std::string_view user);
  std::size_t size() const { return by_user_.size(); }
  std::size_t anchored() const { return anchored_; }  // those with media = "anchor"
  bool empty() const { return by_user_.empty(); }
  const std::map<std::string, Account, std::less<>>& all() const { return by_user_; }

  static base::Result<Accounts> read_file(const std::string& path);
  static base::Result<Accounts> read_text(std::string_view toml, const std::string& name_for_errors);
  std::string text() const;  // the [accounts] table as TOML

 private:
  std::map<std::string, Account, std::less<>> by_user_;
  std::size_t anchored_ = 0;
};

}  // namespace causeway::identity
