// What a worker's proxy knows of anchors.h: which phones they are for, and requests that wait in this
// worker's loop.
//
// A request waits for two things, one after another: the relays near this peer, and candidates from there.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "anchor/anchors.h"
#include "base/loop.h"
#include "proxy/phone_hook.h"
#include "ua/relay_server.h"

namespace causeway::anchor {

class Door final : public proxy::PhoneHook {
 public:
  struct Parts {
    std::shared_ptr<Anchors> anchors;
    base::Loop& loop;
    // Whether the account of this user says so.
    std::function<bool(std::string_view user)> stands_for;
    // The address of this machine that faces a phone.
    std::function<net::Ip(const net::Ip& phone)> local_for;
    // Relays for a user, with credentials; answers once, at once or later in this loop.
    using Relays = std::function<void(std::vector<ua::RelayServer>)>;
    std::function<void(std::string_view user, Relays done)> relays;
  };
  explicit Door(Parts parts) : parts_(std::move(parts)) {}

  bool stands_for(std::string_view user) const override { return parts_.stands_for(user); }
  void request(const sip::Message& request, proxy::Crossing crossing, std::string_view user,
               const net::Ip& phone, Done done) override;

 private:
  struct Waiting;
  void take_again(const std::shared_ptr<Waiting>& waiting);
  void wait(std::shared_ptr<Waiting> waiting);
  void find_relays(Anchors::Id id, std::string_view user);
  void gather(Anchors::Id id, std::vector<ua::RelayServer> relays);

  Parts parts_;
  std::map<Anchors::Id, std::shared_ptr<base::Timer>> searches_;  // for relays, and how long they may take
  std::shared_ptr<int> alive_ = std::make_shared<int>();          // for what comes later
};

}  // namespace causeway::anchor
