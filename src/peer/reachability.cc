#include "peer/reachability.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "identity/bundle.h"

namespace causeway::peer {
namespace {

using overlay::LinkAnswer;
using overlay::LinkQuestion;
using overlay::LinkVerdict;

// One who is busy, or does not know yet whether he is public himself, is asked so often.
constexpr int kTries = 8;
constexpr base::Duration kUndecidedPause = std::chrono::seconds(1);

}  // namespace

struct Reachability::Impl {
  Impl(overlay::LinkAsker& a, net::Network& n)
      : asker(a), network(n), patience(a.parts().loop.timers(), [this] { decide(); }) {}

  void ask(const net::Address& at, int tries);
  void answered(const net::Address& at, const sip::Flow& flow, int tries,
                const base::Result<LinkAnswer>& answer);
  bool says_nothing(const net::Address& at, const net::Address& seen) const;
  void ask_again(const net::Address& at, int tries, base::Duration pause);
  void decide();

  overlay::LinkAsker& asker;
  net::Network& network;
  Question question;
  std::function<void(Reach)> done;
  std::size_t pending = 0;
  bool denied = false;
  base::Timer patience;
  std::vector<std::unique_ptr<base::Timer>> again;
  std::shared_ptr<int> round;  // what was asked in an earlier one is not heard any more
};

void Reachability::Impl::ask(const net::Address& at, int tries) {
  const auto flow = asker.parts().transport.flow_to({{net::Transport::tls, at}, {}, true});
  if (!flow) return;
  const auto listening = std::ranges::find_if(
      question.listening, [&](const net::Address& own) { return own.ip.is_v4() == at.ip.is_v4(); });
  if (listening == question.listening.end()) return;
  ++pending;
  asker.ask(*flow, {.what = LinkQuestion::What::check, .uri = {}, .port = listening->port, .records = {}},
            kPatience, [this, at, flow = *flow, tries, here = std::weak_ptr(round)](const auto& answer) {
              if (!here.expired()) answered(at, flow, tries, answer);
            });
}

// A peer that listens at one address of several, and calls from another: what is tried there is not what is
// advertised. Where a NAT is between, the address that is seen is none of this machine's.
bool Reachability::Impl::says_nothing(const net::Address& at, const net::Address& seen) const {
  if (seen.ip.is_loopback()) return true;
  if (network.source_ip_for(at.ip) != seen.ip) return false;
  return std::ranges::none_of(question.listening, [&](const net::Address& own) {
    return own.ip == seen.ip || own.ip.is_unspecified();
  });
}

void Reachability::Impl::answered(const net::Address& at, const sip::Flow& flow, int tries,
                                  const base::Result<LinkAnswer>& answer) {
  --pending;
  const auto peer = identity::peer_of_host(asker.parts().transport.member_name(flow), asker.domain());
  const bool by_other = answer && peer && *peer != asker.self();
  if (by_other && answer->verdict == LinkVerdict::ok) {
    round.reset();
    patience.stop();
    return done(Reach::yes);
  }
  if (by_other && answer->verdict == LinkVerdict::busy && tries > 1)
    return ask_again(at, tries, overlay::limits::kCheckPause);
  // A domain that starts all at once: who is not behind a NAT knows soon.
  if (by_other && answer->verdict == LinkVerdict::not_public && answer->seen && tries > 1 &&
      network.source_ip_for(at.ip) != answer->seen->ip && !answer->seen->ip.is_loopback())
    return ask_again(at, tries, kUndecidedPause);
  if (by_other && answer->verdict == LinkVerdict::no && answer->seen && !says_nothing(at, *answer->seen)) {
    if (!std::exchange(denied, true)) patience.start(kSecondOpinion);
  }
  if (pending == 0) decide();
}

void Reachability::Impl::ask_again(const net::Address& at, int tries, base::Duration pause) {
  ++pending;
  patience.start(pause + kPatience);
  again.push_back(std::make_unique<base::Timer>(asker.parts().loop.timers(), [this, at, tries] {
    --pending;
    ask(at, tries - 1);
    if (pending == 0) decide();
  }));
  again.back()->start(pause + base::Duration(asker.parts().random.below(500)));
}

void Reachability::Impl::decide() {
  round.reset();
  patience.stop();
  done(denied ? Reach::no : Reach::unknown);
}

Reachability::Reachability(overlay::LinkAsker& asker, net::Network& network)
    : impl_(std::make_unique<Impl>(asker, network)) {}
Reachability::~Reachability() = default;

void Reachability::find_out(Question question, std::function<void(Reach)> done) {
  Impl& impl = *impl_;
  impl.question = std::move(question);
  impl.done = std::move(done);
  impl.round = std::make_shared<int>();
  impl.again.clear();
  impl.denied = false;
  impl.pending = 0;
  impl.patience.start(kPatience);
  const std::size_t count = std::min(impl.question.ask.size(), kMost);
  for (std::size_t i = 0; i < count; ++i) impl.ask(impl.question.ask[i], kTries);
  if (impl.pending == 0) impl.patience.start(base::Duration::zero());
}

}  // namespace causeway::peer
