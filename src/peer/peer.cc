#include "peer/peer.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "overlay/directory.h"
#include "overlay/opendht_overlay.h"
#include "overlay/users.h"
#include "peer/presence.h"
#include "peer/report.h"
#include "peer/setup.h"
#include "peer/trace.h"
#include "proxy/proxy.h"
#include "registrar/registrar.h"

namespace causeway::peer {

namespace {

constexpr const char* kLog = "peer";

}  // namespace

// Members are in the order in which they are made; they are destroyed the other way round.
class Peer::Impl {
 public:
  Impl(const Config& config, identity::Bundle bundle, Ground ground)
      : config_(config),
        bundle_(std::move(bundle)),
        ground_(ground),
        roles_(roles_of(bundle_.credential)),
        signer_{bundle_.key, bundle_.credential},
        tokens_(bundle_.network_key),
        digest_(bundle_.domain, identity::derive_key(bundle_.network_key, "digest nonces")),
        checker_(bundle_.domain, bundle_.authority, ground.metrics),
        started_(ground.loop.now()) {
    std::vector<sip::DigestAlgorithm> offered;
    for (const std::string& name : config_.register_digest)
      if (auto algorithm = sip::parse_digest_name(name)) offered.push_back(*algorithm);
    digest_.offer(std::move(offered));
  }

  base::Status start();
  void stop();
  std::string status() const;
  void lookup(std::string_view uri, std::function<void(std::string)> done) const;

  base::Status open_sip();
  base::Status open_overlay();
  void make_services();
  void announce();
  std::vector<std::string> warnings() const;

  Config config_;
  identity::Bundle bundle_;
  Ground ground_;
  std::set<identity::Role> roles_;
  overlay::Signer signer_;
  identity::TokenSealer tokens_;
  sip::DigestVerifier digest_;
  overlay::RecordChecker checker_;
  base::Instant started_;
  std::vector<net::Address> links_;

