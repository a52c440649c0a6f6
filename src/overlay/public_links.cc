#include "overlay/public_links.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "identity/bundle.h"
#include "overlay/node_file.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;

constexpr const char* kLog = "links";

// Dialling, TLS and the answer to `attach`.
constexpr base::Duration kDialPatience = 3s;
// A link that was up for so long has ended for a reason that may be over: it is dialled again at once.
constexpr base::Duration kProvenLink = 5s;

struct LinkMetrics {
  base::Counter &up, &lost, &failed, &now;
  explicit LinkMetrics(base::Metrics& m)
      : up(m.counter("overlay_links_up_total", "links to public peers that came up")),
        lost(m.counter("overlay_links_lost_total", "links to public peers that have ended")),
        failed(m.counter("overlay_links_failed_total", "public peers dialled in vain")),
        now(m.counter("overlay_links", "links to public peers now")) {}
};

}  // namespace

struct PublicLinks::Impl {
  // A public peer, or an address at which there may be one.
  struct Candidate {
    std::optional<identity::PeerId> peer;
    std::vector<net::Address> links;
    bool from_config = false;  // never forgotten
    std::size_t next_link = 0;
    base::Duration pause = kFirstPause;
    base::Instant not_before{};
    bool in_use = false;
  };
  struct Dialling {
    std::shared_ptr<Candidate> candidate;
    sip::Flow flow;
  };
  struct Up {
    std::shared_ptr<Candidate> candidate;
    base::Instant since;
  };

  Impl(LinkAsker& a, PublicLinksConfig c)
      : asker(a),
        config(std::move(c)),
        metrics(a.parts().metrics),
        again(a.parts().loop.timers(), [this] { fill(); }) {
    for (const net::Address& address : config.bootstrap) add({{}, {address}, true});
    if (config.nodes_file.empty()) return;
    const auto saved = read_nodes(config.nodes_file);
    if (!saved) base::log::warn(kLog, "{}", saved.error().message);
    for (const SavedNode& node : saved.value_or(std::vector<SavedNode>{})) learn({node.peer, {node.address}});
  }

  base::Loop& loop() { return asker.parts().loop; }
  sip::TransportLayer& transport() { return asker.parts().transport; }

  void add(Candidate candidate) { candidates.push_back(std::make_shared<Candidate>(std::move(candidate))); }
  void learn(const ViaPeer& peer);
  void fill();
  std::shared_ptr<Candidate> choose();
  void dial(const std::shared_ptr<Candidate>& candidate);
  void answered(const std::shared_ptr<Candidate>& candidate, const sip::Flow& flow,
                const base::Result<LinkAnswer>& answer);
  void failed(Candidate& candidate, std::string_view why, base::Duration least);
  void came_up(const std::shared_ptr<Candidate>& candidate, const Link& link);
  void ended(const sip::Flow& flow);
  void save();
  bool is_up(const sip::Flow& flow) const {
    return std::ranges::any_of(up, [&](const Link& l) { return l.flow.connection == flow.connection; });
  }

  LinkAsker& asker;
  PublicLinksConfig config;
  LinkMetrics metrics;
  std::deque<std::shared_ptr<Candidate>> candidates;
  std::vector<Dialling> dialling;
  std::vector<Link> up;
  std::vector<Up> more;  // of each in `up`
  std::vector<User*> users;
  bool started = false;
  base::Timer again;
  std::shared_ptr<int> alive = std::make_shared<int>();
};

void PublicLinks::Impl::learn(const ViaPeer& peer) {
  if (peer.peer == asker.self() || peer.links.empty()) return;
  for (const auto& known : candidates) {
    if (known->peer != peer.peer) continue;
    if (!known->from_config) known->links = peer.links;
    known->next_link = 0;
    return;
  }
  if (candidates.size() >= limits::kMaxPublicPeers) {
    const auto old =
        std::ranges::find_if(candidates, [](const auto& c) { return !c->in_use && !c->from_config; });
    if (old == candidates.end()) return;
    candidates.erase(old);
  }
  add({peer.peer, peer.links});
  if (started && !again.pending()) again.start(base::Duration::zero());
}

