#include "peer/standing.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "overlay/node_file.h"
#include "overlay/remote_overlay.h"

namespace causeway::peer {
namespace {

constexpr const char* kLog = "peer";

}  // namespace

Standing::Standing(Ground ground, overlay::RecordChecker& checker, std::function<void(const Way&)> on_change)
    : ground_(ground),
      checker_(checker),
      on_change_(std::move(on_change)),
      engine_(ground.loop),
      ask_again_(ground.loop.timers(), [this] { ask(); }),
      gather_(ground.loop.timers(), [this] { tell(); }) {}

void Standing::stop() {
  ask_again_.stop();
  if (!links_) return;
  links_->stop();
  gather_.stop();
}

std::string Standing::text() const {
  if (!decided()) return "not known yet";
  if (way_.is_public) return "directly";
  return fmt::format("through {} public peers", way_.vias.size());
}

base::Status Standing::start(const Config& config, overlay::OpenDhtConfig overlay,
                             std::vector<net::Address> links, Worker& worker) {
  overlay_ = std::move(overlay);
  own_links_ = std::move(links);
  worker_ = &worker;
  reachability_ = std::make_unique<Reachability>(worker.asker(), ground_.network);
  if (config.reachable == "no") {
    become_client();
    return {};
  }
  if (config.reachable == "yes" || overlay_.bootstrap.empty()) return become_node();
  ask();
  return try_ports();
}

// What is wrong with them is an error now, not when it is decided.
base::Status Standing::try_ports() {
  struct Nobody final : net::UdpHandler {
    void on_datagrams(std::span<net::Datagram>) override {}
  } nobody;
  for (const net::Address& address : overlay_.listen)
    if (auto opened = ground_.network.open_udp(address, nobody); !opened)
      return base::fail("overlay.listen: {}", opened.error().message);
  return {};
}

void Standing::ask() {
  Reachability::Question question{.ask = {}, .listening = own_links_};
  if (links_)
    for (const auto& link : links_->up()) question.ask.push_back(link.flow.remote);
  for (const net::Address& address : overlay_.bootstrap) question.ask.push_back(address);
  if (!overlay_.nodes_file.empty())
    if (auto saved = overlay::read_nodes(overlay_.nodes_file))
      for (const overlay::SavedNode& node : *saved)
        if (std::ranges::find(question.ask, node.address) == question.ask.end())
          question.ask.push_back(node.address);
  reachability_->find_out(std::move(question), [this](Reach reach) { found_out(reach); });
}

void Standing::found_out(Reach reach) {
  if (reach == Reach::no) {
    ask_again_.start(kAskAgainMost);
    if (!decided() || way_.is_public) become_client();
    return;
  }
  if (reach == Reach::unknown) {
    ask_again_.start(std::exchange(pause_, std::min<base::Duration>(10 * pause_, kAskAgainMost)));
    if (decided()) return;
  }
  if (decided() && way_.is_public) return;
  if (auto joined = become_node(); !joined)
    base::log::error(kLog, "overlay.listen: {}: this peer has no overlay until it is started again",
                     joined.error().message);
}

base::Status Standing::become_node() {
  auto engine = overlay::make_opendht_overlay(ground_.loop, ground_.network, ground_.random, ground_.metrics,
                                              checker_, overlay_);
  if (!engine) return std::unexpected(engine.error());
  if (links_) {
    links_->remove_user(*this);
    links_->stop();
    gather_.stop();
  }
  engine_.become(std::move(*engine));
  way_ = {.is_public = true, .vias = {}};
  on_change_(way_);
  return {};
}

void Standing::become_client() {
  base::log::info(kLog,
                  "other peers do not reach this one: it asks public peers, and is reached through them");
  if (!links_)
    links_ = std::make_unique<overlay::PublicLinks>(
        worker_->asker(),
        overlay::PublicLinksConfig{.bootstrap = overlay_.bootstrap, .nodes_file = overlay_.nodes_file});
  worker_->link_service().set_links(links_.get());
  links_->add_user(*this);
  engine_.become(overlay::make_remote_overlay(ground_.loop, ground_.metrics, checker_, *links_));
  links_->start();
  way_ = {.is_public = false, .vias = links_->vias()};
  on_change_(way_);
}

void Standing::tell() {
  way_.vias = links_->vias();
  on_change_(way_);
}

}  // namespace causeway::peer