  Contexts tls_;
  std::unique_ptr<sip::TransportLayer> transport_;
  std::unique_ptr<sip::TransactionLayer> transactions_;
  std::unique_ptr<overlay::Overlay> overlay_;
  std::unique_ptr<overlay::Users> users_;
  std::unique_ptr<overlay::Directory> directory_;
  std::unique_ptr<dns::Locator> locator_;
  std::unique_ptr<registrar::Registrar> registrar_;
  std::unique_ptr<proxy::Proxy> proxy_;
  std::unique_ptr<Presence> presence_;
  std::unique_ptr<Trace> trace_;
};

base::Status Peer::Impl::start() {
  auto in_date = identity::check_credential(bundle_.credential, bundle_.domain, bundle_.authority,
                                            ground_.loop.unix_now());
  if (!in_date)
    base::log::error(kLog,
                     "this peer's credential is refused by everybody: {}. Is the clock right? If it is, ask "
                     "the authority for a new bundle. Going on",
                     in_date.error().message);
  if (auto opened = open_sip(); !opened) return opened;
  if (auto opened = open_overlay(); !opened) return opened;
  make_services();
  announce();
  base::log::info(kLog, "peer {} of {} is up, {} phones' accounts", bundle_.peer_id().text(), bundle_.domain,
                  bundle_.accounts.size());
  return {};
}

base::Status Peer::Impl::open_sip() {
  auto tls = make_contexts(config_, bundle_);
  if (!tls) return std::unexpected(tls.error());
  tls_ = std::move(*tls);
  auto transport = transport_config(config_, bundle_, tls_);
  if (!transport) return std::unexpected(transport.error());
  transport->strangers.secret = {ground_.random.u64(), ground_.random.u64()};
  transport_ = std::make_unique<sip::TransportLayer>(ground_.loop, ground_.network, ground_.metrics);
  if (!config_.trace_file.empty()) {
    auto trace = Trace::open(config_.trace_file, ground_.loop, *transport_);
    if (!trace) return std::unexpected(trace.error());
    trace_ = std::move(*trace);
  }
  transactions_ =
      std::make_unique<sip::TransactionLayer>(ground_.loop, *transport_, ground_.random, ground_.metrics);
  if (auto opened = transport_->open(*transport); !opened) return opened;
  links_ = advertised_links(config_, transport_->member_locals(), ground_.network);
  return {};
}

base::Status Peer::Impl::open_overlay() {
  auto config = overlay_config(config_, bundle_, transport_->member_locals());
  if (!config) return std::unexpected(config.error());
  auto overlay = overlay::make_opendht_overlay(ground_.loop, ground_.network, ground_.random, ground_.metrics,
                                               checker_, std::move(*config));
  if (!overlay) return std::unexpected(overlay.error());
  overlay_ = std::move(*overlay);
  users_ = std::make_unique<overlay::Users>(ground_.loop, *overlay_, ground_.metrics);
  directory_ =
      std::make_unique<overlay::Directory>(ground_.loop, *overlay_, signer_, ground_.random, ground_.metrics);
  return {};
}

void Peer::Impl::make_services() {
  locator_ = std::make_unique<dns::Locator>(ground_.resolver, ground_.random, supported(*transport_),
                                            ground_.metrics);
  transport_->set_response_locator(
      [this](const std::string& host, std::uint16_t port, net::Transport transport, auto found) {
        locator_->locate_response(host, port, transport, [found = std::move(found)](dns::Hops hops) {
          std::vector<sip::Target> places;
          if (hops)
            for (auto& hop : *hops) places.push_back({hop.endpoint, std::move(hop.name), false});
          found(std::move(places));
        });
      });
  if (roles_.contains(identity::Role::registrar)) {
    registrar::RegistrarConfig config{.domain = bundle_.domain,
                                      .open = config_.open_registration,
                                      .min_expires = config_.register_min,
                                      .default_expires = config_.register_default,
                                      .max_expires = config_.register_max,
                                      .max_contacts = static_cast<std::size_t>(config_.register_contacts)};
    registrar_ = std::make_unique<registrar::Registrar>(
        std::move(config),
        registrar::RegistrarParts{ground_.loop, ground_.random, ground_.metrics, *transactions_, *overlay_,
                                  *users_, signer_, tokens_, digest_});
    registrar_->set_accounts(bundle_.accounts);
    registrar_->set_links(links_);
  }
  proxy::ProxyConfig config{.domain = bundle_.domain,
                            .peer = bundle_.peer_id(),
                            .is_proxy = roles_.contains(identity::Role::proxy),
                            .open = config_.open_registration};
  // Nobody can look up a throwaway domain: phones are led back to the address instead.
  if (config_.open_registration && !transport_->locals().empty())
    config.route_host = transport_->locals().front().address.text();
  proxy_ = std::make_unique<proxy::Proxy>(
      std::move(config),
      proxy::ProxyParts{ground_.loop, ground_.random, ground_.metrics, *transport_, *transactions_, *users_,
                        *directory_, *overlay_, registrar_.get(), *locator_, tokens_, digest_});
  transport_->set_handler(*transactions_);
  transactions_->set_core(*proxy_);
}

void Peer::Impl::announce() {
  presence_ = std::make_unique<Presence>(ground_.loop, *overlay_, signer_,
                                         "sip:_" + bundle_.peer_id().text() + "@" + bundle_.domain);
  presence_->announce(links_);
  if (roles_.contains(identity::Role::proxy))
    directory_->offer("sip:" + bundle_.domain, overlay::ServiceBody{.peer = bundle_.peer_id(),
                                                                    .links = links_,
                                                                    .endpoints = transport_->locals(),
                                                                    .capacity = 1000,
                                                                    .load = 0});
}

void Peer::Impl::stop() {
  if (registrar_) registrar_->withdraw_all();
  if (roles_.contains(identity::Role::proxy)) directory_->withdraw("sip:" + bundle_.domain);
  if (presence_) presence_->withdraw();
}

std::vector<std::string> Peer::Impl::warnings() const {
  std::vector<std::string> all;
  auto in_date = identity::check_credential(bundle_.credential, bundle_.domain, bundle_.authority,
                                            ground_.loop.unix_now());
  if (!in_date) all.push_back("credential: " + in_date.error().message);
  if (overlay_->alone() && !(bundle_.bootstrap.empty() && config_.overlay_bootstrap.empty()))
    all.push_back("no other peer answers; see the log for those that were asked");
  if (registrar_ && !config_.open_registration && registrar_->accounts().empty())
    all.push_back("no phone can register: there are no accounts (causeway authority add-user)");
  return all;
}

std::string Peer::Impl::status() const {
  return report_status({.bundle = bundle_,
                        .roles = roles_,
                        .uptime = ground_.loop.now() - started_,
                        .now = ground_.loop.unix_now(),
                        .links = links_,
                        .transport = *transport_,
                        .transactions = *transactions_,
                        .overlay = *overlay_,
                        .registrar = registrar_.get(),
                        .proxy = *proxy_,
                        .metrics = ground_.metrics,
                        .warnings = warnings()});
}

void Peer::Impl::lookup(std::string_view uri, std::function<void(std::string)> done) const {
  auto key = lookup_key(uri, bundle_.domain);
  if (!key) return done(report_error(key.error().message));
  overlay_->inspect(*key, std::chrono::seconds(5),
                    [this, uri = *key, done = std::move(done)](std::vector<overlay::Overlay::Found> found) {
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
std::string Peer::status() const { return impl_->status(); }
void Peer::lookup(std::string_view uri, std::function<void(std::string)> done) const {
  impl_->lookup(uri, std::move(done));
}
void Peer::set_accounts(identity::Accounts accounts) {
  if (impl_->registrar_) impl_->registrar_->set_accounts(std::move(accounts));
}
std::vector<net::Endpoint> Peer::sip_endpoints() const { return impl_->transport_->locals(); }
overlay::Overlay& Peer::overlay() { return *impl_->overlay_; }

}  // namespace causeway::peer
