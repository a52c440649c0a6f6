// A world for tests of the proxy: peers of p2psip.org with everything that they consist of (transport,
// transactions, registrar, records in memory), phones and foreign servers, on a simulated network.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/sim_loop.h"
#include "dns/resolver.h"
#include "identity/authority.h"
#include "net/sim_network.h"
#include "net/tls.h"
#include "overlay/link_service.h"
#include "overlay/memory_overlay.h"
#include "overlay/public_links.h"
#include "proxy/proxy.h"

namespace causeway::proxy::testing {

using namespace std::chrono_literals;

inline constexpr std::string_view kDomain = "p2psip.org";

// Names and addresses; SRV and NAPTR are the locator's own tests.
struct Zone final : dns::Resolver {
  std::map<std::string, std::vector<std::string>> hosts;
  std::map<std::string, std::vector<dns::Srv>> services;
  base::Loop* later = nullptr;  // answers in a later turn
  void naptr(const std::string&, dns::OnRecords<dns::Naptr> done) override { done({}); }
  void srv(const std::string& name, dns::OnRecords<dns::Srv> done) override { done(services[name]); }
  void addresses(const std::string& name, bool, bool, dns::OnRecords<net::Ip> done) override;
};

struct PeerOptions {
  bool proxy = false;
  bool registrar = true;
  bool open = false;
  bool tcp = false;
  int max_forks = limits::kMaxForks;
  bool pretends = false;  // offers itself as a proxy peer, but is not set up as one
  // Behind a NAT: reached through the peers that are there already.
  bool sheltered = false;
  PhoneHook* phones = nullptr;
};

class World;

// Between transport and transactions: sees what one message costs.
class Gauge final : public sip::TransportHandler {
 public:
  explicit Gauge(sip::TransactionLayer& below) : below_(below) {}
  bool on_arrival(std::string_view bytes, const sip::Flow& flow) override;
  void on_message(const sip::Message& message, const sip::Via& via, const sip::Flow& flow) override;
  void on_flow_closed(const sip::Flow& flow, std::string_view why) override {
    below_.on_flow_closed(flow, why);
  }
  void on_unreachable(const net::Address& to) override { below_.on_unreachable(to); }
  std::size_t allocations = 0;  // while messages were handled

 private:
  sip::TransactionLayer& below_;
};

class Peer {
 public:
  Peer(World& world, std::string ip, PeerOptions options);
  ~Peer();
  void kill();  // the host falls silent
  void stop();  // the program ends: connections close, sockets are refused
  // Names the peers that lead to it now in its records.
  void name_vias();
  overlay::PublicLinks& links() { return *links_; }
  const overlay::Attached& attached() const { return attached_; }
  std::string flow_prefix() const { return "sip:_" + id().text() + "."; }
  const identity::PeerId& id() const { return id_; }
  const std::string& ip() const { return ip_; }
  net::Address address() const { return {*net::Ip::parse(ip_), 5060}; }
  Proxy& proxy() { return *proxy_; }
  registrar::Registrar& registrar() { return *registrar_; }
  overlay::Users& users() { return *users_; }
  const identity::TokenSealer& tokens() const { return *tokens_; }
  sip::TransactionLayer& transactions() { return *transactions_; }
  Gauge& gauge() { return *gauge_; }
  std::uint64_t count(std::string_view metric) const { return metrics_.value(metric); }

 private:
  World& world_;
  std::string ip_;
  PeerOptions options_;
  identity::Bundle bundle_;
  identity::PeerId id_;
  base::Metrics metrics_;
  overlay::Signer signer_;
  std::unique_ptr<net::Network> network_;
  std::unique_ptr<net::TlsContext> member_tls_;
  std::unique_ptr<overlay::Overlay> overlay_;
  std::unique_ptr<overlay::Users> users_;
  std::unique_ptr<overlay::Directory> directory_;
  std::unique_ptr<identity::TokenSealer> tokens_;
  std::unique_ptr<sip::DigestVerifier> digest_;
  std::unique_ptr<dns::Locator> locator_;
  std::unique_ptr<sip::TransportLayer> transport_;
  std::unique_ptr<sip::TransactionLayer> transactions_;
  std::unique_ptr<Gauge> gauge_;
  std::unique_ptr<registrar::Registrar> registrar_;
  std::unique_ptr<overlay::LinkAsker> asker_;
  std::unique_ptr<overlay::RecordChecker> checker_;
  overlay::Attached attached_;
  std::unique_ptr<overlay::LinkService> service_;
  std::unique_ptr<overlay::PublicLinks> links_;
  std::unique_ptr<Proxy> proxy_;
};

// A header field's values in a text, one element for each line.
std::vector<std::string> headers(const std::string& message, std::string_view name);
std::string header(const std::string& message, std::string_view name);
// All values of a comma-separable header, in order.
std::vector<std::string> values(const std::string& message, std::string_view name);

// What a user agent knows of a dialogue (RFC 3261 12.1).
struct Dialogue {
  std::string from, to, call_id, target;
  std::vector<std::string> routes;
  int cseq = 1;
};

// A phone or a foreign server: one UDP socket or one TCP connection, driven by the test.
class Ua final : public net::UdpHandler, public net::StreamHandler {
 public:
  Ua(World& world, std::string uri, const std::string& address, net::Address server);
  // From now on over one TCP connection to its server.
  void use_tcp();

