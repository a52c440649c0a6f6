// The service directory (draft 3.3): which peers offer a service under its well-known URI.
//
// sip:D        proxy peers        (draft 3.3.1)
// turn:D, ...  relay agent peers  (draft 3.3.2, later)
//
// A provider publishes its service record and refreshes it (offer / withdraw). A user asks for
// candidates: they come in an order drawn at random, the less loaded first, those that failed lately
// last, so that one dead peer costs one try and nobody is everybody's first choice. The list is kept
// fresh by listening while it is used.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "base/random.h"
#include "overlay/overlay.h"

namespace causeway::overlay {

class Directory {
 public:
  static constexpr base::Duration kLife = std::chrono::seconds(120);
  static constexpr base::Duration kRefresh = std::chrono::seconds(40);
  static constexpr base::Duration kFailurePenalty = std::chrono::seconds(30);

  Directory(base::Loop& loop, Overlay& overlay, const Signer& signer, base::Random& random,
            base::Metrics& metrics);
  ~Directory();

  // Publishes now and every kRefresh, until withdrawn (a tombstone) or destroyed (nothing is sent).
  void offer(std::string uri, ServiceBody body);
  void withdraw(std::string_view uri);

  // Calls `done` exactly once; at once if the list is fresh. Empty: nobody offers it.
  void find(std::string_view uri, std::function<void(std::vector<ServiceBody>)> done);
  // The caller could not reach that peer: it is offered last for kFailurePenalty.
  void failed(const identity::PeerId& peer);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::overlay
