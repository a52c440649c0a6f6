#include "ua/phone_line.h"

#include <algorithm>

#include <fmt/format.h>

#include "sip/headers.h"
#include "stun/binding.h"
#include "stun/writer.h"
#include "ua/limits.h"

namespace causeway::ua {

namespace {

// Binding requests without an answer, after which the server, or the way to it, is taken for gone.
constexpr int kMostUnanswered = 2;

std::string new_instance(base::Random& random) {
  std::uint8_t b[16];
  random.fill(b);
  b[6] = static_cast<std::uint8_t>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<std::uint8_t>((b[8] & 0x3f) | 0x80);
  std::string text = "urn:uuid:";
  for (std::size_t i = 0; i < sizeof b; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", b[i]);
  }
  return text;
}

std::string_view user_in(std::string_view aor) { return aor.substr(4, aor.find('@') - 4); }

}  // namespace

base::Result<PhoneAccount> make_account(std::string_view aor, std::string password) {
  const auto uri = sip::parse_uri(aor);
  if (!uri || !uri->is_sip || !uri->has_user || uri->user.empty())
    return base::fail("expected an address such as sip:alice@example.org, found '{}'", aor);
  return PhoneAccount{.aor = sip::address_of_record(*uri),
                      .password = std::move(password),
                      .expires = limits::kRegisterExpires};
}

base::Result<PhoneAccount> make_account(std::string_view aor, std::string password, sip::Target proxy) {
  auto account = make_account(aor, std::move(password));
  if (account) account->proxy = std::move(proxy);
  return account;
}

PhoneLine::PhoneLine(base::Loop& loop, sip::TransportLayer& transport, base::Random& random,
                     PhoneAccount account, dns::Locator* locator)
    : loop_(loop),
      locator_(locator),
      transport_(transport),
      random_(random),
      account_(std::move(account)),
      user_(user_in(account_.aor)),
      digest_(random),
      servers_(locator, std::string(host_of(account_.aor)), account_.proxy, [this] { on_moved(); }),
      search_(loop.timers(), [this] { find_server(); }),
      search_pause_(limits::kRegisterRetryLeast),
      keep_alive_(loop.timers(), [this] { keep_alive(); }) {
  if (account_.instance.empty()) account_.instance = new_instance(random_);
  login_ = account_.user.empty() ? user_ : account_.user;
  if (account_.password.empty()) return;
  digest_.add(std::string(host_of(account_.aor)), login_, account_.password);
  digest_.add("", login_, account_.password);  // a registrar with another realm
}

PhoneLine::~PhoneLine() { transport_.set_stun_hook({}); }

void PhoneLine::start(Client& client, LineUser& user) {
  line_user_ = &user;
  transport_.set_stun_hook(
      [this](std::span<const char> datagram, const net::Address& from) { return on_stun(datagram, from); });
  if (account_.registers) {
    RegistrationConfig config{.aor = account_.aor,
                              .registrar = fmt::format("sip:{}", host_of(account_.aor)),
                              .expires = account_.expires};
    config.contact = [this] {
      return fmt::format("<{}>;+sip.instance=\"<{}>\";reg-id=1", contact(), account_.instance);
    };
    registration_ = std::make_unique<Registration>(loop_, random_, client, std::move(config),
                                                   static_cast<RegistrationUser&>(*this));
  }
  if (servers_.current()) return begin();
  search_.start(base::Duration::zero());
}

void PhoneLine::begin() {
  if (registration_) return registration_->refresh();
  keep_alive_.start(base::Duration::zero());
}

// ---- the server

void PhoneLine::find_server() {
  servers_.find([this](const base::Status& found) {
    if (!line_user_ || stopped_) return;
    if (found) return begin();
    search_.start(std::exchange(search_pause_, std::min(2 * search_pause_, limits::kRegisterRetryMost)));
    line_user_->on_line_down(
        {fmt::format("a server of {} in the DNS", host_of(account_.aor)), found.error().message,
         "check the domain and the name server, or say where the server is (--via)"},
        false);
  });
}

void PhoneLine::failed(const sip::Flow& flow) { servers_.failed({flow.transport, flow.remote}); }

// The registration has to be known where calls are to come from.
void PhoneLine::on_moved() {
  flow_.reset();
  seen_.reset();
  asked_.clear();
  unanswered_ = 0;
  if (registration_ && registration_->active()) registration_->refresh();
}

void PhoneLine::locate(std::string_view next_hop, std::function<void(std::vector<sip::Target>)> done) {
  servers_.locate(next_hop, std::move(done));
}

void PhoneLine::stop(std::function<void()> done) {
  stopped_ = true;
  keep_alive_.stop();
  search_.stop();
  if (!registration_) return done();
  registration_->stop(std::move(done));
}

void PhoneLine::detach() {
  keep_alive_.stop();
  search_.stop();
  registration_.reset();
  line_user_ = nullptr;
}

std::optional<sip::Flow> PhoneLine::flow() {
  if (flow_ && transport_.alive(*flow_)) return flow_;
  const sip::Target* server = servers_.current();
  flow_ = server ? transport_.flow_to(*server) : std::nullopt;
  return flow_;
}

std::string PhoneLine::contact() {
  const auto way = flow();
  if (!way) return account_.aor;
  const std::string parameter =
      net::is_stream(way->transport) ? fmt::format(";transport={}", net::transport_name(way->transport)) : "";
  return fmt::format("sip:{}@{}{}", user_, transport_.sent_by(*way), parameter);
}

bool PhoneLine::is_for_us(const sip::Uri& request_uri) const {
  const auto own = sip::parse_uri(account_.aor);
  std::string room, own_room;
  return request_uri.is_sip && own && sip::plain_user(request_uri, room) == sip::plain_user(*own, own_room);
}

bool PhoneLine::is_server(const sip::Flow& flow) const {
  if (net::is_stream(flow.transport)) return flow_ && flow.connection == flow_->connection;
  return servers_.has(flow.remote);
}

void PhoneLine::on_flow_closed(const sip::Flow& flow) {
  if (!flow_ || flow.connection != flow_->connection || !net::is_stream(flow.transport)) return;
  flow_.reset();
  if (registration_ && registration_->active()) registration_->refresh();
}

// ---- relays

namespace {

// The first ones, in the order of the DNS; but where UDP does not pass, those over TCP or TLS are what is
// left, so that one of them is among those that are tried.
std::vector<dns::Hop> chosen(std::vector<dns::Hop> hops) {
  const auto is_stream = [](const dns::Hop& hop) { return net::is_stream(hop.endpoint.transport); };
  const auto end = hops.begin() + static_cast<std::ptrdiff_t>(std::min(hops.size(), limits::kMaxRelays));
  if (std::none_of(hops.begin(), end, is_stream))
    if (const auto stream = std::find_if(end, hops.end(), is_stream); stream != hops.end())
      std::iter_swap(end - 1, stream);
  hops.erase(end, hops.end());
  return hops;
}

}  // namespace

// One call's. The DNS may be slow, or not there at all, and the caller waits for a tone.
struct PhoneLine::RelaySearch {
  RelaySearch(base::Timers& timers, std::function<void(std::vector<RelayServer>)> then)
      : done(std::move(then)), patience(timers, [this] { end({}); }) {
    patience.start(limits::kRelaySearch);
  }
  void end(std::vector<RelayServer> relays) {
    patience.stop();
    if (const auto tell = std::exchange(done, nullptr)) tell(std::move(relays));
  }
  std::function<void(std::vector<RelayServer>)> done;  // null: it has been told
  base::Timer patience;
};

void PhoneLine::relays(std::function<void(std::vector<RelayServer>)> done) {
  if (!locator_ || !account_.finds_relays || !account_.relays.empty() || account_.password.empty())
    return done(account_.relays);
  std::erase_if(relay_searches_, [](const auto& search) { return !search->done; });
  auto search = std::make_shared<RelaySearch>(loop_.timers(), std::move(done));
  relay_searches_.push_back(search);
  locator_->locate({.host = std::string(host_of(account_.aor)), .service = dns::Service::relay},
                   [this, weak = std::weak_ptr(search)](dns::Hops hops) {
                     const auto asked = weak.lock();
                     if (!asked) return;
                     std::vector<RelayServer> relays;
                     if (hops)
                       for (const dns::Hop& hop : chosen(std::move(*hops)))
                         relays.push_back({hop.endpoint, login_, account_.password, hop.name});
                     asked->end(std::move(relays));
                   });
}

// ---- keeping the way open

void PhoneLine::keep_alive() {
  if (!account_.registers)
    return line_user_->on_line_up();  // in a turn of its own; nobody calls, so nothing is kept
  const auto way = flow();
  if (!way) return;
  if (net::is_stream(way->transport)) {
    // RFC 5626 4.4.1: a server that has said so answers; a silent one is gone.
    if (outbound_) return transport_.keep_alive(*way, limits::kKeepAliveStream, limits::kKeepAliveAnswer);
    transport_.send(*way, base::Buffer::copy_of("\r\n\r\n"));
    return keep_alive_.start(limits::kKeepAliveStream);
  }
  if (!asked_.empty() && ++unanswered_ >= kMostUnanswered) {
    unanswered_ = 0;
    registration_->refresh();  // tells whether it lives
  }
  ping();
  keep_alive_.start(limits::kKeepAliveUdp);
}

void PhoneLine::ping() {
  asked_.resize(12);
  random_.fill({reinterpret_cast<std::uint8_t*>(asked_.data()), asked_.size()});
  char room[64];
  stun::Writer out(room, stun::Class::request, stun::Method::binding, asked_);
  out.fingerprint();
  transport_.send(*flow_, base::Buffer::copy_of(out.view()));
}

base::Buffer PhoneLine::on_stun(std::span<const char> datagram, const net::Address& from) {
  const std::string_view bytes(datagram.data(), datagram.size());
  const auto message = stun::Message::parse(bytes);
  if (!message || message->kind() != stun::Class::success) return stun::answer_binding(bytes, from);
  const sip::Target* server = servers_.current();
  if (!server || from != server->endpoint.address || message->transaction() != asked_ || asked_.empty())
    return {};
  asked_.clear();
  unanswered_ = 0;
  const auto seen = message->xor_address(stun::Attribute::xor_mapped_address);
  if (!seen) return {};
  if (seen_ && *seen_ != *seen && registration_) registration_->refresh();  // RFC 5626 4.4.2: another flow
  seen_ = seen;
  return {};
}

// ---- registration

void PhoneLine::on_registered(const RegistrationConfig&, const sip::Message& ok) {
  service_routes_.clear();
  (void)sip::for_each_value(ok, sip::HeaderName::service_route, [&](std::string_view value) {
    service_routes_.emplace_back(value);
    return service_routes_.size() < limits::kMaxRoutes;
  });
  outbound_ = sip::has_token(ok, sip::HeaderName::require, "outbound");
  if (account_.keeps_alive && !keep_alive_.pending()) keep_alive_.start(base::Duration::zero());
  line_user_->on_line_up();
}

void PhoneLine::on_not_registered(const RegistrationConfig&, const Trouble& why, bool final) {
  keep_alive_.stop();
  line_user_->on_line_down(why, final);
}

}  // namespace causeway::ua
