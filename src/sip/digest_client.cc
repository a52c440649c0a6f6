#include "sip/digest_client.h"

#include <algorithm>

#include "sip/headers.h"

namespace causeway::sip {

namespace {

bool contains(const std::vector<std::string>& all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

void DigestClient::add(std::string realm, std::string user, std::string password) {
  accounts_.push_back({std::move(realm), std::move(user), std::move(password)});
}

DigestClient::Account* DigestClient::account_for(std::string_view realm, bool own_registrar) {
  for (Account& account : accounts_)
    if (account.realm == realm) return &account;
  if (!own_registrar) return nullptr;
  for (Account& account : accounts_) {
    if (!account.realm.empty()) continue;
    account.realm = realm;
    return &account;
  }
  return nullptr;
}

// The first of a realm that we can answer is taken: RFC 8760 2.4 has the strongest on top.
DigestClient::Verdict DigestClient::take(std::string_view value, bool by_proxy, Attempt& attempt,
                                         bool own_registrar, std::vector<std::string>& realms) {
  auto challenge = parse_digest_challenge(value);
  if (!challenge) return Verdict::not_supported;
  if (contains(realms, challenge->realm)) return Verdict::answered;
  if (!account_for(challenge->realm, own_registrar)) return Verdict::not_ours;
  if (contains(attempt.answered, challenge->realm) && !challenge->stale) return Verdict::refused;
  realms.push_back(challenge->realm);
  Asked& asked = asked_[{challenge->realm, by_proxy}];
  asked = {std::move(*challenge), by_proxy, 0};
  return Verdict::answered;
}

DigestClient::Verdict DigestClient::challenged(const Message& response, Attempt& attempt,
                                               bool own_registrar) {
  const bool by_proxy = response.status() == 407;
  const auto name = by_proxy ? HeaderName::proxy_authenticate : HeaderName::www_authenticate;
  Verdict verdict = Verdict::not_supported;
  std::vector<std::string> realms;
  for (auto* field = response.first(name); field; field = response.next(*field)) {
    const auto one = take(response.value(*field), by_proxy, attempt, own_registrar, realms);
    if (one == Verdict::refused) return one;
    if (one == Verdict::answered || verdict == Verdict::not_supported) verdict = one;
  }
  for (std::string& realm : realms) attempt.answered.push_back(std::move(realm));
  return verdict;
}

std::vector<std::pair<std::string, std::string>> DigestClient::lines(std::string_view method,
                                                                     std::string_view uri) {
  std::vector<std::pair<std::string, std::string>> all;
  for (auto& [key, asked] : asked_) {
    const Account* account = account_for(key.first, false);
    if (!account) continue;
    std::string value = answer_challenge(asked.challenge, account->user, account->password, method, uri,
                                         random_.token(16), ++asked.uses);
    if (!value.empty()) all.emplace_back(asked.by_proxy ? "Proxy-Authorization" : "Authorization", value);
  }
  return all;
}

}  // namespace causeway::sip
