// A user agent with everything that it stands on: a loop, sockets, SIP, media, a line. What `causeway ua` is
// made from, and what a program embeds that wants to have calls and no more (examples/embedded_agent.cc).
//
//   auto ua = UserAgent::make({.phone = account, .media = {.play_wav = "a.wav"}}, user);
//   (*ua)->agent().call("bob");
//   (*ua)->loop().run();
//
// A program with a loop of its own takes Agent (agent.h) and gives it what it has.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/loop.h"
#include "base/metrics.h"
#include "dns/resolver.h"
#include "identity/bundle.h"
#include "ua/agent.h"
#include "ua/media.h"
#include "ua/phone_line.h"

namespace causeway::ua {

struct UserAgentConfig {
  // One of the two: a phone's line at a server (phone_line.h), or a member of the overlay (member_line.h).
  std::optional<PhoneAccount> phone;
  std::optional<identity::Bundle> bundle;
  std::string user;         // of the bundle's, if it speaks for several
  std::string ca_pem;       // for servers over TLS; empty: the system's
  net::Address local;       // where SIP listens; the port 0: any
  dns::ResolverConfig dns;  // a phone's line
  MediaConfig media;
  bool ice = true;
  AgentConfig agent;
  std::vector<PublicAddress> public_addresses;
};

class UserAgent {
 public:
  // The line begins to register at once, and `user` is told in turns of the loop. Make it before other
  // threads that are to be spared from signals (base/signals.h): media has a thread.
  static base::Result<std::unique_ptr<UserAgent>> make(UserAgentConfig config, base::Loop& loop,
                                                       AgentUser& user);
  ~UserAgent();
  UserAgent(const UserAgent&) = delete;
  UserAgent& operator=(const UserAgent&) = delete;

  Agent& agent();
  // Everything that is refused, limited or lost, here and in the media of all calls, those that last
  // included.
  const base::Metrics& metrics() const;

 private:
  UserAgent();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace causeway::ua
