// A line that is an ordinary SIP account, at a peer of a Causeway domain or at any other server, over UDP,
// TCP or TLS, on one flow that is kept open (RFC 5626).
//
// With an outbound proxy everything goes there. Without one the account's domain is asked for its servers
// (RFC 3263, servers.h): requests outside of dialogues go to one of them, and to the next when it does not
// answer; those within a dialogue where its route set, or else the other side's Contact, says.
//
// Relays for the media are those that it was given, or else what the domain names as `turn:D` in its DNS (RFC
// 5928); there the account's name and password are good (RFC 8489 9.2).
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
#include "ua/servers.h"

namespace causeway::ua {

struct PhoneAccount {
  std::string aor;                   // "sip:alice@p2psip.org"
  std::string password;              // empty: a server that asks for none
  std::string user;                  // for the digest; empty: the AOR's
  std::optional<sip::Target> proxy;  // its outbound proxy; none: the domain's servers, by its DNS
  std::string instance;              // "urn:uuid:..." (RFC 5626 4.1); empty: a new one
  std::vector<RelayServer> relays;   // none: those that the domain's DNS names, if `finds_relays`
  base::Duration expires{};
  bool finds_relays = true;
  bool registers = true;    // false: it makes calls only
  bool keeps_alive = true;  // false: nothing is between that forgets
};

// Whose address of record is it? Fails if it is none.
base::Result<PhoneAccount> make_account(std::string_view aor, std::string password);
base::Result<PhoneAccount> make_account(std::string_view aor, std::string password, sip::Target proxy);

class PhoneLine final : public Line, private RegistrationUser {
 public:
  // `locator`: for an account without an outbound proxy, or without relays.
  PhoneLine(base::Loop& loop, sip::TransportLayer& transport, base::Random& random, PhoneAccount account,
            dns::Locator* locator = nullptr);
  ~PhoneLine();

  void start(Client& client, LineUser& user) override;
  void stop(std::function<void()> done) override;
  void detach() override;
  const std::string& aor() const override { return account_.aor; }
  std::optional<sip::Flow> flow() override;
  void failed(const sip::Flow& flow) override;
  bool has_another() const override { return servers_.has_another(); }
  void locate(std::string_view next_hop, std::function<void(std::vector<sip::Target>)> done) override;
  sip::Target stream_to(const net::Address& server) const override { return servers_.stream_to(server); }
  std::string contact() override;
  std::vector<std::string> routes() override { return service_routes_; }
  bool is_for_us(const sip::Uri& request_uri) const override;
  bool is_server(const sip::Flow& flow) const override;
  sip::DigestClient& digest() override { return digest_; }
  void relays(std::function<void(std::vector<RelayServer>)> done) override;
  void on_flow_closed(const sip::Flow& flow) override;

 private:
  struct RelaySearch;
  void find_server();
  void begin();
  void on_moved();
  void keep_alive();
  void ping();
  base::Buffer on_stun(std::span<const char> datagram, const net::Address& from);
  // RegistrationUser
  void on_registered(const RegistrationConfig& which, const sip::Message& ok) override;
  void on_not_registered(const RegistrationConfig& which, const Trouble& why, bool final) override;

  base::Loop& loop_;
  dns::Locator* locator_;
  sip::TransportLayer& transport_;
  base::Random& random_;
  PhoneAccount account_;
  std::string login_;  // for the digest
  std::string user_;   // of the AOR and of the Contact, as it stands in a URI
  sip::DigestClient digest_;
  Servers servers_;
  base::Timer search_;
  base::Duration search_pause_;
  std::optional<sip::Flow> flow_;
  std::vector<std::string> service_routes_;
  LineUser* line_user_ = nullptr;
  std::unique_ptr<Registration> registration_;
  bool stopped_ = false;
  bool outbound_ = false;  // the server knows flows (RFC 5626)
  base::Timer keep_alive_;
  std::vector<std::shared_ptr<RelaySearch>> relay_searches_;
  std::string asked_;                 // the transaction of the Binding request that is out
  int unanswered_ = 0;                // how many before it
  std::optional<net::Address> seen_;  // where the server sees us
};

}  // namespace causeway::ua
