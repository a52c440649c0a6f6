// What a user agent has to say, as JSON lines on standard output: one event a line, with the time in
// milliseconds since 1970.
//
//   {"time":1764112345678,"event":"established","call":1}
//
// registered, relays found, allocated, ringing, incoming, established, media, media lost, first audio, hold,
// dtmf, ended, error, status
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/loop.h"
#include "ua/agent.h"

namespace causeway::cli {

class UaEvents final : public ua::AgentUser {
 public:
  explicit UaEvents(base::Loop& loop) : loop_(loop) {}

  // After the event has been written.
  std::function<void(ua::Call&)> incoming, established;
  std::function<void(ua::Call&, const ua::CallEnd&)> ended;
  std::function<void()> registered;
  std::function<void(bool final)> not_registered;

  void error(const ua::Trouble& trouble, const ua::Call* call = nullptr);
  void status(ua::Agent& agent, const base::Metrics& metrics);

  // ua::AgentUser
  void on_registered(const std::string& aor) override;
  void on_not_registered(const std::string& aor, const ua::Trouble& why, bool final) override;
  void on_incoming(ua::Call& call) override;
  void on_ringing(ua::Call& call) override;
  void on_established(ua::Call& call) override;
  void on_relays(ua::Call& call, const std::vector<ua::RelayServer>& relays) override;
  void on_allocated(ua::Call& call, const std::string& what) override;
  void on_media(ua::Call& call, const std::string& pair) override;
  void on_media_lost(ua::Call& call, const std::string& why) override;
  void on_first_audio(ua::Call& call) override;
  void on_hold(ua::Call& call, bool by_us, bool held) override;
  void on_dtmf(ua::Call& call, char digit) override;
  void on_trouble(ua::Call& call, const ua::Trouble& what) override { error(what, &call); }
  void on_ended(ua::Call& call, const ua::CallEnd& end) override;

 private:
  void write(std::string_view event, const nlohmann::ordered_json& more);
  base::Loop& loop_;
};

}  // namespace causeway::cli
