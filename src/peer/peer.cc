#include "peer/peer.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "overlay/opendht_overlay.h"
#include "overlay/overlay_share.h"
#include "peer/presence.h"
#include "peer/report.h"
#include "peer/setup.h"
#include "peer/worker.h"
#include "peer/worker_threads.h"

namespace causeway::peer {

namespace {

constexpr const char* kLog = "peer";

Plan make_plan(const Config& config, identity::Bundle bundle, base::Random& random) {
  Plan plan{.config = config,
            .bundle = std::move(bundle),
            .roles = {},
            .accounts = {},
            .loop_seed = random.u64(),
            .stranger_secret = {random.u64(), random.u64()}};
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
        started_(ground.loop.now()),
        accounts_(plan_.accounts->size()) {
    const auto workers = static_cast<unsigned>(config.workers);
    if (workers > 1) commons_ = std::make_shared<Commons>(workers, ground.random);
  }

  base::Status start();
  void stop();
  void status(std::function<void(std::string)> done) const;
  void lookup(std::string_view uri, std::function<void(std::string)> done) const;
  void set_accounts(identity::Accounts accounts);

  base::Status open_overlay();
  base::Status start_others();
  void announce();
  void on_every_worker(const std::function<void(Worker&)>& task);
  std::string report(std::vector<WorkerFigures> workers) const;
  std::vector<std::string> warnings(const std::vector<WorkerFigures>& workers) const;
  bool has_role(identity::Role role) const { return plan_.roles.contains(role); }
  overlay::Overlay& overlay() { return share_ ? static_cast<overlay::Overlay&>(*share_) : *engine_; }

  Plan plan_;
  Plan others_plan_;
  Ground ground_;
  overlay::RecordChecker checker_;
  base::Instant started_;
  std::size_t accounts_;
  std::vector<net::Address> links_;
  std::shared_ptr<Commons> commons_;  // none: one worker

  std::unique_ptr<overlay::Engine> engine_;
  std::unique_ptr<overlay::OverlayShare> share_;
  std::unique_ptr<Worker> worker_;  // the first
  std::unique_ptr<Presence> presence_;
  std::unique_ptr<WorkerThreads> others_;
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
  if (auto opened = open_overlay(); !opened) return opened;
  worker_->serve(overlay(), links_);
  if (commons_)
    if (auto started = start_others(); !started) return started;
  announce();
  base::log::info(kLog, "peer {} of {} is up, {} phones' accounts", bundle.peer_id().text(), bundle.domain,
                  accounts_);
  return {};
}

base::Status Peer::Impl::open_overlay() {
  auto config = overlay_config(plan_.config, plan_.bundle, worker_->transport().member_locals());
  if (!config) return std::unexpected(config.error());
  auto engine = overlay::make_opendht_overlay(ground_.loop, ground_.network, ground_.random, ground_.metrics,
                                              checker_, std::move(*config));
  if (!engine) return std::unexpected(engine.error());
  engine_ = std::move(*engine);
  if (commons_) share_ = std::make_unique<overlay::OverlayShare>(ground_.loop, *engine_);
  return {};
}

base::Status Peer::Impl::start_others() {
  share_->set_on_put([this](const overlay::Record& record) { worker_->users().learned(record); });
  others_plan_ = with_ports_of(plan_, worker_->transport());
  others_ = std::make_unique<WorkerThreads>(others_plan_, *commons_, share_->door(), links_);
  return others_->start();
}

void Peer::Impl::announce() {
  const identity::Bundle& bundle = plan_.bundle;
  presence_ = std::make_unique<Presence>(ground_.loop, overlay(), worker_->signer(),
                                         "sip:_" + bundle.peer_id().text() + "@" + bundle.domain);
  presence_->announce(links_);
  if (has_role(identity::Role::proxy))
    worker_->directory().offer("sip:" + bundle.domain,
                               overlay::ServiceBody{.peer = bundle.peer_id(),
                                                    .links = links_,
                                                    .endpoints = worker_->transport().locals(),
                                                    .capacity = 1000,
                                                    .load = 0});
}

// On each one's own thread: the first's at once.
void Peer::Impl::on_every_worker(const std::function<void(Worker&)>& task) {
  task(*worker_);
  if (commons_) commons_->post_to_others(0, task);
}

void Peer::Impl::stop() {
  on_every_worker([](Worker& worker) {
    if (auto* registrar = worker.registrar()) registrar->withdraw_all();
  });
  if (has_role(identity::Role::proxy)) worker_->directory().withdraw("sip:" + plan_.bundle.domain);
  if (presence_) presence_->withdraw();
}

void Peer::Impl::set_accounts(identity::Accounts accounts) {
  if (!worker_->registrar()) return;
  accounts_ = accounts.size();
  base::log::info("registrar", "{} accounts", accounts_);
  auto shared = std::make_shared<const identity::Accounts>(std::move(accounts));
  on_every_worker([shared](Worker& worker) { worker.registrar()->set_accounts(shared); });
}

std::vector<std::string> Peer::Impl::warnings(const std::vector<WorkerFigures>& workers) const {
  std::vector<std::string> all;
  const identity::Bundle& bundle = plan_.bundle;
  auto in_date =
      identity::check_credential(bundle.credential, bundle.domain, bundle.authority, ground_.loop.unix_now());
  if (!in_date) all.push_back("credential: " + in_date.error().message);
  if (engine_->alone() && !(bundle.bootstrap.empty() && plan_.config.overlay_bootstrap.empty()))
    all.push_back("no other peer answers; see the log for those that were asked");
  for (const WorkerFigures& worker : workers)
    if (worker.overload.on) all.push_back(overload_warning(worker));
  if (has_role(identity::Role::registrar) && !plan_.config.open_registration && accounts_ == 0)
    all.push_back("no phone can register: there are no accounts (causeway authority add-user)");
  return all;
}

std::string Peer::Impl::report(std::vector<WorkerFigures> workers) const {
  std::ranges::sort(workers, {}, &WorkerFigures::worker);
  auto all_warnings = warnings(workers);
  return report_status({.bundle = plan_.bundle,
                        .roles = plan_.roles,
                        .uptime = ground_.loop.now() - started_,
                        .now = ground_.loop.unix_now(),
                        .links = links_,
                        .sip = worker_->transport().locals(),
                        .overlay = *engine_,
                        .accounts = accounts_,
                        .workers = std::move(workers),
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
  engine_->inspect(*key, std::chrono::seconds(5),
                   [this, uri = *key, done = std::move(done)](std::vector<overlay::Engine::Found> found) {
                     done(report_lookup(uri, found, ground_.loop.unix_now()));
                   });
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
void Peer::set_accounts(identity::Accounts accounts) { impl_->set_accounts(std::move(accounts)); }
std::vector<net::Endpoint> Peer::sip_endpoints() const { return impl_->worker_->transport().locals(); }
overlay::Overlay& Peer::overlay() { return impl_->overlay(); }

}  // namespace causeway::peer
