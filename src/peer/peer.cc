#include "peer/peer.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "overlay/overlay_share.h"
#include "peer/presence.h"
#include "peer/relay_offer.h"
#include "peer/report.h"
#include "peer/setup.h"
#include "peer/standing.h"
#include "peer/worker.h"
#include "peer/worker_threads.h"
#include "ua/limits.h"

namespace causeway::peer {

namespace {

constexpr const char* kLog = "peer";

Plan make_plan(const Config& config, identity::Bundle bundle, base::Random& random) {
  Plan plan{.config = config,
            .bundle = std::move(bundle),
            .roles = {},
            .accounts = {},
            .loop_seed = random.u64(),
            .stranger_secret = {random.u64(), random.u64()},
            .anchors = std::make_shared<anchor::Anchors>(anchor_config(config)),
            .relays = {}};
  plan.roles = roles_of(plan.bundle.credential);
  plan.accounts = std::make_shared<const identity::Accounts>(std::exchange(plan.bundle.accounts, {}));
  return plan;
}

// The ports that the kernel chose, where it was left to it.
Plan with_ports_of(const Plan& plan, const sip::TransportLayer& first) {
  Plan same = plan;
  same.config.sip_listen.clear();
  for (const net::Endpoint& local : first.locals()) same.config.sip_listen.push_back(local.text());
  for (const net::Address& local : first.member_locals()) same.config.overlay_listen = local.text();
  return same;
}

}  // namespace

// Members are in the order in which they are made; they are destroyed the other way round.
class Peer::Impl {
 public:
  Impl(const Config& config, identity::Bundle bundle, Ground ground)
      : plan_(make_plan(config, std::move(bundle), ground.random)),
        ground_(ground),
        checker_(plan_.bundle.domain, plan_.bundle.authority, ground.metrics),
        standing_(ground, checker_, [this](const Standing::Way& way) { take_way(way); }),
        started_(ground.loop.now()),
        accounts_(plan_.accounts->size()) {
    const auto workers = static_cast<unsigned>(config.workers);
    if (workers > 1) commons_ = std::make_shared<Commons>(workers, ground.random);
    plan_.relays = [this](std::string_view user, base::Loop& loop, auto done) {
      find_relays(user, loop, std::move(done));
    };
  }

  ~Impl() {
    plan_.anchors->stop();
    standing_.stop();
  }

  base::Status start();
  void stop();
  void status(std::function<void(std::string)> done) const;
  void lookup(std::string_view uri, std::function<void(std::string)> done) const;
  void relay_tokens(TokenRequest request, std::size_t most, std::function<void(std::string)> done) const;
  std::string drain(bool on);
  void set_accounts(identity::Accounts accounts);

  base::Status join_overlay();
  void take_way(const Standing::Way& way);
  base::Status start_others();
  base::Status open_relay();
  void find_relays(std::string_view user, base::Loop& loop, anchor::Door::Parts::Relays done);
  void offer();
  void offer_relay();
  void withdraw_offers();
  std::string relay_uri() const { return "turn:" + plan_.bundle.domain; }
  void on_every_worker(const std::function<void(Worker&)>& task);
  std::string report(std::vector<WorkerFigures> workers) const;
  std::vector<std::string> warnings(const std::vector<WorkerFigures>& workers) const;
  bool has_role(identity::Role role) const { return plan_.roles.contains(role); }
  overlay::Engine& engine() { return standing_.engine(); }
  const overlay::Engine& engine() const { return const_cast<Impl*>(this)->standing_.engine(); }
  overlay::Overlay& overlay() { return share_ ? static_cast<overlay::Overlay&>(*share_) : engine(); }

  Plan plan_;
  Plan others_plan_;
  Ground ground_;
  overlay::RecordChecker checker_;
  Standing standing_;
  base::Instant started_;
  bool stopping_ = false;
  std::size_t accounts_;
  std::vector<net::Address> links_;
  std::shared_ptr<Commons> commons_;  // none: one worker

