// The authority of a domain: a key in a folder that need not be online.
//
//   D/authority.toml   key, CA certificate, network key, next serial (0600)
//   D/accounts.toml    the phones' accounts (0600)
//   D/NAME.bundle      what was issued
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "identity/bundle.h"

namespace causeway::identity {

class Authority {
 public:
  // A new domain. The name must be a fully qualified domain name (draft 2.1). Keys come from `random`:
  // only a simulation gives a seeded one.
  static base::Result<Authority> create(std::string_view domain);
  static base::Result<Authority> create(std::string_view domain, base::Random& random);
  static base::Result<Authority> load(const std::string& folder);
  // Makes the folder if need be. Never writes over the key of another authority: that could not be
  // undone.
  base::Status save(const std::string& folder) const;

  struct Request {
    std::vector<Role> roles;
    std::vector<std::string> users;  // "alice": covers sip:alice@D
    std::vector<std::string> bootstrap;
    base::UnixMs now = 0;
    std::int64_t valid_days = 365;
  };
  // Makes a key and everything around it; the accounts go only to registrars. Raises the serial:
  // save() afterwards.
  base::Result<Bundle> issue(const Request& request);
  base::Result<Bundle> issue(const Request& request, base::Random& random);

  // Also changes the password of a user that is there. `media`: none leaves it as it is.
  base::Status add_user(std::string_view user, std::string_view password,
                        std::optional<AccountMedia> media = std::nullopt);
  bool remove_user(std::string_view user) { return accounts_.remove(user); }

  const std::string& domain() const { return domain_; }
  const PublicKey& key() const { return key_.public_key(); }
  const Accounts& accounts() const { return accounts_; }

 private:
  Authority() = default;
  base::Status read(std::string_view toml, const std::string& name_for_errors);
  std::string text() const;

  std::string domain_;
  PrivateKey key_;
  std::string ca_pem_;
  NetworkKey network_key_{};
  std::uint64_t next_serial_ = 2;  // the authority's own certificate has 1
  Accounts accounts_;
};

}  // namespace causeway::identity