// Those that have not failed first, in an order drawn by chance.
std::shared_ptr<PublicLinks::Impl::Candidate> PublicLinks::Impl::choose() {
  const base::Instant now = loop().now();
  std::vector<std::shared_ptr<Candidate>> ready;
  std::optional<base::Instant> earliest;
  for (const auto& candidate : candidates) {
    if (candidate->in_use) continue;
    const bool same = std::ranges::any_of(candidates, [&](const auto& other) {
      return other->in_use && other->peer && other->peer == candidate->peer;
    });
    if (same) continue;
    if (candidate->not_before <= now)
      ready.push_back(candidate);
    else
      earliest = std::min(earliest.value_or(candidate->not_before), candidate->not_before);
  }
  if (ready.empty()) {
    if (earliest) again.start(*earliest - now);
    return nullptr;
  }
  const auto best = std::ranges::min(ready, {}, [](const auto& c) { return c->pause; })->pause;
  std::erase_if(ready, [best](const auto& c) { return c->pause > best; });
  return ready[asker.parts().random.below(ready.size())];
}

void PublicLinks::Impl::fill() {
  if (!started) return;
  while (up.size() + dialling.size() < config.wanted) {
    const auto candidate = choose();
    if (!candidate) return;
    dial(candidate);
  }
}

void PublicLinks::Impl::dial(const std::shared_ptr<Candidate>& candidate) {
  candidate->in_use = true;
  sip::Target target{{net::Transport::tls, candidate->links[candidate->next_link]}, {}, true};
  if (candidate->peer) target.tls_name = identity::peer_host(*candidate->peer, asker.domain());
  const auto flow = transport().flow_to(target);
  if (!flow) return failed(*candidate, "no certificate of this side", kLongestPause);
  dialling.push_back({candidate, *flow});
  asker.ask(
      *flow, {.what = LinkQuestion::What::attach, .uri = {}, .records = {}}, kDialPatience,
      [this, candidate, flow = *flow, here = std::weak_ptr(alive)](const base::Result<LinkAnswer>& answer) {
        if (!here.expired()) answered(candidate, flow, answer);
      });
}

void PublicLinks::Impl::answered(const std::shared_ptr<Candidate>& candidate, const sip::Flow& flow,
                                 const base::Result<LinkAnswer>& answer) {
  std::erase_if(dialling, [&](const Dialling& d) { return d.candidate == candidate; });
  const auto peer = identity::peer_of_host(transport().member_name(flow), asker.domain());
  if (!answer || !peer) {
    transport().close(flow, "no answer to attach");
    failed(*candidate, answer ? "the link has ended" : answer.error().message, kFirstPause);
    return fill();
  }
  candidate->peer = peer;
  if (answer->verdict != LinkVerdict::ok || *peer == asker.self()) {
    failed(*candidate, "it is no public peer, or has no room", kLongestPause);
    return fill();
  }
  // The same by another address: that peer has given the link before up already.
  const auto before = std::ranges::find(up, *peer, &Link::peer);
  if (before != up.end()) ended(before->flow);
  candidate->pause = kFirstPause;
  came_up(candidate, {*peer, flow, answer->seen.value_or(net::Address{})});
  fill();
}

void PublicLinks::Impl::failed(Candidate& candidate, std::string_view why, base::Duration least) {
  ++metrics.failed;
  base::log::debug(kLog, "public peer {}: {}", candidate.links[candidate.next_link].text(), why);
  candidate.in_use = false;
  candidate.next_link = (candidate.next_link + 1) % candidate.links.size();
  candidate.pause = std::max(candidate.pause, least);
  candidate.not_before = loop().now() + candidate.pause;
  candidate.pause = std::min<base::Duration>(2 * candidate.pause, kLongestPause);
}

void PublicLinks::Impl::came_up(const std::shared_ptr<Candidate>& candidate, const Link& link) {
  ++metrics.up;
  transport().keep_alive(link.flow, kPing, kPong);
  up.push_back(link);
  more.push_back({candidate, loop().now()});
  metrics.now.set(up.size());
  base::log::info(kLog, "reached through public peer {} at {}", link.peer.text(), link.flow.remote.text());
  save();
  const Link copy = link;
  for (User* user : std::vector(users)) user->on_link_up(copy);
}