  std::unique_ptr<overlay::OverlayShare> share_;
  std::unique_ptr<Worker> worker_;  // the first
  std::unique_ptr<Presence> presence_;
  std::unique_ptr<WorkerThreads> others_;
  std::unique_ptr<overlay::RoundTrips> round_trips_;
  std::unique_ptr<relay::Relay> relay_;
  std::vector<relay::SocketsConfig::Relayed> relayed_;
  std::unique_ptr<RelayOffer> relay_offer_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();  // for what other threads answer
};

base::Status Peer::Impl::start() {
  const identity::Bundle& bundle = plan_.bundle;
  auto in_date =
      identity::check_credential(bundle.credential, bundle.domain, bundle.authority, ground_.loop.unix_now());
  if (!in_date)
    base::log::error(kLog,
                     "this peer's credential is refused by everybody: {}. Is the clock right? If it is, ask "
                     "the authority for a new bundle. Going on",
                     in_date.error().message);
  worker_ = std::make_unique<Worker>(plan_, commons_.get(), 0, ground_);
  if (auto opened = worker_->open(); !opened) return opened;
  links_ = advertised_links(plan_.config, worker_->transport().member_locals(), ground_.network);
  if (commons_) share_ = std::make_unique<overlay::OverlayShare>(ground_.loop, engine());
  worker_->serve(overlay(), links_);
  round_trips_ =
      std::make_unique<overlay::RoundTrips>(ground_.loop, ground_.network, ground_.random, ground_.metrics);
  if (commons_)
    if (auto started = start_others(); !started) return started;
  if (auto opened = open_relay(); !opened) return opened;
  if (auto joined = join_overlay(); !joined) return joined;
  base::log::info(kLog, "peer {} of {} is up, {} phones' accounts", bundle.peer_id().text(), bundle.domain,
                  accounts_);
  return {};
}

base::Status Peer::Impl::join_overlay() {
  auto config = overlay_config(plan_.config, plan_.bundle, worker_->transport().member_locals());
  if (!config) return std::unexpected(config.error());
  return standing_.start(plan_.config, std::move(*config), links_, *worker_);
}

// Others reach this peer in another way from now on. One that they do not reach offers them nothing.
void Peer::Impl::take_way(const Standing::Way& way) {
  if (stopping_) return;
  const auto links = way.is_public ? links_ : std::vector<net::Address>{};
  on_every_worker([way, links](Worker& worker) { worker.set_reach(way.is_public, links, way.vias); });
  if (!presence_)
    presence_ =
        std::make_unique<Presence>(ground_.loop, overlay(), worker_->signer(),
                                   "sip:_" + plan_.bundle.peer_id().text() + "@" + plan_.bundle.domain);
  presence_->announce(links, way.vias);
  if (way.is_public)
    offer();
  else
    withdraw_offers();
}

base::Status Peer::Impl::open_relay() {
  if (!has_role(identity::Role::relay) || plan_.config.relay_listen.empty()) return {};
  auto config = relay_config(plan_.config, plan_.bundle, ground_.network);
  if (!config) return std::unexpected(config.error());
  config->accounts = plan_.accounts;
  relayed_ = config->sockets.relayed;
  auto relay = relay::Relay::start(std::move(*config));
  if (!relay) return base::fail("relay.listen: {}", relay.error().message);
  relay_ = std::move(*relay);
  return {};
}

// Asked by any worker's thread; the directory is the first one's.
void Peer::Impl::find_relays(std::string_view user, base::Loop& loop, anchor::Door::Parts::Relays done) {
  const auto find = [this, user = std::string(user)](auto found) {
    worker_->directory().find_near(relay_uri(), *round_trips_, ua::limits::kMaxRelays,
                                   [this, user, found](const std::vector<overlay::Near>& near) {
                                     const auto given = make_tokens(
                                         {user, ua::limits::kRelayTokenLife / std::chrono::seconds(1)}, near,
                                         plan_.bundle, ground_.loop.unix_now(), ground_.random);
                                     found(given ? relay_servers(*given) : std::vector<ua::RelayServer>());
                                   });
  };
  if (&loop == &ground_.loop) return find(std::move(done));
  commons_->post(0, [find, &loop, done = std::move(done)](Worker&) {
    find([&loop, done](std::vector<ua::RelayServer> relays) {
      loop.post_from_any_thread([done, relays = std::move(relays)] { done(relays); });
    });
  });
}

void Peer::Impl::offer_relay() {
  overlay::ServiceBody body{.peer = plan_.bundle.peer_id(),
                            .links = links_,
                            .endpoints = advertised_endpoints(relay_->listening(), ground_.network, relayed_),
                            .capacity = static_cast<std::uint32_t>(plan_.config.relay_allocations),
                            .token_key = relay_->token_key()};
  if (std::ranges::none_of(body.endpoints, [](const net::Endpoint& endpoint) {
        return endpoint.transport == net::Transport::udp;
      }))
    base::log::warn(
        kLog,
        "relay.listen has no udp: address that others can reach: nobody will find this relay in the "
        "overlay, since its round trip cannot be measured");
  relay_offer_ = std::make_unique<RelayOffer>(
      RelayOffer::Parts{.loop = ground_.loop,
                        .directory = worker_->directory(),
                        .round_trips = *round_trips_,
                        .status = [this] { return relay_->status(); },
                        .set_alternates = [this](auto others) { relay_->set_alternates(std::move(others)); }},
      relay_uri(), std::move(body));
}

base::Status Peer::Impl::start_others() {
  share_->set_on_put([this](const overlay::Record& record) { worker_->users().learned(record); });
  others_plan_ = with_ports_of(plan_, worker_->transport());
  others_ = std::make_unique<WorkerThreads>(others_plan_, *commons_, share_->door(), links_);
  return others_->start();
}

void Peer::Impl::offer() {
  if (relay_ && !relay_offer_) offer_relay();
  if (!has_role(identity::Role::proxy)) return;
  const identity::Bundle& bundle = plan_.bundle;
  worker_->directory().offer(
      "sip:" + bundle.domain,
      overlay::ServiceBody{.peer = bundle.peer_id(),
                           .links = links_,
                           .endpoints = advertised_endpoints(worker_->transport().locals(), ground_.network),
                           .capacity = 1000,
                           .load = 0});
}

void Peer::Impl::withdraw_offers() {
  if (has_role(identity::Role::proxy)) worker_->directory().withdraw("sip:" + plan_.bundle.domain);
  if (relay_offer_) relay_offer_->withdraw();
  relay_offer_.reset();
}

// On each one's own thread: the first's at once.
void Peer::Impl::on_every_worker(const std::function<void(Worker&)>& task) {
  task(*worker_);
  if (commons_) commons_->post_to_others(0, task);
}

void Peer::Impl::stop() {
  stopping_ = true;
  on_every_worker([](Worker& worker) {
    if (auto* registrar = worker.registrar()) registrar->withdraw_all();
  });
  withdraw_offers();
  if (presence_) presence_->withdraw();
}

void Peer::Impl::set_accounts(identity::Accounts accounts) {
  accounts_ = accounts.size();
  base::log::info(kLog, "{} accounts", accounts_);
  auto shared = std::make_shared<const identity::Accounts>(std::move(accounts));
  if (relay_) relay_->set_accounts(shared);
  on_every_worker([shared](Worker& worker) {
    if (worker.registrar()) worker.registrar()->set_accounts(shared);
  });
}

std::vector<std::string> Peer::Impl::warnings(const std::vector<WorkerFigures>& workers) const {
  std::vector<std::string> all;
  const identity::Bundle& bundle = plan_.bundle;
  auto in_date =
      identity::check_credential(bundle.credential, bundle.domain, bundle.authority, ground_.loop.unix_now());
  if (!in_date) all.push_back("credential: " + in_date.error().message);
  if (engine().alone() && !(bundle.bootstrap.empty() && plan_.config.overlay_bootstrap.empty()))
    all.push_back("no other peer answers; see the log for those that were asked");
  for (const WorkerFigures& worker : workers)
    if (worker.overload.on) all.push_back(overload_warning(worker));
  if (has_role(identity::Role::registrar) && !plan_.config.open_registration && accounts_ == 0)
    all.push_back("no phone can register: there are no accounts (causeway authority add-user)");
  return all;
}

std::string Peer::Impl::report(std::vector<WorkerFigures> workers) const {
  std::ranges::sort(workers, {}, &WorkerFigures::worker);
  std::ranges::move(plan_.anchors->counters(), std::back_inserter(workers.front().counters));
  auto all_warnings = warnings(workers);
  return report_status({.bundle = plan_.bundle,
                        .roles = plan_.roles,
                        .uptime = ground_.loop.now() - started_,
                        .now = ground_.loop.unix_now(),
                        .links = links_,
                        .sip = worker_->transport().locals(),
                        .overlay = engine(),
                        .reached = standing_.text(),
                        .accounts = accounts_,
                        .workers = std::move(workers),
                        .relay = relay_.get(),
                        .warnings = std::move(all_warnings)});
}

void Peer::Impl::status(std::function<void(std::string)> done) const {
  std::vector<WorkerFigures> first{worker_->figures()};
  if (!commons_) return done(report(std::move(first)));
  struct Gathering {
    std::vector<WorkerFigures> all;
    std::function<void(std::string)> done;
  };
  auto gathering = std::make_shared<Gathering>(std::move(first), std::move(done));
  auto take = [this, alive = std::weak_ptr(alive_), gathering](WorkerFigures figures) {
    if (alive.expired()) return;
    gathering->all.push_back(std::move(figures));
    if (gathering->all.size() == commons_->group.size()) gathering->done(report(std::move(gathering->all)));
  };
  commons_->post_to_others(0, [&loop = ground_.loop, take](Worker& worker) {
    loop.post_from_any_thread([take, figures = worker.figures()] { take(figures); });
  });
}

void Peer::Impl::lookup(std::string_view uri, std::function<void(std::string)> done) const {
  auto key = lookup_key(uri, plan_.bundle.domain);
  if (!key) return done(report_error(key.error().message));
  const_cast<Impl*>(this)->engine().inspect(
      *key, std::chrono::seconds(5),
      [this, uri = *key, done = std::move(done)](std::vector<overlay::Engine::Found> found) {
        if (uri != relay_uri()) return done(report_lookup(uri, found, nullptr, ground_.loop.unix_now()));
        worker_->directory().find_near(
            uri, *round_trips_, overlay::RoundTrips::kAll,
            [this, uri, found = std::move(found), done](const std::vector<overlay::Near>& near) {
              done(report_lookup(uri, found, &near, ground_.loop.unix_now()));
            });
      });
}

void Peer::Impl::relay_tokens(TokenRequest request, std::size_t most,
                              std::function<void(std::string)> done) const {
  worker_->directory().find_near(
      relay_uri(), *round_trips_, overlay::RoundTrips::kAll,
      [this, request = std::move(request), most, done = std::move(done)](std::vector<overlay::Near> near) {
        near.resize(std::min(near.size(), most));
        const auto given = make_tokens(request, near, plan_.bundle, ground_.loop.unix_now(), ground_.random);
        done(given ? report_tokens(*given) : report_error(given.error().message));
      });
}

std::string Peer::Impl::drain(bool on) {
  if (!relay_)
    return report_error(
        "this peer has no relay: its credential needs the role relay, and relay.listen an address");
  relay_->set_draining(on);
  base::log::info(kLog, "the relay takes {}", on ? "no new allocations" : "new allocations again");
  return report_done();
}

Peer::Peer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Peer::~Peer() = default;

base::Result<std::unique_ptr<Peer>> Peer::start(const Config& config, identity::Bundle bundle,
                                                Ground ground) {
  auto impl = std::make_unique<Impl>(config, std::move(bundle), ground);
  if (auto started = impl->start(); !started) return std::unexpected(started.error());
  return std::unique_ptr<Peer>(new Peer(std::move(impl)));
}

void Peer::stop() { impl_->stop(); }
void Peer::status(std::function<void(std::string)> done) const { impl_->status(std::move(done)); }
void Peer::lookup(std::string_view uri, std::function<void(std::string)> done) const {
  impl_->lookup(uri, std::move(done));
}
void Peer::relay_tokens(TokenRequest request, std::size_t most, std::function<void(std::string)> done) const {
  impl_->relay_tokens(std::move(request), most, std::move(done));
}
std::string Peer::drain(bool on) { return impl_->drain(on); }
void Peer::set_accounts(identity::Accounts accounts) { impl_->set_accounts(std::move(accounts)); }
std::vector<net::Endpoint> Peer::sip_endpoints() const { return impl_->worker_->transport().locals(); }
overlay::Overlay& Peer::overlay() { return impl_->overlay(); }

}  // namespace causeway::peer
