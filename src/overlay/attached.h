// The members that are reached through this peer: which of its accepted links leads to whom. Written by those
// who attach (link_service.h), read by the proxy. Shared by the workers of a peer.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>

#include "identity/key.h"
#include "sip/flow.h"

namespace causeway::overlay {

class Attached {
 public:
  // The latest link of a member counts. Gives the one that it replaces.
  std::optional<sip::Flow> attach(const identity::PeerId& member, const sip::Flow& flow);
  void detach(const identity::PeerId& member, const sip::Flow& flow);
  // Costs nothing while nobody is attached.
  std::optional<sip::Flow> find(const identity::PeerId& member) const;
  std::size_t size() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> count_ = 0;
  mutable std::mutex mutex_;
  std::map<identity::PeerId, sip::Flow> flows_;  // guarded by mutex_
};

}  // namespace causeway::overlay
