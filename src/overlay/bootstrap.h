// How a peer finds the others: it asks the members it knew when it last ran, and the bootstrap
// addresses, all at once; if nobody answers, again and again with growing pauses, as long as it is
// alone. A peer that has company still asks one bootstrap address now and then, so that two halves of
// a domain that were cut apart find each other again.
#pragma once

#include <functional>
#include <vector>

#include "base/loop.h"
#include "base/metrics.h"
#include "base/random.h"
#include "net/address.h"

namespace causeway::overlay {

class Bootstrap {
 public:
  struct Config {
    std::vector<net::Address> bootstrap;
    std::vector<net::Address> saved;
    // Waits a random part of this before the first try if at least kManyNodes were saved: a large
    // domain that starts again all at once would otherwise lose itself.
    base::Duration jitter{};
  };
  static constexpr std::size_t kManyNodes = 16;
  static constexpr base::Duration kFirstPause = std::chrono::seconds(1);
  static constexpr base::Duration kLongestPause = std::chrono::seconds(60);
  static constexpr base::Duration kRejoin = std::chrono::minutes(5);

  // `ping` asks an address whether a member lives there. The answer is told by connected().
  using Ping = std::function<void(const net::Address&)>;
  // `on_alone` is called when the first tries have found nobody.
  Bootstrap(base::Loop& loop, base::Random& random, base::Metrics& metrics, Config config, Ping ping,
            base::Task on_alone);

  void start();
  // There is somebody, or nobody any more.
  void connected(bool yes);
  // True while the first tries are under way: "nobody is there" is not known yet.
  bool trying() const { return trying_; }

 private:
  void attempt();
  void give_up();
  void rejoin();

  base::Loop& loop_;
  base::Random& random_;
  Config config_;
  Ping ping_;
  base::Task on_alone_;
  bool trying_ = false, connected_ = false;
  base::Duration pause_ = kFirstPause;
  std::size_t next_saved_ = 0;
  base::Timer next_, patience_;
  base::Counter& attempts_;
};

}  // namespace causeway::overlay
