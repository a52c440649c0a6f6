#include "ua/jitter.h"

#include <algorithm>

#include "ua/limits.h"

namespace causeway::ua {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kFrame = 20ms;
constexpr int kFramesUntilAnew = 3;
constexpr base::Duration kWindow = 1s;      // in which the delay has been more than was needed
constexpr base::Duration kExtraLife = 10s;  // of the frame more after a late packet
constexpr base::Duration kLongestGap = 1s;  // in timestamps: more is a jump, not a loss

}  // namespace

void JitterBuffer::put(std::uint64_t sequence, Packet packet, base::Duration jitter) {
  jitter_ = jitter;
  if (playing_ && (ahead(packet.timestamp) < 0 || sequence <= last_taken_)) {
    const bool may_wait_longer = extra_ < limits::kMaxPlayDelay;
    if (may_wait_longer) extra_ += kFrame;
    extra_since_ = packet.arrival;
    if (sequence <= last_taken_ || !may_wait_longer) {
      ++metrics_.late;
      return;
    }
    point_ = packet.timestamp;  // back to it: what follows has that much more time
  }
  if (!packets_.emplace(sequence, std::move(packet)).second) {
    ++metrics_.late;
    return;
  }
  if (packets_.size() > limits::kMaxWaitingPackets) {
    packets_.erase(packets_.begin());
    ++metrics_.full;
  }
}

base::Duration JitterBuffer::waiting() const {
  if (packets_.empty()) return 0ms;
  const std::int64_t span = playing_ ? ahead(packets_.rbegin()->second.timestamp)
                                     : static_cast<std::int32_t>(packets_.rbegin()->second.timestamp -
                                                                 packets_.begin()->second.timestamp);
  return base::Duration(std::max<std::int64_t>(span, 0) * 1000 / clock_rate_) + kFrame;
}

bool JitterBuffer::may_begin(base::Instant now) const {
  return !packets_.empty() &&
         (waiting() >= delay_ || now - packets_.begin()->second.arrival >= delay_ - kFrame);
}

void JitterBuffer::adapt(base::Instant now, std::uint32_t frame) {
  if (extra_ > 0ms && now - extra_since_ > kExtraLife) {
    extra_ -= kFrame;
    extra_since_ = now;
  }
  delay_ = std::clamp(4 * jitter_ + kFrame + extra_, limits::kMinPlayDelay, limits::kMaxPlayDelay);
  if (!playing_) return;
  least_waiting_ = std::min(least_waiting_, waiting());
  if (now - window_begin_ < kWindow) return;
  const bool too_much = least_waiting_ > delay_ + kFrame;
  window_begin_ = now;
  least_waiting_ = base::Duration::max();
  // Far too much (this side has slept, the path has held packets back) goes at once, else a frame a second.
  while (too_much && !packets_.empty() && waiting() > delay_ + kFrame) {
    last_taken_ = packets_.begin()->first;
    const bool far = waiting() > delay_ + 10 * kFrame;
    point_ = packets_.begin()->second.timestamp + frame;
    packets_.erase(packets_.begin());
    ++metrics_.skipped;
    if (!far) break;
  }
}

JitterBuffer::Due JitterBuffer::silence(std::uint32_t frame) {
  point_ += frame;
  return Due::nothing;
}

JitterBuffer::Due JitterBuffer::take(base::Instant now, std::uint32_t frame, Packet& packet) {
  adapt(now, frame);
  if (!playing_) {
    if (!may_begin(now)) return Due::nothing;
    playing_ = true;
    point_ = packets_.begin()->second.timestamp;
    window_begin_ = now;
    least_waiting_ = base::Duration::max();
    empty_frames_ = 0;
  }
  if (packets_.empty()) {
    point_ += frame;
    if (++empty_frames_ < kFramesUntilAnew) return Due::missing;
    playing_ = false;
    return Due::nothing;
  }
  empty_frames_ = 0;
  const auto next = packets_.begin();
  const std::int64_t gap = ahead(next->second.timestamp);
  if (gap > static_cast<std::int64_t>(clock_rate_) * kLongestGap.count() / 1000 ||
      gap < -static_cast<std::int64_t>(clock_rate_)) {
    playing_ = false;  // its clock has jumped: anew from there, with the delay before it
    return silence(frame);
  }
  // Half a frame: timestamps of a sender that counts roughly.
  if (gap >= frame / 2 + frame % 2) {
    const bool lost = next->first != last_taken_ + 1;
    point_ += frame;
    return lost ? Due::missing : Due::nothing;
  }
  point_ = next->second.timestamp;
  last_taken_ = next->first;
  packet = std::move(next->second);
  packets_.erase(next);
  return Due::packet;
}

const JitterBuffer::Packet* JitterBuffer::following() const {
  if (packets_.empty() || ahead(packets_.begin()->second.timestamp) != 0) return nullptr;
  return &packets_.begin()->second;
}

void JitterBuffer::clear() {
  packets_.clear();
  playing_ = false;
  last_taken_ = 0;
  empty_frames_ = 0;
}

}  // namespace causeway::ua
