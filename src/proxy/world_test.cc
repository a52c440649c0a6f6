#include "proxy/world_test.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "sip/headers.h"
#include "sip/rewrite.h"

namespace {
thread_local std::size_t allocated = 0;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they have their own
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"             // the pair below is inlined one by one
// Counts what is taken from the heap, for Gauge.
void* operator new(std::size_t size) {
  ++allocated;
  if (void* p = std::malloc(size ? size : 1)) return p;
  std::abort();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif

namespace causeway::proxy::testing {

bool Gauge::on_arrival(std::string_view bytes, const sip::Flow& flow) {
  const auto before = allocated;
  const bool done = below_.on_arrival(bytes, flow);
  allocations += allocated - before;
  return done;
}

void Gauge::on_message(const sip::Message& message, const sip::Via& via, const sip::Flow& flow) {
  const auto before = allocated;
  below_.on_message(message, via, flow);
  allocations += allocated - before;
}

namespace {

std::string uri_host_port(const net::Address& a) { return a.text(); }

}  // namespace

void Zone::addresses(const std::string& name, bool, bool, dns::OnRecords<net::Ip> done) {
  std::vector<net::Ip> ips;
  for (const auto& text : hosts[name]) ips.push_back(*net::Ip::parse(text));
  if (!later) return done(std::move(ips));
  later->post([done, ips] { done(ips); });
}

// ---- peers

Peer::Peer(World& world, std::string ip, PeerOptions options)
    : world_(world), ip_(std::move(ip)), options_(options) {
  std::vector<identity::Role> roles;
  if (options.registrar) roles.push_back(identity::Role::registrar);
  if (options.proxy || options.pretends) roles.push_back(identity::Role::proxy);
  bundle_ =
      *world.authority.issue({.roles = roles, .users = {}, .bootstrap = {}, .now = world.loop.unix_now()});
  id_ = bundle_.peer_id();
  signer_ = {bundle_.key, bundle_.credential};
  const auto name = identity::peer_host(id_, kDomain);
  network_ = world.net.host(*net::Ip::parse(ip_), {.member_name = name, .public_names = {}});
  member_tls_ = net::TlsContext::simulated(net::TlsContext::Kind::member);
  overlay_ = world.records->join();
  users_ = std::make_unique<overlay::Users>(world.loop, *overlay_, metrics_);
  directory_ = std::make_unique<overlay::Directory>(world.loop, *overlay_, signer_, world.random, metrics_);
  tokens_ = std::make_unique<identity::TokenSealer>(bundle_.network_key);
  digest_ = std::make_unique<sip::DigestVerifier>(std::string(kDomain),
                                                  identity::derive_key(bundle_.network_key, "digest nonces"));
  locator_ = std::make_unique<dns::Locator>(world.zone, world.random, dns::Supported{}, metrics_);
  transport_ = std::make_unique<sip::TransportLayer>(world.loop, *network_, metrics_);
  transactions_ = std::make_unique<sip::TransactionLayer>(world.loop, *transport_, world.random, metrics_);
  gauge_ = std::make_unique<Gauge>(*transactions_);
  transport_->set_handler(*gauge_);
  sip::TransportConfig config;
  config.locals.push_back({net::Transport::udp, address(), ""});
  if (options.tcp) config.locals.push_back({net::Transport::tcp, address(), ""});
  const net::Address link{*net::Ip::parse(ip_), 7400};
  config.member_locals = {link};
  config.member_tls = member_tls_.get();
  config.member_name = name;
  EXPECT_TRUE(transport_->open(config));
  if (options.registrar) {
    registrar_ = std::make_unique<registrar::Registrar>(
        registrar::RegistrarConfig{.domain = std::string(kDomain), .open = options.open},
        registrar::RegistrarParts{world.loop, world.random, metrics_, *transactions_, *overlay_, *users_,
                                  signer_, *tokens_, *digest_});
    registrar_->set_accounts(std::make_shared<identity::Accounts>(world.accounts));
    registrar_->set_links({link});
  }
  asker_ = std::make_unique<overlay::LinkAsker>(
      overlay::LinkAsker::Parts{world.loop, world.random, metrics_, *transport_, *transactions_},
      std::string(kDomain), id_);
  checker_ = std::make_unique<overlay::RecordChecker>(std::string(kDomain), bundle_.authority, metrics_);
  service_ = std::make_unique<overlay::LinkService>(
      overlay::LinkService::Parts{*asker_, *network_, member_tls_.get(), *overlay_, *checker_, attached_});
  service_->set_public(!options.sheltered);
  if (options.sheltered) {
    overlay::PublicLinksConfig known;
    for (const auto& other : world.peers)
      if (other) known.bootstrap.push_back({*net::Ip::parse(other->ip()), 7400});
    links_ = std::make_unique<overlay::PublicLinks>(*asker_, known);
    service_->set_links(links_.get());
    world.net.shelter(*net::Ip::parse(ip_));
  }
  proxy_ =
      std::make_unique<Proxy>(ProxyConfig{.domain = std::string(kDomain),
                                          .peer = id_,
                                          .is_proxy = options.proxy,
                                          .open = options.open,
                                          .max_forks = options.max_forks},
                              ProxyParts{world.loop, world.random, metrics_, *transport_, *transactions_,
                                         *users_, *directory_, *overlay_, registrar_.get(), *locator_,
                                         *tokens_, *digest_, service_.get(), &attached_, options.phones});
  transactions_->set_core(*proxy_);
  const auto now = world.loop.unix_now();
  overlay_->put(signer_.sign(overlay::Kind::peer, "sip:_" + id_.text() + "@p2psip.org", now, now + 120000,
                             overlay::encode(overlay::PeerBody{{link}, {}})));
  if (links_) {
    links_->start();
    world.run(1s);
    name_vias();
  }
  if (options.proxy || options.pretends) {
    overlay::ServiceBody body;
    body.peer = id_;
    body.links = {link};
    body.endpoints = {{net::Transport::udp, address()}};
    body.capacity = 100;
    directory_->offer("sip:p2psip.org", body);
  }
}

Peer::~Peer() { stop(); }

void Peer::kill() { world_.net.kill(*net::Ip::parse(ip_)); }

void Peer::name_vias() {
  registrar_->set_links({}, links_->vias());
  const auto now = world_.loop.unix_now();
  overlay_->put(signer_.sign(overlay::Kind::peer, "sip:_" + id_.text() + "@p2psip.org", now, now + 120000,
                             overlay::encode(overlay::PeerBody{{}, links_->vias()})));
}

void Peer::stop() {
  proxy_.reset();
  links_.reset();
  service_.reset();
  asker_.reset();
  registrar_.reset();
  transactions_.reset();
  transport_.reset();
  locator_.reset();
  directory_.reset();
  users_.reset();
  overlay_.reset();
}

// ---- texts

std::vector<std::string> headers(const std::string& message, std::string_view name) {
  std::vector<std::string> found;
  std::size_t at = message.find("\r\n");
  while (at != std::string::npos) {
    at += 2;
    const auto end = message.find("\r\n", at);
    if (end == std::string::npos || end == at) break;
    const auto line = std::string_view(message).substr(at, end - at);
    const auto colon = line.find(':');
    if (colon != std::string_view::npos && sip::same_text(line.substr(0, colon), name)) {
      auto value = line.substr(colon + 1);
      while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
      found.emplace_back(value);
    }
    at = end;
  }
  return found;
}

std::string header(const std::string& message, std::string_view name) {
  auto all = headers(message, name);
  return all.empty() ? "" : all.front();
}

std::vector<std::string> values(const std::string& message, std::string_view name) {
  std::vector<std::string> all;
  for (const auto& line : headers(message, name))
    sip::for_each_value(line, [&](std::string_view v) {
      all.emplace_back(v);
      return true;
    });
  return all;
}

namespace {

std::string uri_in(const std::string& name_addr) {
  const auto open = name_addr.find('<');
  if (open == std::string::npos) return name_addr.substr(0, name_addr.find(';'));
  return name_addr.substr(open + 1, name_addr.find('>') - open - 1);
}

}  // namespace

// ---- user agents

Ua::Ua(World& world, std::string own_uri, const std::string& at, net::Address towards)
    : uri(std::move(own_uri)),
      user(uri.substr(4, uri.find('@') - 4)),
      address(*net::Address::parse(at)),
      server(towards),
      world_(world),
      network_(world.net.host(address.ip)),
      socket_(std::move(*network_->open_udp(address, *this))) {}

void Ua::use_tcp() { stream_ = network_->connect(server, {}, *this); }

std::string Ua::contact() const {
  return "sip:" + user + "@" + uri_host_port(address) + (stream_ ? ";transport=tcp" : "");
}

void Ua::take(std::string text) {
  if (text.starts_with("SIP/2.0 100")) return;
  inbox.push_back(std::move(text));
}

void Ua::on_datagrams(std::span<net::Datagram> batch) {
  for (auto& d : batch) {
    last_from_ = d.from;
    take(std::string(d.bytes.data(), d.bytes.size()));
  }
}

void Ua::on_bytes(std::span<const char> bytes) {
  partial_.append(bytes.data(), bytes.size());
  for (;;) {
    const auto end = partial_.find("\r\n\r\n");
    if (end == std::string::npos) return;
    take(partial_.substr(0, end + 4));
    partial_.erase(0, end + 4);
  }
}

void Ua::send_to(const std::string& text, const net::Address& to) {
  if (stream_) return stream_->send(base::Buffer::copy_of(text));
  socket_->send(to, base::Buffer::copy_of(text));
}

std::string Ua::write(Out out) {
  const int n = ++serial_ + ++world_.serial * 100;
  if (out.from.empty()) out.from = fmt::format("<{}>;tag=f{}", uri, n);
  if (out.to.empty()) out.to = "<" + out.uri + ">";
  if (out.call_id.empty()) out.call_id = fmt::format("call{}@{}", n, address.text());
  std::string text = fmt::format("{} {} SIP/2.0\r\nVia: SIP/2.0/{} {};branch=z9hG4bK{}\r\n", out.method,
                                 out.uri, stream_ ? "TCP" : "UDP", address.text(), n);
  for (const auto& route : out.routes) text += "Route: " + route + "\r\n";
  text += fmt::format("Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {}\r\n", out.from,
                      out.to, out.call_id, out.cseq, out.method);
  if (out.contact) text += "Contact: <" + contact() + ">\r\n";
  return text + out.extra + "Content-Length: 0\r\n\r\n";
}

std::string Ua::wait(std::string_view begins, base::Duration limit) {
  std::string found;
  world_.loop.run_until(
      [&] {
        auto it = std::ranges::find_if(inbox, [&](const auto& m) { return m.starts_with(begins); });
        if (it == inbox.end()) return false;
        found = std::move(*it);
        inbox.erase(it);
        return true;
      },
      limit);
  return found;
}

bool Ua::quiet(base::Duration span) {
  inbox.clear();
  world_.loop.run_for(span);
  return inbox.empty();
}

std::string Ua::ask(Out out) {
  const int n = ++serial_ + ++world_.serial * 100;
  if (out.from.empty()) out.from = fmt::format("<{}>;tag=f{}", uri, n);
  if (out.call_id.empty()) out.call_id = fmt::format("call{}@{}", n, address.text());
  auto text = write(out);
  send(text);
  const bool registers = out.method == "REGISTER" && out.uri == "sip:p2psip.org";
  auto challenge = wait(registers ? "SIP/2.0 401" : "SIP/2.0 407", 300ms);
  if (challenge.empty()) return text;
  if (out.method == "INVITE") {
    auto ack =
        write({"ACK", out.uri, "", out.from, header(challenge, "To"), out.call_id, out.cseq, {}, false});
    // Same branch: it belongs to the INVITE.
    const auto branch = [](const std::string& m) {
      const auto at = m.find("branch=");
      return m.substr(at, m.find("\r\n", at) - at);
    };
    const auto at = ack.find("branch=");
    ack.replace(at, branch(ack).size(), branch(text));
    send(ack);
  }
  auto parsed =
      sip::parse_digest_challenge(header(challenge, registers ? "WWW-Authenticate" : "Proxy-Authenticate"));
  if (!parsed) return "";
  out.extra += fmt::format("{}: {}\r\n", registers ? "Authorization" : "Proxy-Authorization",
                           sip::answer_challenge(*parsed, user, password, out.method, out.uri, "cn", 1));
  ++out.cseq;
  text = write(out);
  send(text);
  return text;
}

std::string Ua::invite(const std::string& to_uri, std::string extra) {
  return ask({.method = "INVITE", .uri = to_uri, .extra = std::move(extra)});
}

bool Ua::enroll(int expires, const std::string& params) {
  ask({.method = "REGISTER",
       .uri = "sip:p2psip.org",
       .extra = fmt::format("Contact: <{}>{};expires={}\r\n", contact(), params, expires),
       .to = "<" + uri + ">",
       .call_id = "reg-" + user + "-" + std::to_string(++serial_),
       .contact = false});
  return !wait("SIP/2.0 200").empty();
}

std::string Ua::answer(const std::string& request, int status, const std::string& extra) {
  auto text = write_answer(request, status, status < 300, extra);
  send_to(text, last_from_);
  return text;
}

std::string Ua::answer_bare(const std::string& request, int status, const std::string& extra) {
  auto text = write_answer(request, status, false, extra);
  send_to(text, last_from_);
  return text;
}

std::string Ua::write_answer(const std::string& request, int status, bool with_contact,
                             const std::string& extra) {
  sip::Message m;
  EXPECT_TRUE(m.parse(request)) << request;
  std::string text = fmt::format("SIP/2.0 {} {}\r\n", status, sip::reason_phrase(status));
  for (const auto& via : headers(request, "Via")) text += "Via: " + via + "\r\n";
  if (status < 300)
    for (const auto& rr : headers(request, "Record-Route")) text += "Record-Route: " + rr + "\r\n";
  std::string to = header(request, "To");
  if (to.find(";tag=") == std::string::npos) to += ";tag=t" + user + address.text().substr(3, 4);
  text += fmt::format("From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\n", header(request, "From"), to,
                      header(request, "Call-ID"), header(request, "CSeq"));
  if (with_contact) text += "Contact: <" + contact() + ">\r\n";
  return text + extra + "Content-Length: 0\r\n\r\n";
}

Dialogue Ua::as_caller(const std::string& invite, const std::string& ok) {
  Dialogue d{header(invite, "From"),        header(ok, "To"),           header(ok, "Call-ID"),
             uri_in(header(ok, "Contact")), values(ok, "Record-Route"), std::stoi(header(ok, "CSeq"))};
  std::ranges::reverse(d.routes);
  return d;
}

Dialogue Ua::as_callee(const std::string& invite, const std::string& ok) {
  return {header(ok, "To"),
          header(invite, "From"),
          header(invite, "Call-ID"),
          uri_in(header(invite, "Contact")),
          values(invite, "Record-Route"),
          100};
}

std::string Ua::in_dialogue(Dialogue& d, const std::string& method) {
  if (method != "ACK") ++d.cseq;
  auto text = write({method, d.target, "", d.from, d.to, d.call_id, d.cseq, d.routes, method != "BYE"});
  send(text);
  return text;
}

// ---- the world

World::World() {
  for (const char* user : {"alice", "bob", "eve"})
    accounts.set(user, {sip::make_ha1(sip::DigestAlgorithm::md5, user, kDomain, "secret"),
                        sip::make_ha1(sip::DigestAlgorithm::sha256, user, kDomain, "secret")});
  records = std::make_unique<overlay::MemoryOverlayWorld>(loop, std::string(kDomain), authority.key(),
                                                          metrics, 5ms);
  net.on_packet([this](const net::SimPacket& p) {
    wire.push_back({p.from, p.to, p.transport, std::string(p.bytes.data(), p.bytes.size())});
  });
}

World::~World() {
  for (auto& peer : peers) peer->stop();
  uas.clear();
  peers.clear();
}

Peer& World::peer(PeerOptions options) {
  peers.push_back(std::make_unique<Peer>(*this, fmt::format("10.0.0.{}", peers.size() + 1), options));
  loop.run_for(50ms);
  return *peers.back();
}

Ua& World::phone_of(const std::string& user, Peer& at) {
  uas.push_back(std::make_unique<Ua>(*this, "sip:" + user + "@p2psip.org",
                                     fmt::format("10.1.0.{}:5060", ++last_phone), at.address()));
  net.let_in(at.address().ip, uas.back()->address.ip);
  return *uas.back();
}

Ua& World::phone(const std::string& user, Peer& at) {
  Ua& ua = phone_of(user, at);
  EXPECT_TRUE(ua.enroll()) << user;
  loop.run_for(50ms);
  return ua;
}

Ua& World::outsider(const std::string& uri, Peer& towards) {
  const auto ip = fmt::format("192.0.2.{}", ++last_outsider);
  uas.push_back(std::make_unique<Ua>(*this, uri, ip + ":5060", towards.address()));
  zone.hosts[uri.substr(uri.find('@') + 1)] = {ip};
  return *uas.back();
}

void World::check_wire() {
  EXPECT_FALSE(wire.empty());
  for (const auto& seen : wire) {
    const bool between = seen.from.text().starts_with("10.0.0.") && seen.to.text().starts_with("10.0.0.") &&
                         seen.from.ip != seen.to.ip;
    if (between) {
      EXPECT_EQ(seen.transport, net::Transport::tls) << seen.text;
    }
    for (const char* name : {"Record-Route", "Path"})
      for (const auto& value : values(seen.text, name)) {
        EXPECT_EQ(value.find("10.0.0."), std::string::npos) << seen.text;
        EXPECT_EQ(value.find(".peers."), std::string::npos) << seen.text;
        EXPECT_TRUE(value == "<sip:p2psip.org;lr>" || value == "<sips:p2psip.org;lr>" ||
                    value.starts_with("<sip:_") || value.find("p2psip.org") == std::string::npos)
            << value;
      }
  }
}

// ---- calls

ProxyTest::Call ProxyTest::call(Ua& from, Ua& to, const std::string& uri) {
  Call c;
  const auto invite = from.invite(uri);
  c.invite_in = to.wait("INVITE");
  EXPECT_FALSE(c.invite_in.empty()) << (from.inbox.empty() ? "nothing came" : from.inbox.front());
  if (c.invite_in.empty()) return c;
  to.answer(c.invite_in, 180);
  EXPECT_FALSE(from.wait("SIP/2.0 180").empty());
  const auto ok = to.answer(c.invite_in, 200);
  c.ok = from.wait("SIP/2.0 200");
  EXPECT_FALSE(c.ok.empty());
  if (c.ok.empty()) return c;
  c.caller = from.as_caller(invite, c.ok);
  c.callee = to.as_callee(c.invite_in, ok);
  from.in_dialogue(c.caller, "ACK");
  c.up = !to.wait("ACK").empty();
  EXPECT_TRUE(c.up) << "no ACK";
  return c;
}

bool ProxyTest::bye(Ua& from, Dialogue& dialogue, Ua& to) {
  from.in_dialogue(dialogue, "BYE");
  const auto in = to.wait("BYE", 15s);
  if (in.empty()) return false;
  to.answer(in, 200);
  return !from.wait("SIP/2.0 200").empty();
}

}  // namespace causeway::proxy::testing
