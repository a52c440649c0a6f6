// How this peer stands in the overlay: as a node of it, which others reach, or behind a NAT, as one that asks
// two public peers and is reached through them.
//
// peer.reachable decides, or, where it says "auto", what others say who are asked to call back
// (reachability.h). A peer that knows nobody to ask is the first of its domain, and a node. If nobody can
// tell it begins as a node too, and asks again later; so does one behind a NAT, since a port may have been
// opened for it. Until it is decided the overlay waits.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "overlay/opendht_overlay.h"
#include "overlay/public_links.h"
#include "overlay/switched_overlay.h"
#include "peer/ground.h"
#include "peer/reachability.h"
#include "peer/worker.h"

namespace causeway::peer {

class Standing final : private overlay::PublicLinks::User {
 public:
  // Links that came or went within this are told together: every record is signed anew.
  static constexpr base::Duration kGather = std::chrono::milliseconds(200);
  // When nobody could tell: after this, and ten times as long each time, until kAskAgainMost. Behind a NAT,
  // the latter.
  static constexpr base::Duration kAskAgain = std::chrono::seconds(10);
  static constexpr base::Duration kAskAgainMost = std::chrono::minutes(10);

  // `on_change`: it is decided, or decided otherwise, or the ways to this peer have changed.
  struct Way {
    bool is_public = false;
    std::vector<overlay::ViaPeer> vias;
  };
  Standing(Ground ground, overlay::RecordChecker& checker, std::function<void(const Way&)> on_change);

  // What is asked of it waits until it is decided.
  overlay::Engine& engine() { return engine_; }
  // Goes on in later turns, with what this worker asks and is asked; or has decided already.
  base::Status start(const Config& config, overlay::OpenDhtConfig overlay, std::vector<net::Address> links,
                     Worker& worker);
  // Ends its links, while the worker is there.
  void stop();
  // "directly", "through 2 public peers", "not known yet": for the operator.
  std::string text() const;

 private:
  void on_link_up(const overlay::PublicLinks::Link&) override { gather_.start(kGather); }
  void on_link_down(const overlay::PublicLinks::Link&) override { gather_.start(kGather); }
  void on_news(const overlay::PublicLinks::Link&, const overlay::LinkQuestion&) override {}

  bool decided() const { return engine_.decided(); }
  base::Status try_ports();
  void ask();
  void found_out(Reach reach);
  base::Status become_node();
  void become_client();
  void tell();

  Ground ground_;
  overlay::RecordChecker& checker_;
  std::function<void(const Way&)> on_change_;
  overlay::OpenDhtConfig overlay_;
  std::vector<net::Address> own_links_;
  Worker* worker_ = nullptr;
  Way way_;
  base::Duration pause_ = kAskAgain;
  std::unique_ptr<Reachability> reachability_;
  std::unique_ptr<overlay::PublicLinks> links_;
  overlay::SwitchedOverlay engine_;
  base::Timer ask_again_, gather_;
};

}  // namespace causeway::peer
