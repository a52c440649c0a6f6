// Keeps one registration alive (RFC 3261 10.2, RFC 5626): a REGISTER, again before it expires, again when its
// way has changed, again after a failure with pauses that grow.
//
// A PhoneLine has one for its account; an Agent has one for each public address (draft 4.2), whose Contact is
// the address in the overlay.
#pragma once

#include <functional>
#include <string>

#include "base/loop.h"
#include "base/random.h"
#include "ua/client.h"

namespace causeway::ua {

struct RegistrationConfig {
  std::string aor;                       // "sip:alice@provider.example"
  std::string registrar;                 // Request-URI: "sip:provider.example"
  std::function<std::string()> contact;  // the whole value, without expires
  std::function<std::vector<std::string>()> routes;
  base::Duration expires{};
  sip::DigestClient* digest = nullptr;  // beside the line's
};

class RegistrationUser {
 public:
  virtual void on_registered(const RegistrationConfig& which, const sip::Message& ok) = 0;
  virtual void on_not_registered(const RegistrationConfig& which, const Trouble& why, bool final) = 0;

 protected:
  ~RegistrationUser() = default;
};

class Registration final : private Requester {
 public:
  Registration(base::Loop& loop, base::Random& random, Client& client, RegistrationConfig config,
               RegistrationUser& user);
  ~Registration();

  // Now, and from now on; without effect while one is under way.
  void refresh();
  // Takes the binding back. `done` comes with the answer, or after two seconds.
  void stop(std::function<void()> done);
  bool active() const { return active_; }
  // The flow that the last successful one went by: who is there knows of it. None before.
  const std::optional<sip::Flow>& way() const { return way_; }

 private:
  void send(base::Duration expires);
  void retry(const Trouble& why);
  void on_response(std::uint64_t id, const sip::Message& response) override;
  void on_failure(std::uint64_t id, const Trouble& why) override;
  void finish_stop();

  base::Loop& loop_;
  base::Random& random_;
  Client& client_;
  RegistrationConfig config_;
  RegistrationUser& user_;
  std::string call_id_, tag_;
  std::uint32_t cseq_ = 0;
  std::uint64_t id_ = 0;
  base::Duration expires_, pause_;
  std::optional<sip::Flow> way_;
  bool active_ = false;
  std::function<void()> stopped_;
  base::Timer timer_;
};

}  // namespace causeway::ua
