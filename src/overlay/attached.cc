#include "overlay/attached.h"

namespace causeway::overlay {

std::optional<sip::Flow> Attached::attach(const identity::PeerId& member, const sip::Flow& flow) {
  const std::lock_guard lock(mutex_);
  auto [at, first] = flows_.try_emplace(member, flow);
  count_.store(flows_.size(), std::memory_order_relaxed);
  if (first || at->second.connection == flow.connection) return std::nullopt;
  return std::exchange(at->second, flow);
}

void Attached::detach(const identity::PeerId& member, const sip::Flow& flow) {
  const std::lock_guard lock(mutex_);
  const auto at = flows_.find(member);
  if (at == flows_.end() || at->second.connection != flow.connection) return;
  flows_.erase(at);
  count_.store(flows_.size(), std::memory_order_relaxed);
}

std::optional<sip::Flow> Attached::find(const identity::PeerId& member) const {
  if (size() == 0) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto at = flows_.find(member);
  return at == flows_.end() ? std::nullopt : std::optional(at->second);
}

}  // namespace causeway::overlay
