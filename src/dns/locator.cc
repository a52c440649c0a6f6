#include "dns/locator.h"

#include <algorithm>
#include <cctype>

#include "base/limits.h"
#include "dns/srv_order.h"
#include "net/address.h"

namespace causeway::dns {

namespace {

using net::Transport;

std::uint16_t default_port(Transport transport) { return transport == Transport::tls ? 5061 : 5060; }

bool can_send(const Supported& s, Transport t) {
  return t == Transport::udp ? s.udp : t == Transport::tcp ? s.tcp : s.tls;
}

constexpr Transport kTransports[] = {Transport::udp, Transport::tcp, Transport::tls};

// What a service is called in the DNS, by transport.
struct Names {
  std::string_view service[3];  // of NAPTR records: RFC 3263 4.1; RFC 5928 5
  std::string_view prefix[3];   // of SRV records
};
constexpr Names kSip{{"SIP+D2U", "SIP+D2T", "SIPS+D2T"}, {"_sip._udp.", "_sip._tcp.", "_sips._tcp."}};
constexpr Names kRelay{{"RELAY:TURN.UDP", "RELAY:TURN.TCP", "RELAY:TURN.TLS"},
                       {"_turn._udp.", "_turn._tcp.", "_turns._tcp."}};
static_assert(static_cast<int>(Transport::udp) == 0 && static_cast<int>(Transport::tls) == 2);

const Names& names_of(Service service) { return service == Service::sip ? kSip : kRelay; }

std::optional<Transport> transport_of(std::string_view service, const Names& names) {
  std::string upper(service);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (Transport transport : kTransports)
    if (upper == names.service[static_cast<int>(transport)]) return transport;
  return {};
}

std::string srv_name(Transport transport, const Question& question) {
  return std::string(names_of(question.service).prefix[static_cast<int>(transport)]) + question.host;
}

}  // namespace

std::optional<Question> question_of(std::string_view host, std::uint16_t port,
                                    std::optional<std::string_view> transport, bool is_sips) {
  Question question{.host = std::string(host), .port = port, .secure = is_sips};
  if (!transport) return question;
  question.transport = net::parse_transport(*transport);
  if (!question.transport) return std::nullopt;
  question.secure |= question.transport == Transport::tls;
  return question;
}

// One question on its way through the steps of RFC 3263 4. Each step is a list of things to look up, one
// after another; what they give is appended to the hops.
struct Locator::Impl {
  struct Search {
    Question question;
    OnHops done;
    std::vector<Hop> hops;
    std::string last_error;
    struct Service {  // an SRV name to ask for, and what its targets speak
      std::string name;
      Transport transport;
    };
    std::vector<Service> services;
    std::size_t next_service = 0;
    std::vector<Srv> targets;  // of the service that was asked last
    std::size_t next_target = 0;
    bool any_srv = false;
  };
  using Ref = std::shared_ptr<Search>;

  Impl(Resolver& with, base::Random& from, Supported can, base::Metrics& metrics)
      : resolver(with),
        random(from),
        supported(can),
        located(metrics.counter("dns_located_total{outcome=\"found\"}",
                                "questions of RFC 3263 that gave somewhere to go")),
        failed(metrics.counter("dns_located_total{outcome=\"failed\"}",
                               "questions of RFC 3263 that gave nowhere to go")),
        left_out(metrics.counter("dns_places_left_out_total",
                                 "places to go that are not tried: there are enough before them")) {}

  void locate(const Question& question, OnHops done);
  void after_naptr(const Ref& s, const base::Result<std::vector<Naptr>>& records);
  void ask_services(const Ref& s);
  void ask_targets(const Ref& s, Transport transport);
  void ask_host(const Ref& s, Transport transport, std::uint16_t port);
  void add_hops(Search& s, const std::vector<net::Ip>& addresses, Transport transport, std::uint16_t port);
  void finish(const Ref& s);

  // Callbacks of the resolver do nothing once the Locator is gone.
  template <class F>
  auto guarded(F f) {
    return [alive = std::weak_ptr(alive_), f = std::move(f)](auto records) {
      if (!alive.expired()) f(std::move(records));
    };
  }

