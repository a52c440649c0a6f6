// A line that is a member of the overlay (draft 3.2, 4.1): a user's own credential, nobody's account.
//
// It is no node of the DHT. It keeps links to two public peers (overlay/public_links.h), asks the overlay
// through them (overlay/remote_overlay.h), and is reached through them: its user record, which it signs
// itself, names both. What it sends leaves on one of the two, and on the other when that one dies.
//
// Its relays are those near it (overlay/directory.h), each with a token that this member makes
// (identity/relay_token.h). Where UDP does not pass none answers; then those that offer TCP or TLS are taken.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/metrics.h"
#include "base/random.h"
#include "identity/bundle.h"
#include "identity/sealing.h"
#include "net/network.h"
#include "overlay/directory.h"
#include "overlay/public_links.h"
#include "overlay/remote_overlay.h"
#include "sip/transaction.h"
#include "ua/line.h"

namespace causeway::ua {

// The user whom a bundle's credential speaks for: "alice". The error says that it is no user's.
base::Result<std::string> user_of(const identity::Credential& credential);

class MemberLine final : public Line, private overlay::PublicLinks::User {
 public:
  struct Parts {
    base::Loop& loop;
    base::Random& random;
    base::Metrics& metrics;
    net::Network& network;
    sip::TransportLayer& transport;  // opened with the bundle's certificate as member
    sip::TransactionLayer& transactions;
  };
  // `bootstrap`: link endpoints of public peers. `user`: of those that the credential covers.
  MemberLine(Parts parts, const identity::Bundle& bundle, std::string user,
             std::vector<net::Address> bootstrap);
  ~MemberLine();

  void start(Client& client, LineUser& user) override;
  void stop(std::function<void()> done) override;
  void detach() override;
  const std::string& aor() const override { return aor_; }
  std::optional<sip::Flow> flow() override;
  void failed(const sip::Flow& flow) override;
  std::string contact() override;
  bool is_for_us(const sip::Uri& request_uri) const override;
  bool is_server(const sip::Flow& flow) const override { return flow.member; }
  sip::DigestClient& digest() override { return digest_; }
  void relays(std::function<void(std::vector<RelayServer>)> done) override;
  bool take_request(sip::ServerTransaction& transaction, const sip::Message& request,
                    const sip::Flow& flow) override;
  void on_gone(const sip::ServerTransaction& transaction) override { links_.on_link_gone(transaction); }
  void on_flow_closed(const sip::Flow& flow) override;

 private:
  // overlay::PublicLinks::User
  void on_link_up(const overlay::PublicLinks::Link& link) override;
  void on_link_down(const overlay::PublicLinks::Link& link) override;
  void on_news(const overlay::PublicLinks::Link& link, const overlay::LinkQuestion& news) override;

  void publish();
  void put(overlay::Kind kind, std::string uri, base::Bytes body);
  void make_token(net::Address seen);
  std::vector<RelayServer> with_tokens(const std::vector<overlay::ServiceBody>& relays, bool over_udp);

  Parts parts_;
  const std::string domain_, user_, aor_;
  const identity::PeerId self_;
  const overlay::Signer signer_;
  identity::TokenSealer sealer_;
  overlay::RecordChecker checker_;
  overlay::LinkAsker asker_;
  overlay::PublicLinks links_;
  std::unique_ptr<overlay::Engine> overlay_;
  overlay::Directory directory_;
  overlay::RoundTrips round_trips_;
  sip::DigestClient digest_;
  LineUser* line_user_ = nullptr;
  std::string token_;  // of the Contact
  base::UnixMs sequence_ = 0;
  std::optional<sip::Flow> avoided_;  // what was sent there had no effect
  std::function<void()> stopped_;
  base::Timer publish_, goodbye_;
};

}  // namespace causeway::ua