void PublicLinks::Impl::ended(const sip::Flow& flow) {
  const auto at =
      std::ranges::find(up, flow.connection, [](const Link& link) { return link.flow.connection; });
  if (at == up.end()) return;
  const Link link = *at;
  const auto index = at - up.begin();
  const Up was = more[static_cast<std::size_t>(index)];
  up.erase(at);
  more.erase(more.begin() + index);
  ++metrics.lost;
  metrics.now.set(up.size());
  base::log::info(kLog, "the link to public peer {} has ended", link.peer.text());
  Candidate& candidate = *was.candidate;
  candidate.in_use = false;
  const bool proven = loop().now() - was.since >= kProvenLink;
  if (!proven) candidate.pause = std::min<base::Duration>(2 * candidate.pause, kLongestPause);
  candidate.not_before = proven ? loop().now() : loop().now() + candidate.pause;
  for (User* user : std::vector(users)) user->on_link_down(link);
  again.start(base::Duration::zero());
}

void PublicLinks::Impl::save() {
  if (config.nodes_file.empty()) return;
  std::vector<SavedNode> nodes;
  for (const Link& link : up) nodes.push_back({link.flow.remote, link.peer});
  for (const auto& candidate : candidates)
    if (candidate->peer && !candidate->in_use) nodes.push_back({candidate->links.front(), *candidate->peer});
  if (auto written = identity::write_private_file(config.nodes_file, nodes_text(nodes)); !written)
    base::log::warn(kLog, "known public peers are not saved: {}", written.error().message);
}

PublicLinks::PublicLinks(LinkAsker& asker, PublicLinksConfig config)
    : impl_(std::make_unique<Impl>(asker, std::move(config))) {}
PublicLinks::~PublicLinks() = default;

void PublicLinks::start() {
  impl_->started = true;
  impl_->again.start(base::Duration::zero());
}

void PublicLinks::stop() {
  impl_->started = false;
  for (const Link& link : std::vector(impl_->up)) {
    impl_->ended(link.flow);
    impl_->transport().close(link.flow, "not needed any more");
  }
}

void PublicLinks::add_user(User& user) {
  impl_->users.push_back(&user);
  impl_->loop().post([impl = impl_.get(), here = std::weak_ptr(impl_->alive), links = impl_->up, &user] {
    for (const Link& link : links) {
      if (here.expired() || std::ranges::find(impl->users, &user) == impl->users.end()) return;
      if (impl->is_up(link.flow)) user.on_link_up(link);
    }
  });
}
void PublicLinks::remove_user(User& user) { std::erase(impl_->users, &user); }

const std::vector<PublicLinks::Link>& PublicLinks::up() const { return impl_->up; }

std::vector<ViaPeer> PublicLinks::vias() const {
  std::vector<ViaPeer> vias;
  for (const Link& link : impl_->up) vias.push_back({link.peer, {link.flow.remote}});
  return vias;
}

void PublicLinks::learn(const ViaPeer& peer) { impl_->learn(peer); }
std::size_t PublicLinks::known() const { return impl_->candidates.size(); }
LinkAsker& PublicLinks::asker() { return impl_->asker; }

void PublicLinks::on_link_request(sip::ServerTransaction& transaction, const sip::Message& request,
                                  const sip::Flow& flow) {
  const auto question = decode_link_question(base::as_bytes(request.body()));
  const auto link =
      std::ranges::find(impl_->up, flow.connection, [](const Link& l) { return l.flow.connection; });
  const bool news = question && question->what == LinkQuestion::What::news && link != impl_->up.end();
  impl_->asker.answer(
      transaction, request,
      {.verdict = news ? LinkVerdict::ok : LinkVerdict::not_public, .seen = {}, .records = {}});
  if (!news) return;
  const Link from = *link;
  for (User* user : std::vector(impl_->users)) user->on_news(from, *question);
}

void PublicLinks::on_link_closed(const sip::Flow& flow) { impl_->ended(flow); }

}  // namespace causeway::overlay
