#include "overlay/in_order.h"
#include "base/limits.h"

namespace causeway::overlay {

InOrder::InOrder(base::Loop& loop, base::Metrics& metrics, Deliver deliver, base::Task after_late)
    : loop_(loop),
      deliver_(std::move(deliver)),
      after_late_(std::move(after_late)),
      late_(loop.timers(),
            [this] {
              end_old();
              after_late_();
            }),
      not_held_(metrics.counter("overlay_datagrams_not_held_total",
                                "datagrams taken before those that were sent before them: too many wait")) {}

InOrder::Mark InOrder::mark(const net::Address& to) {
  if (loop_.now() != sending_since_) {
    sending_since_ = loop_.now();
    sending_.clear();
  }
  auto [it, first] = sending_.try_emplace(to);
  if (first || it->second.place == 255)
    it->second = {++last_burst_, 0};
  else
    ++it->second.place;
  return it->second;
}

void InOrder::take(const net::Address& from, Mark mark, std::span<const std::uint8_t> bytes) {
  end_old();
  Key key{from, mark.burst};
  auto [it, is_new] = bursts_.try_emplace(key);
  if (is_new) begun_.emplace_back(loop_.now(), key);
  Burst& burst = it->second;
  const bool early = mark.place > burst.next;
  if (early && held_ + bytes.size() <= limits::kMaxHeldBytes) {
    if (burst.early.emplace(mark.place, base::Bytes(bytes.begin(), bytes.end())).second)
      held_ += bytes.size();
    return wait();
  }
  if (early) ++not_held_;
  if (mark.place == burst.next) ++burst.next;
  deliver_(from, bytes);
  for (auto next = burst.early.find(burst.next); next != burst.early.end();
       next = burst.early.find(burst.next)) {
    held_ -= next->second.size();
    deliver_(from, next->second);
    burst.early.erase(next);
    ++burst.next;
  }
}

// Bursts whose time is over: what still waits is taken as it is.
void InOrder::end_old() {
  while (!begun_.empty() && loop_.now() - begun_.front().first >= limits::kMaxHold) {
    auto node = bursts_.extract(begun_.front().second);
    begun_.pop_front();
    for (auto& [place, bytes] : node.mapped().early) {
      held_ -= bytes.size();
      deliver_(node.key().first, bytes);
    }
  }
  if (held_ > 0) wait();
}

void InOrder::wait() {
  if (!late_.pending()) late_.start(begun_.front().first + limits::kMaxHold - loop_.now());
}

}  // namespace causeway::overlay
