#include "overlay/bootstrap.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;

// A round trip around the world, three times: after that "not found" is an answer.
constexpr base::Duration kTrying = 1s;
// Saved nodes asked at once.
constexpr std::size_t kSavedAtOnce = 16;

std::string list_of(const std::vector<net::Address>& addresses) {
  std::string text;
  for (const net::Address& address : addresses) {
    if (!text.empty()) text += ", ";
    text += address.text();
  }
  return text;
}

}  // namespace

Bootstrap::Bootstrap(base::Loop& loop, base::Random& random, base::Metrics& metrics, Config config, Ping ping,
                     base::Task on_alone)
    : loop_(loop),
      random_(random),
      config_(std::move(config)),
      ping_(std::move(ping)),
      on_alone_(std::move(on_alone)),
      next_(loop.timers(), [this] { connected_ ? rejoin() : attempt(); }),
      patience_(loop.timers(), [this] { give_up(); }),
      attempts_(metrics.counter("overlay_bootstrap_attempts_total", "rounds of asking for other members")) {}

void Bootstrap::start() {
  if (config_.bootstrap.empty() && config_.saved.empty()) return;  // the first peer of a domain
  trying_ = true;
  base::Duration delay{};
  if (config_.saved.size() >= kManyNodes && config_.jitter > base::Duration::zero())
    delay = base::Duration(random_.below(static_cast<std::uint64_t>(config_.jitter.count())));
  if (delay == base::Duration::zero()) return attempt();
  next_.start(delay);
}

void Bootstrap::attempt() {
  ++attempts_;
  for (const net::Address& address : config_.bootstrap) ping_(address);
  for (std::size_t i = 0; i < std::min(kSavedAtOnce, config_.saved.size()); ++i)
    ping_(config_.saved[next_saved_++ % config_.saved.size()]);
  patience_.start(kTrying);
  // A quarter more or less, so that peers that started together do not go on together.
  auto quarter = static_cast<std::uint64_t>(pause_.count() / 4);
  next_.start(kTrying + pause_ + base::Duration(random_.below(2 * quarter + 1)) - base::Duration(quarter));
}

void Bootstrap::give_up() {
  bool first = std::exchange(trying_, false);
  base::log::warn(
      "overlay", "no bootstrap peer answers: tried {}{}; trying again in {} s",
      config_.bootstrap.empty() ? "the members known from the last run" : list_of(config_.bootstrap),
      config_.bootstrap.empty() || config_.saved.empty() ? "" : " and members known from the last run",
      pause_.count() / 1000);
  pause_ = std::min(pause_ * 2, kLongestPause);
  if (first) on_alone_();
}

void Bootstrap::connected(bool yes) {
  if (yes == connected_) return;
  connected_ = yes;
  if (config_.bootstrap.empty() && config_.saved.empty()) return;
  pause_ = kFirstPause;
  patience_.stop();
  trying_ = false;
  next_.start(yes ? kRejoin : kFirstPause);
}

void Bootstrap::rejoin() {
  if (!config_.bootstrap.empty()) ping_(config_.bootstrap[random_.below(config_.bootstrap.size())]);
  next_.start(kRejoin);
}

}  // namespace causeway::overlay