  Resolver& resolver;
  base::Random& random;
  Supported supported;
  base::Counter &located, &failed, &left_out;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

void Locator::Impl::locate(const Question& question, OnHops done) {
  auto s = std::make_shared<Search>(Search{.question = question, .done = std::move(done)});
  Question& q = s->question;
  // A secure question over TCP means TLS (RFC 3261 26.2.2).
  if (q.secure) q.transport = Transport::tls;
  bool secure = q.transport == Transport::tls;
  if (q.transport && !can_send(supported, *q.transport)) {
    s->last_error = fmt::format("{}: this peer does not speak {}", q.host, net::transport_name(*q.transport));
    return finish(s);
  }
  // 4.1, 4.2: numeric hosts are not looked up.
  if (auto ip = net::Ip::parse(q.host)) {
    Transport transport = q.transport.value_or(Transport::udp);
    add_hops(*s, {*ip}, transport, q.port ? q.port : default_port(transport));
    if (s->hops.empty()) s->last_error = fmt::format("{}: this peer has no address of that family", q.host);
    return finish(s);
  }
  if (q.port != 0) return ask_host(s, q.transport.value_or(Transport::udp), q.port);
  if (q.transport && !secure) {
    s->services.push_back({srv_name(*q.transport, q), *q.transport});
    return ask_services(s);
  }
  resolver.naptr(q.host, guarded([this, s](auto records) { after_naptr(s, records); }));
}

void Locator::Impl::after_naptr(const Ref& s, const base::Result<std::vector<Naptr>>& records) {
  const Question& q = s->question;
  bool secure = q.transport == Transport::tls;
  if (!records) s->last_error = records.error().message;
  std::vector<Naptr> usable = records ? *records : std::vector<Naptr>();
  std::erase_if(usable, [&](const Naptr& r) {
    auto transport = transport_of(r.service, names_of(q.service));
    return r.flags.size() != 1 || (r.flags[0] | 0x20) != 's' || !transport ||
           !can_send(supported, *transport) || (secure && transport != Transport::tls) ||
           r.replacement.empty();
  });
  std::ranges::stable_sort(usable, {}, [](const Naptr& r) { return std::pair(r.order, r.preference); });
  for (const Naptr& r : usable)
    s->services.push_back({r.replacement, *transport_of(r.service, names_of(q.service))});
  // 4.1: without NAPTR, an SRV query for each transport that we speak.
  if (usable.empty())
    for (Transport transport : kTransports)
      if (can_send(supported, transport) && (!secure || transport == Transport::tls))
        s->services.push_back({srv_name(transport, q), transport});
  ask_services(s);
}

void Locator::Impl::ask_services(const Ref& s) {
  if (s->next_service == s->services.size() || s->hops.size() >= limits::kMaxHops) {
    // 4.2: no SRV at all: the host itself, at the default port.
    if (!s->any_srv && s->hops.empty() && s->question.service == Service::sip) {
      Transport transport = s->question.transport.value_or(Transport::udp);
      return ask_host(s, transport, default_port(transport));
    }
    return finish(s);
  }
  auto service = s->services[s->next_service++];
  resolver.srv(service.name,
               guarded([this, s, transport = service.transport](base::Result<std::vector<Srv>> records) {
                 if (!records) s->last_error = records.error().message;
                 if (records && !records->empty()) s->any_srv = true;
                 s->targets = records ? in_order(std::move(*records), random) : std::vector<Srv>();
                 s->next_target = 0;
                 ask_targets(s, transport);
               }));
}

void Locator::Impl::ask_targets(const Ref& s, Transport transport) {
  if (s->next_target == s->targets.size() || s->hops.size() >= limits::kMaxHops) return ask_services(s);
  const Srv& target = s->targets[s->next_target++];
  resolver.addresses(
      target.target, supported.ipv4, supported.ipv6,
      guarded([this, s, transport, port = target.port](base::Result<std::vector<net::Ip>> addresses) {
        if (addresses)
          add_hops(*s, *addresses, transport, port);
        else
          s->last_error = addresses.error().message;
        ask_targets(s, transport);
      }));
}

void Locator::Impl::ask_host(const Ref& s, Transport transport, std::uint16_t port) {
  resolver.addresses(s->question.host, supported.ipv4, supported.ipv6,
                     guarded([this, s, transport, port](base::Result<std::vector<net::Ip>> addresses) {
                       if (addresses)
                         add_hops(*s, *addresses, transport, port);
                       else
                         s->last_error = addresses.error().message;
                       finish(s);
                     }));
}

void Locator::Impl::add_hops(Search& s, const std::vector<net::Ip>& addresses, Transport transport,
                             std::uint16_t port) {
  for (const net::Ip& ip : addresses) {
    if (s.hops.size() >= limits::kMaxHops) {
      ++left_out;
      return;
    }
    if (ip.is_v4() ? supported.ipv4 : supported.ipv6)
      s.hops.push_back({{transport, {ip, port}}, s.question.host});
  }
}

void Locator::Impl::finish(const Ref& s) {
  if (!s->hops.empty()) {
    ++located;
    return s->done(std::move(s->hops));
  }
  ++failed;
  if (s->last_error.empty())
    s->last_error = fmt::format("{}: no such domain, or nothing there that {}", s->question.host,
                                s->question.service == Service::sip ? "speaks SIP" : "relays media");
  s->done(std::unexpected(base::Error{s->last_error}));
}

Locator::Locator(Resolver& resolver, base::Random& random, Supported supported, base::Metrics& metrics)
    : impl_(std::make_unique<Impl>(resolver, random, supported, metrics)) {}
Locator::~Locator() = default;

void Locator::locate(const Question& question, OnHops done) { impl_->locate(question, std::move(done)); }

// 5: a Via with a port names a host; one without, a service.
void Locator::locate_response(const std::string& host, std::uint16_t port, Transport transport, OnHops done) {
  impl_->locate({.host = host, .port = port, .transport = transport, .secure = transport == Transport::tls},
                std::move(done));
}

}  // namespace causeway::dns
