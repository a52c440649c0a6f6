// The client side of digest authentication (RFC 3261 22, RFC 8760): keeps what it was asked, and answers it
// in every request that follows, so that a server asks once for each nonce.
//
// A password is not for everybody: an answer to a challenge lets who made it try passwords at home. So only
// realms that are ours are answered: those named, and whatever our own registrar asks a REGISTER for.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "sip/digest.h"
#include "sip/message.h"

namespace causeway::sip {

class DigestClient {
 public:
  explicit DigestClient(base::Random& random) : random_(random) {}

  // This user's password answers challenges of that realm. An empty realm: that of the first challenge
  // which comes from the registrar that a REGISTER of ours is for.
  void add(std::string realm, std::string user, std::string password);

  // One request, with all its repetitions.
  struct Attempt {
    std::vector<std::string> answered;  // realms whose challenge it has met
  };
  enum class Verdict {
    answered,       // send it again, with lines()
    refused,        // what we answered is not right: user or password
    not_ours,       // no password for this realm
    not_supported,  // no algorithm that we know
  };
  // A 401 or 407 has come. `own_registrar`: it is for a REGISTER with these accounts.
  Verdict challenged(const Message& response, Attempt& attempt, bool own_registrar);

  // Authorization and Proxy-Authorization for a request.
  std::vector<std::pair<std::string, std::string>> lines(std::string_view method, std::string_view uri);

 private:
  struct Account {
    std::string realm, user, password;
  };
  struct Asked {
    DigestChallenge challenge;
    bool by_proxy = false;
    std::uint32_t uses = 0;
  };
  Account* account_for(std::string_view realm, bool own_registrar);
  Verdict take(std::string_view value, bool by_proxy, Attempt& attempt, bool own_registrar,
               std::vector<std::string>& realms);

  base::Random& random_;
  std::vector<Account> accounts_;
  std::map<std::pair<std::string, bool>, Asked> asked_;  // by realm, and whether a proxy asks
};

}  // namespace causeway::sip
