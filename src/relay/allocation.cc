#include "relay/allocation.h"

#include <algorithm>

namespace causeway::relay {

bool Allocation::has_room_for(const std::vector<net::Ip>& peers, base::Instant now) const {
  const auto alive = [now](const Permission& p) { return p.until > now; };
  std::size_t needed = static_cast<std::size_t>(std::ranges::count_if(permissions_, alive));
  for (std::size_t i = 0; i < peers.size(); ++i)
    if (!permits(peers[i], now) && std::find(peers.begin(), peers.begin() + static_cast<std::ptrdiff_t>(i),
                                             peers[i]) == peers.begin() + static_cast<std::ptrdiff_t>(i))
      ++needed;
  return needed <= limits::kMaxPermissions;
}

void Allocation::permit(const net::Ip& peer, base::Instant now) {
  const base::Instant until_then = now + limits::kPermissionLife;
  for (Permission& p : permissions_)
    if (p.peer == peer) {
      p.until = until_then;
      return;
    }
  std::erase_if(permissions_, [now](const Permission& p) { return p.until <= now; });
  permissions_.push_back({peer, until_then});
}

bool Allocation::bind(std::uint16_t number, const net::Address& peer, base::Instant now) {
  std::erase_if(channels_, [now](const Channel& c) { return c.until <= now; });
  for (Channel& c : channels_)
    if (c.number == number) {
      c.until = now + limits::kChannelLife;
      return true;
    }
  if (channels_.size() >= limits::kMaxChannels) return false;
  channels_.push_back({peer, number, now + limits::kChannelLife});
  return true;
}

}  // namespace causeway::relay
