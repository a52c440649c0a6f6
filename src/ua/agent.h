// A SIP user agent (draft 3.2): makes and takes calls on one line, with media that finds its way through
// NATs. This is the header that a program needs which embeds it; user_agent.h puts everything together that
// an agent stands on, and examples/embedded_agent.cc is such a program.
//
//   Agent agent(parts, line, sessions, user);
//   agent.start();                            the line registers: user.on_registered
//   agent.call("bob");                        user.on_ringing, on_established, on_media, ..., on_ended
//   user.on_incoming(call): call.answer();
//   agent.stop([&] { loop.stop(); });         hangs up, and takes the registration back
//
// Calls are call.h, where a call's messages come from and go to is line.h, what is spoken session.h.
//
// One thread: that of the loop. Nothing here blocks, and everything that comes is told by the user's
// functions, in turns of the loop.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "ua/call.h"
#include "ua/client.h"
#include "ua/line.h"
#include "ua/register.h"
#include "ua/session.h"

namespace causeway::ua {

class AgentUser : public CallUser {
 public:
  // Somebody calls: answer, reject, or let it ring. Told while it rings already.
  virtual void on_incoming(Call& call) = 0;
  // `aor` can be called now: the line's own, or a public address. Again with every refresh that was not asked
  // for by time alone.
  virtual void on_registered(const std::string& aor) { (void)aor; }
  // `final`: it is not tried again.
  virtual void on_not_registered(const std::string& aor, const Trouble& why, bool final) {
    (void)aor, (void)why, (void) final;
  }

 protected:
  ~AgentUser() = default;
};

// An address at a provider outside, reached through the overlay's proxy peers (draft 4.2).
struct PublicAddress {
  std::string aor;   // "sip:alice@provider.example"
  std::string user;  // for the digest; empty: the AOR's
  std::string password;
};

struct AgentConfig {
  std::string display_name;
  base::Duration session_expires{};  // RFC 4028; zero: limits::kSessionExpires
};

class Agent final : public sip::ServerUser, private LineUser, private RegistrationUser, private CallOwner {
 public:
  struct Parts {
    base::Loop& loop;
    base::Random& random;
    base::Metrics& metrics;
    sip::TransportLayer& transport;
    sip::TransactionLayer& transactions;  // its core is this agent from now on
  };
  // All references must outlive the agent, but for this: the transaction layer must not run any more when it
  // has gone.
  Agent(Parts parts, Line& line, SessionMaker& sessions, AgentUser& user, AgentConfig config = {});
  ~Agent();

  void start();
  // Hangs up, takes registrations back; `done` when that is over, after two seconds at most.
  void stop(std::function<void()> done);

  // "bob" (of the line's own domain), "bob@example.org", "sip:bob@example.org". The call is there until some
  // time after on_ended. `as`: the public address that it is made as (draft 4.2), which must be registered:
  // it goes by the way of that registration, since nobody else knows that the address is ours.
  base::Result<Call*> call(std::string_view whom, std::string_view as = {});
  // Keeps it registered, with the line's address as its Contact.
  base::Status register_public(PublicAddress address);

  bool registered() const { return line_up_; }
  // This public address is.
  bool registered(std::string_view address) const { return public_of(address) != nullptr; }
  // Those that have not ended, in the order in which they began.
  std::vector<Call*> calls();

 private:
  struct Public {
    std::string aor;
    sip::DigestClient digest;
    std::unique_ptr<Registration> registration;
    bool up = false;
    explicit Public(base::Random& random) : digest(random) {}
  };
  const Public* public_of(std::string_view address) const;
  bool is_known_there(const Public& address) const;
  std::function<std::optional<sip::Flow>()> way_of(std::string address) const;
  Call& make_call(std::string_view as = {});
  CallParts call_parts(std::string_view as);
  void refuse(sip::ServerTransaction& transaction, const sip::Message& request, int status,
              std::vector<sip::ExtraHeader> extra = {});
  bool refuses(sip::ServerTransaction& transaction, const sip::Message& request);
  void on_new_invite(sip::ServerTransaction& transaction, const sip::Message& invite);
  Call* call_of(const sip::Message& request);

  // sip::ServerUser
  void on_request(sip::ServerTransaction& transaction, const sip::Message& request,
                  const sip::Flow& flow) override;
  void on_ack(const sip::Message& ack, const sip::Flow& flow) override;
  void on_cancel(sip::ServerTransaction& invite, const sip::Message& cancel) override;
  void on_stray_response(const sip::Message& response, const sip::Flow& flow) override;
  void on_gone(sip::ServerTransaction& transaction) override;
  void on_flow_closed(const sip::Flow& flow) override;
  // LineUser
  void on_line_up() override;
  void on_line_down(const Trouble& why, bool final) override;
  // RegistrationUser
  void on_registered(const RegistrationConfig& which, const sip::Message& ok) override;
  void on_not_registered(const RegistrationConfig& which, const Trouble& why, bool final) override;
  // CallOwner
  void on_finished(Call& call) override;

  Parts parts_;
  Line& line_;
  SessionMaker& sessions_;
  AgentUser& user_;
  AgentConfig config_;
  Client client_;
  std::map<std::uint64_t, std::unique_ptr<Call>> calls_;
  std::vector<std::unique_ptr<Public>> publics_;
  std::uint64_t last_call_ = 0;
  bool line_up_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  base::Counter& incoming_;
  base::Counter& outgoing_;
  base::Counter& refused_;
  base::Counter& too_many_;
  base::Counter& not_ours_;
};

}  // namespace causeway::ua
