#include "overlay/silence.h"
#include "base/limits.h"

#include "base/encoding.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;

// The library's three tries are over by then.
constexpr base::Duration kRemember = 4s;
// How long an ICMP error is believed.
constexpr base::Duration kUnreachable = 10s;

}  // namespace

void Silence::heard(const net::Address& from, base::Instant now) {
  if (heard_.size() >= limits::kMaxWatchedAddresses) heard_.clear();
  heard_[from] = now;
  unreachable_.erase(from);
}

void Silence::unreachable(const net::Address& to, base::Instant now) {
  if (unreachable_.size() >= limits::kMaxWatchedAddresses) unreachable_.clear();
  unreachable_[to] = now;
}

bool Silence::sent(const net::Address& to, std::span<const std::uint8_t> bytes, base::Instant now) {
  forget_old(now);
  if (auto it = unreachable_.find(to); it != unreachable_.end()) {
    if (now - it->second < kUnreachable) return true;
    unreachable_.erase(it);
  }
  std::size_t what = std::hash<std::string_view>{}(base::as_text(bytes)) ^ std::hash<net::Address>{}(to);
  auto [first, is_new] = first_sent_.emplace(what, now);
  if (is_new) {
    order_.push_back({now, what});
    return false;
  }
  auto last = heard_.find(to);
  return last != heard_.end() && last->second < first->second;
}

void Silence::forget_old(base::Instant now) {
  while (!order_.empty() && now - order_.front().at >= kRemember) {
    first_sent_.erase(order_.front().what);
    order_.pop_front();
  }
}

}  // namespace causeway::overlay
