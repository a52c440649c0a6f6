#include "peer/worker.h"

#include <ctime>

#include "proxy/public_registration.h"

namespace causeway::peer {

namespace {

// Signing takes a lock that copies of a key have in common: each further worker has a key of its own.
identity::PrivateKey own_key(const identity::Bundle& bundle, unsigned worker) {
  if (worker == 0) return bundle.key;
  auto key = identity::PrivateKey::from_pem(bundle.key_pem);
  return key ? std::move(*key) : bundle.key;
}

double thread_cpu_seconds() {
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
}

}  // namespace

void Commons::post(unsigned to, std::function<void(Worker&)> task) {
  seats_[to].loop->post_from_any_thread([self = shared_from_this(), to, task = std::move(task)] {
    if (Worker* worker = self->seats_[to].worker) task(*worker);
  });
}

void Commons::post_to_others(unsigned from, const std::function<void(Worker&)>& task) {
  for (unsigned other = 0; other < seats_.size(); ++other)
    if (other != from) post(other, task);
}

Worker::Worker(const Plan& plan, Commons* commons, unsigned number, Ground ground)
    : plan_(plan),
      commons_(commons),
      number_(number),
      ground_(ground),
      signer_{own_key(plan.bundle, number), plan.bundle.credential},
      tokens_(plan.bundle.network_key),
      digest_(plan.bundle.domain, identity::derive_key(plan.bundle.network_key, "digest nonces")),
      checker_(plan.bundle.domain, plan.bundle.authority, ground.metrics) {
  std::vector<sip::DigestAlgorithm> offered;
  for (const std::string& name : plan.config.register_digest)
    if (auto algorithm = sip::parse_digest_name(name)) offered.push_back(*algorithm);
  digest_.offer(std::move(offered));
  if (commons_) commons_->seat(number_, ground_.loop, this);
}

Worker::~Worker() {
  if (commons_) commons_->seat(number_, ground_.loop, nullptr);
}

base::Status Worker::open() {
  auto tls = make_contexts(plan_.config, plan_.bundle);
  if (!tls) return std::unexpected(tls.error());
  tls_ = std::move(*tls);
  auto config = transport_config(plan_.config, plan_.bundle, tls_);
  if (!config) return std::unexpected(config.error());
  config->strangers.secret = plan_.stranger_secret;
  transport_ = std::make_unique<sip::TransportLayer>(ground_.loop, ground_.network, ground_.metrics,
                                                     commons_ ? &commons_->group : nullptr, number_);
  if (!plan_.config.trace_file.empty()) {
    auto trace = Trace::open(plan_.config.trace_file, ground_.loop, *transport_);
    if (!trace) return std::unexpected(trace.error());
    trace_ = std::move(*trace);
  }
  transactions_ = std::make_unique<sip::TransactionLayer>(ground_.loop, *transport_, ground_.random,
                                                          ground_.metrics, number_);
  transactions_->set_overload(
      {plan_.config.overload_target, plan_.config.share(plan_.config.overload_transactions)});
  asker_ = std::make_unique<overlay::LinkAsker>(
      overlay::LinkAsker::Parts{ground_.loop, ground_.random, ground_.metrics, *transport_, *transactions_},
      plan_.bundle.domain, plan_.bundle.peer_id());
  return transport_->open(*config);
}

void Worker::serve(overlay::Overlay& overlay, const std::vector<net::Address>& links) {
  users_ = std::make_unique<overlay::Users>(ground_.loop, overlay, ground_.metrics,
                                            plan_.config.share(plan_.config.overlay_cached_users));
  directory_ =
      std::make_unique<overlay::Directory>(ground_.loop, overlay, signer_, ground_.random, ground_.metrics);
  locator_ = std::make_unique<dns::Locator>(ground_.resolver, ground_.random, supported(*transport_),
                                            ground_.metrics);
  locate_responses();
  make_link_service(overlay);
  if (plan_.roles.contains(identity::Role::registrar)) {
    make_registrar(overlay, links);
    make_door();
  }
  make_proxy(overlay);
  transport_->set_handler(*transactions_);
  transactions_->set_core(*proxy_);
}

void Worker::locate_responses() {
  transport_->set_response_locator(
      [this](const std::string& host, std::uint16_t port, net::Transport transport, auto found) {
        locator_->locate_response(host, port, transport, [found = std::move(found)](dns::Hops hops) {
          std::vector<sip::Target> places;
          if (hops)
            for (auto& hop : *hops) places.push_back({hop.endpoint, std::move(hop.name), false});
          found(std::move(places));
        });
      });
}

void Worker::make_link_service(overlay::Overlay& overlay) {
  link_service_ = std::make_unique<overlay::LinkService>(
      overlay::LinkService::Parts{*asker_, ground_.network, tls_.member.get(), overlay, checker_,
                                  commons_ ? commons_->attached : own_attached_});
}

void Worker::set_reach(bool is_public, const std::vector<net::Address>& links,
                       const std::vector<overlay::ViaPeer>& vias) {
  link_service_->set_public(is_public);
  if (registrar_) registrar_->set_links(links, vias);
  proxy_->set_site(!is_public);
}

void Worker::make_registrar(overlay::Overlay& overlay, const std::vector<net::Address>& links) {
  const Config& c = plan_.config;
  registrar::RegistrarConfig config{.domain = plan_.bundle.domain,
                                    .open = c.open_registration,
                                    .min_expires = c.register_min,
                                    .default_expires = c.register_default,
                                    .max_expires = c.register_max,
                                    .max_contacts = static_cast<std::size_t>(c.register_contacts),
                                    .max_bindings = c.share(c.register_bindings)};
  registrar_ = std::make_unique<registrar::Registrar>(
      std::move(config), registrar::RegistrarParts{
                             ground_.loop, ground_.random, ground_.metrics, *transactions_, overlay, *users_,
                             signer_, tokens_, digest_, commons_ ? &commons_->shelves : nullptr, number_});
  registrar_->set_accounts(plan_.accounts);
  registrar_->set_links(links);
  if (commons_)
    transport_->set_request_owner([this](const sip::Message& request) {
      return commons_->shelves.owner_of(request, plan_.bundle.domain, number_);
    });
}

void Worker::make_door() {
  anchor::Door::Parts parts{
      .anchors = plan_.anchors, .loop = ground_.loop, .stands_for = {}, .local_for = {}, .relays = {}};
  parts.stands_for = [this](std::string_view user) {
    const identity::Accounts& accounts = registrar_->accounts();
    const auto* account = accounts.anchored() > 0 ? accounts.find(user) : nullptr;
    return account && account->media == identity::AccountMedia::anchor;
  };
  parts.local_for = [this](const net::Ip& phone) { return ground_.network.source_ip_for(phone); };
  parts.relays = [this](std::string_view user, anchor::Door::Parts::Relays done) {
    plan_.relays(user, ground_.loop, std::move(done));
  };
  door_ = std::make_unique<anchor::Door>(std::move(parts));
}

void Worker::make_proxy(overlay::Overlay& overlay) {
  const bool open = plan_.config.open_registration;
  proxy::ProxyConfig config{.domain = plan_.bundle.domain,
                            .peer = plan_.bundle.peer_id(),
                            .is_proxy = plan_.roles.contains(identity::Role::proxy),
                            .open = open,
                            .loop_seed = plan_.loop_seed,
                            .max_forks = static_cast<int>(plan_.config.proxy_forks)};
  // Nobody can look up a throwaway domain: phones are led back to the address instead.
  if (open && !transport_->locals().empty()) config.route_host = transport_->locals().front().address.text();
  proxy_ = std::make_unique<proxy::Proxy>(
      std::move(config),
      proxy::ProxyParts{ground_.loop, ground_.random, ground_.metrics, *transport_, *transactions_, *users_,
                        *directory_, overlay, registrar_.get(), *locator_, tokens_, digest_,
                        link_service_.get(), commons_ ? &commons_->attached : &own_attached_, door_.get()});
  if (commons_)
    proxy_->public_registrations().set_on_learned([this](const proxy::PublicAddress& learned) {
      commons_->post_to_others(number_, [learned](Worker& other) {
        other.proxy().public_registrations().note(learned, other.ground().loop.now());
      });
    });
}

void Worker::note_lock_waits() const {
  const auto row = [this](std::string_view where) -> base::Counter& {
    return ground_.metrics.counter(fmt::format("worker_lock_waits_total{{at=\"{}\"}}", where),
                                   "locks that a worker found taken by another");
  };
  row("hand-over").set(transport_->lock_waits());
  row("tasks").set(ground_.loop.lock_waits());
  row("bindings").set(commons_->shelves.of(number_).mutex.waits());
}

WorkerFigures Worker::figures() const {
  if (commons_) note_lock_waits();
  return {.worker = number_,
          .cpu_seconds = thread_cpu_seconds(),
          .connections = transport_->connections(),
          .server_transactions = transactions_->server_count(),
          .client_transactions = transactions_->client_count(),
          .calls_in_setup = proxy_->calls_in_setup(),
          .bindings = registrar_ ? registrar_->bindings().size() : 0,
          .overload = transactions_->overload(),
          .counters = ground_.metrics.rows()};
}

}  // namespace causeway::peer
