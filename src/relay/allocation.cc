#include "relay/allocation.h"

#include <algorithm>

namespace causeway::relay {

bool Allocation::has_room_for(const std::vector<Peer>& peers, base::Instant now) const {
  const auto alive = [now](const Permission& p) { return p.until > now; };
  std::size_t needed = static_cast<std::size_t>(std::ranges::count_if(permissions_, alive));
  for (auto peer = peers.begin(); peer != peers.end(); ++peer) {
    const bool named_before =
        std::any_of(peers.begin(), peer, [&](const Peer& p) { return p.ip == peer->ip; });
    needed += !named_before && !way_to(peer->ip, now);
  }
  return needed <= limits::kMaxPermissions;
}

void Allocation::permit(const Peer& peer, base::Instant now) {
  const base::Instant until_then = now + limits::kPermissionLife;
  for (Permission& p : permissions_)
    if (p.peer.ip == peer.ip) {
      p.peer = peer;
      p.until = until_then;
      return;
    }
  std::erase_if(permissions_, [now](const Permission& p) { return p.until <= now; });
  permissions_.push_back({peer, until_then});
}

bool Allocation::bind(std::uint16_t number, const net::Address& peer, Way way, base::Instant now) {
  std::erase_if(channels_, [now](const Channel& c) { return c.until <= now; });
  for (Channel& c : channels_)
    if (c.number == number) {
      c.way = way;
      c.until = now + limits::kChannelLife;
      return true;
    }
  if (channels_.size() >= limits::kMaxChannels) return false;
  channels_.push_back({peer, number, way, now + limits::kChannelLife});
  return true;
}

}  // namespace causeway::relay
