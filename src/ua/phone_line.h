// A line that is an ordinary SIP account, at a peer of a Causeway domain or at any other server: everything
// goes to one outbound proxy and comes from it, over UDP, TCP or TLS, on one flow that is kept open (RFC
// 5626).
//
// Over UDP the keep-alive is a STUN Binding request: its answer tells whether a NAT has forgotten us, or sees
// us elsewhere now; then the account is registered again at once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/random.h"
#include "sip/transport.h"
#include "ua/line.h"
#include "ua/register.h"

namespace causeway::ua {

struct PhoneAccount {
  std::string aor;       // "sip:alice@p2psip.org"
  std::string password;  // empty: a server that asks for none
  std::string user;      // for the digest; empty: the AOR's
  sip::Target proxy;     // where its outbound proxy is
  std::string instance;  // "urn:uuid:..." (RFC 5626 4.1); empty: a new one
  std::vector<RelayServer> relays;
  base::Duration expires{};
  bool registers = true;    // false: it makes calls only
  bool keeps_alive = true;  // false: nothing is between that forgets
};

// Whose address of record is it? Fails if it is none.
base::Result<PhoneAccount> make_account(std::string_view aor, std::string password, sip::Target proxy);

class PhoneLine final : public Line, private RegistrationUser {
 public:
  PhoneLine(base::Loop& loop, sip::TransportLayer& transport, base::Random& random, PhoneAccount account);
  ~PhoneLine();

  void start(Client& client, LineUser& user) override;
  void stop(std::function<void()> done) override;
  void detach() override;
  const std::string& aor() const override { return account_.aor; }
  std::optional<sip::Flow> flow() override;
  std::string contact() override;
  std::vector<std::string> routes() override { return service_routes_; }
  bool is_for_us(const sip::Uri& request_uri) const override;
  bool is_server(const sip::Flow& flow) const override;
  sip::DigestClient& digest() override { return digest_; }
  void relays(std::function<void(std::vector<RelayServer>)> done) override { done(account_.relays); }
  void on_flow_closed(const sip::Flow& flow) override;

 private:
  void keep_alive();
  void ping();
  base::Buffer on_stun(std::span<const char> datagram, const net::Address& from);
  // RegistrationUser
  void on_registered(const RegistrationConfig& which, const sip::Message& ok) override;
  void on_not_registered(const RegistrationConfig& which, const Trouble& why, bool final) override;

  base::Loop& loop_;
  sip::TransportLayer& transport_;
  base::Random& random_;
  PhoneAccount account_;
  std::string user_;  // of the AOR and of the Contact, as it stands in a URI
  sip::DigestClient digest_;
  std::optional<sip::Flow> flow_;
  std::vector<std::string> service_routes_;
  LineUser* line_user_ = nullptr;
  std::unique_ptr<Registration> registration_;
  bool outbound_ = false;  // the server knows flows (RFC 5626)
  base::Timer keep_alive_;
  std::string asked_;                 // the transaction of the Binding request that is out
  int unanswered_ = 0;                // how many before it
  std::optional<net::Address> seen_;  // where the server sees us
};

}  // namespace causeway::ua