  void on_datagrams(std::span<net::Datagram> batch) override;
  void on_bytes(std::span<const char> bytes) override;
  void on_closed(const net::StreamClosed&) override { stream_.reset(); }

  struct Out {
    std::string method;
    std::string uri;
    std::string extra = "";  // header lines, each with CRLF
    std::string from = "";   // default: own URI with a tag
    std::string to = "";     // default: <uri>
    std::string call_id = "";
    int cseq = 1;
    std::vector<std::string> routes = {};
    bool contact = true;
  };
  std::string write(Out out);
  void send(const std::string& text) { send_to(text, server); }
  void send_to(const std::string& text, const net::Address& to);

  // The first message that begins so, waiting for it; empty if none comes.
  std::string wait(std::string_view begins, base::Duration limit = 2s);
  bool quiet(base::Duration span = 1s);

  // Requests of its own, with digest where asked for. The text that was sent last.
  std::string ask(Out out);
  std::string invite(const std::string& uri, std::string extra = "");
  bool enroll(int expires = 3600, const std::string& params = "");

  // Answers a request that came.
  std::string answer(const std::string& request, int status, const std::string& extra = "");

  // Without Contact of its own.
  std::string answer_bare(const std::string& request, int status, const std::string& extra);
  void hang_up_stream() { stream_.reset(); }

  Dialogue as_caller(const std::string& invite, const std::string& ok);
  Dialogue as_callee(const std::string& invite, const std::string& ok);
  std::string in_dialogue(Dialogue& dialogue, const std::string& method);

  std::string uri;   // sip:alice@p2psip.org
  std::string user;  // alice
  std::string password = "secret";
  net::Address address;
  net::Address server;
  std::deque<std::string> inbox;
  std::string contact() const;

 private:
  void take(std::string text);
  std::string write_answer(const std::string& request, int status, bool contact, const std::string& extra);
  World& world_;
  std::unique_ptr<net::Network> network_;
  std::unique_ptr<net::UdpSocket> socket_;
  std::unique_ptr<net::Stream> stream_;
  net::Address last_from_;
  std::string partial_;
  int serial_ = 0;
};

class World {
 public:
  World();
  ~World();
  Peer& peer(PeerOptions options = {});
  // A phone at a peer, registered.
  Ua& phone(const std::string& user, Peer& at);
  // One that is not registered yet.
  Ua& phone_of(const std::string& user, Peer& at);
  // Somebody outside, whose proxy for p2psip.org is that peer.
  Ua& outsider(const std::string& uri, Peer& towards);
  void run(base::Duration span) { loop.run_for(span); }

  // Everything that was on the wire so far.
  struct Seen {
    net::Address from, to;
    net::Transport transport;
    std::string text;
  };
  std::vector<Seen> wire;
  // No address of a peer (or PEERID host name) in any Record-Route, Path or Contact made by peers;
  // requests between peers in TLS only.
  void check_wire();

  base::SimLoop loop;
  base::Random random{42};
  base::Metrics metrics;
  net::SimNetwork net{loop, random};
  identity::Authority authority = *identity::Authority::create(kDomain);
  identity::Accounts accounts;
  Zone zone;
  std::unique_ptr<overlay::MemoryOverlayWorld> records;
  std::vector<std::unique_ptr<Peer>> peers;
  std::vector<std::unique_ptr<Ua>> uas;
  int serial = 0;
  int last_phone = 0, last_outsider = 9;
};

class ProxyTest : public ::testing::Test {
 protected:
  World world;
  // A call is set up between two user agents: INVITE, 180, 200, ACK.
  struct Call {
    Dialogue caller, callee;
    std::string invite_in;  // as the callee got it
    std::string ok;         // as the caller got it
    bool up = false;
  };
  Call call(Ua& from, Ua& to, const std::string& uri);
  // BYE one way, 200 back.
  bool bye(Ua& from, Dialogue& dialogue, Ua& to);
  bool is(const std::string& message, std::string_view begins) { return message.starts_with(begins); }
  void TearDown() override { world.check_wire(); }
};

}  // namespace causeway::proxy::testing
