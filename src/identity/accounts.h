// Accounts of phones: user name and digest secrets. Written by the authority, held by registrars.
//
//   [accounts]                       (accounts.toml, or a section of a bundle)
//   alice = { md5 = "32 hex", sha256 = "64 hex" }
//
// The secrets are HA1 of user:D:password, so the password itself is nowhere.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace causeway::identity {

struct Account {
  std::string ha1_md5;     // 32 hex digits, or empty: this algorithm is not allowed
  std::string ha1_sha256;  // 64 hex digits
};

class Accounts {
 public:
  const Account* find(std::string_view user) const;
  void set(std::string user, Account account);
  bool remove(std::string_view user);
  std::size_t size() const { return by_user_.size(); }
  bool empty() const { return by_user_.empty(); }
  const std::map<std::string, Account, std::less<>>& all() const { return by_user_; }

  static base::Result<Accounts> read_file(const std::string& path);
  static base::Result<Accounts> read_text(std::string_view toml, const std::string& name_for_errors);
  std::string text() const;  // the [accounts] table as TOML

 private:
  std::map<std::string, Account, std::less<>> by_user_;
};

}  // namespace causeway::identity
