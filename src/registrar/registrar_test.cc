// The registrar through its real transport and transactions, on a simulated network: what a phone sends
// and what it gets back, as text, and what stands in the overlay afterwards.
#include "registrar/registrar.h"

#include "registrar/refresh.h"

#include <gtest/gtest.h>

#include "base/sim_loop.h"
#include "identity/authority.h"
#include "net/sim_network.h"
#include "overlay/memory_overlay.h"

namespace causeway::registrar {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kDomain = "p2psip.org";

// A phone: a UDP socket that remembers what came.
struct Phone final : net::UdpHandler {
  Phone(net::SimNetwork& world, const char* ip, std::uint16_t port)
      : network(world.host(*net::Ip::parse(ip))),
        socket(std::move(*network->open_udp({*net::Ip::parse(ip), port}, *this))) {}
  void on_datagrams(std::span<net::Datagram> batch) override {
    for (auto& d : batch) last.assign(d.bytes.data(), d.bytes.size());
  }
  std::unique_ptr<net::Network> network;
  std::unique_ptr<net::UdpSocket> socket;
  std::string last;
};

struct Core final : sip::ServerUser {
  Registrar* registrar = nullptr;
  void on_request(sip::ServerTransaction& t, const sip::Message& m, const sip::Flow& f) override {
    registrar->on_register(t, m, f);
  }
  void on_ack(const sip::Message&, const sip::Flow&) override {}
  void on_cancel(sip::ServerTransaction&, const sip::Message&) override {}
  void on_stray_response(const sip::Message&, const sip::Flow&) override {}
  void on_gone(sip::ServerTransaction&) override {}
};

class RegistrarTest : public testing::Test {
 protected:
  RegistrarTest() { make({.domain = std::string(kDomain)}); }

  void make(RegistrarConfig config) {
    registrar_.reset();
    transactions_.emplace(loop_, *transport_or_open(), random_, metrics_);
    registrar_.emplace(std::move(config), RegistrarParts{loop_, random_, metrics_, *transactions_, *overlay_,
                                                         users_, signer_, tokens_, digest_});
    core_.registrar = &*registrar_;
    transport_->set_handler(*transactions_);
    transactions_->set_core(core_);
    identity::Accounts accounts;
    accounts.set("alice", {sip::make_ha1(sip::DigestAlgorithm::md5, "alice", kDomain, "secret"),
                           sip::make_ha1(sip::DigestAlgorithm::sha256, "alice", kDomain, "secret")});
    accounts.set("bob", {"", sip::make_ha1(sip::DigestAlgorithm::sha256, "bob", kDomain, "bobs")});
    registrar_->set_accounts(std::make_shared<identity::Accounts>(std::move(accounts)));
    registrar_->set_links({*net::Address::parse("10.0.0.1:7400")});
  }
  sip::TransportLayer* transport_or_open() {
    if (!transport_) {
      transport_.emplace(loop_, *server_, metrics_);
      sip::TransportConfig config;
      config.locals.push_back({net::Transport::udp, *net::Address::parse("10.0.0.1:5060"), ""});
      EXPECT_TRUE(transport_->open(config));
    }
    return &*transport_;
  }

  struct Ask {
    std::string contact;  // header lines, with "Contact: " and all
    std::string extra = "";
    std::string user = "alice";
    std::string authorization = "";
    std::string call_id = "c1";
    std::string via = "10.0.0.9:5060";
    std::string to_domain = std::string(kDomain);
    int cseq = 0;  // 0: the next
  };
  std::string send(const Ask& a, Phone& from) {
    int cseq = a.cseq ? a.cseq : ++cseq_;
    std::string text = fmt::format(
        "REGISTER sip:p2psip.org SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{};rport\r\nMax-Forwards: "
        "70\r\n"
        "From: <sip:{}@{}>;tag=f\r\nTo: <sip:{}@{}>\r\nCall-ID: {}\r\nCSeq: {} "
        "REGISTER\r\n{}{}{}Content-Length: 0\r\n\r\n",
        a.via, ++branch_, a.user, a.to_domain, a.user, a.to_domain, a.call_id, cseq, a.contact, a.extra,
        a.authorization);
    from.last.clear();
    from.socket->send(*net::Address::parse("10.0.0.1:5060"), base::Buffer::copy_of(text));
    loop_.run_for(100ms);
    return from.last;
  }
  // With digest, as a phone does it: asks, is challenged, asks again.
  std::string send_proved(Ask a, std::string_view password = "secret", std::string_view as = {}) {
    std::string challenge = send(a, phone_);
    auto at = challenge.find("WWW-Authenticate: ");
    if (at == std::string::npos) return challenge;
    at += 18;
    auto parsed =
        sip::parse_digest_challenge(std::string_view(challenge).substr(at, challenge.find("\r\n", at) - at));
    EXPECT_TRUE(parsed);
    std::string user = as.empty() ? a.user : std::string(as);
    a.authorization = "Authorization: " +
                      sip::answer_challenge(*parsed, user, password, "REGISTER", "sip:p2psip.org", "cn", 1) +
                      "\r\n";
    return send(a, phone_);
  }
  std::string register_contact(const std::string& uri, const std::string& params = "") {
    return send_proved({.contact = "Contact: <" + uri + ">" + params + "\r\n"});
  }
  std::vector<overlay::UserContact> in_overlay(const std::string& user = "alice") {
    std::vector<overlay::UserContact> contacts;
    overlay_->get("sip:" + user + "@p2psip.org", 1s, nullptr, [&](std::vector<overlay::Record> records) {
      contacts = overlay::contacts_of(records, loop_.unix_now());
    });
    loop_.run_for(1ms);
    return contacts;
  }
  static bool starts(const std::string& text, std::string_view with) { return text.starts_with(with); }
  static bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  }

  base::SimLoop loop_;
  base::Random random_{1};
  base::Metrics metrics_;
  net::SimNetwork world_{loop_, random_};
  std::unique_ptr<net::Network> server_ = world_.host(*net::Ip::parse("10.0.0.1"));
  identity::Authority authority_ = *identity::Authority::create(kDomain);
  identity::Bundle bundle_ =
      *authority_.issue({.roles = {identity::Role::registrar}, .now = base::SimLoop::kUnixStart});
  overlay::Signer signer_{bundle_.key, bundle_.credential};
  identity::TokenSealer tokens_{bundle_.network_key};
  sip::DigestVerifier digest_{std::string(kDomain),
                              identity::derive_key(bundle_.network_key, "digest nonces")};
  overlay::MemoryOverlayWorld records_{loop_, std::string(kDomain), authority_.key(), metrics_};
  std::unique_ptr<overlay::Overlay> overlay_ = records_.join();
  overlay::Users users_{loop_, *overlay_, metrics_};
  Phone phone_{world_, "10.0.0.9", 5060};
  std::optional<sip::TransportLayer> transport_;
  std::optional<sip::TransactionLayer> transactions_;
  std::optional<Registrar> registrar_;
  Core core_;
  int cseq_ = 0, branch_ = 0;
};

TEST_F(RegistrarTest, ChallengesWithBothAlgorithmsStrongestFirst) {
  std::string answer = send({.contact = "Contact: <sip:alice@10.0.0.9>\r\n"}, phone_);
  ASSERT_TRUE(starts(answer, "SIP/2.0 401 "));
  EXPECT_LT(answer.find("algorithm=SHA-256"), answer.find("algorithm=MD5"));
  EXPECT_TRUE(has(answer, "realm=\"p2psip.org\""));
  EXPECT_TRUE(in_overlay().empty());
}

TEST_F(RegistrarTest, ARegistrationStandsInTheOverlay) {
  std::string answer = register_contact("sip:alice@10.0.0.9:5060", ";expires=120;q=0.5");
  ASSERT_TRUE(starts(answer, "SIP/2.0 200 OK")) << answer;
  EXPECT_TRUE(has(answer, "Contact: <sip:alice@10.0.0.9:5060>;expires=120;q=0.500\r\n")) << answer;
  auto contacts = in_overlay();
  ASSERT_EQ(contacts.size(), 1u);
  EXPECT_EQ(contacts[0].home, bundle_.peer_id());
  EXPECT_EQ(contacts[0].q, 500);
  ASSERT_EQ(contacts[0].endpoints.size(), 1u);
  EXPECT_EQ(contacts[0].endpoints[0].text(), "10.0.0.1:7400");
  auto token = tokens_.open(contacts[0].token);
  ASSERT_TRUE(token);
  EXPECT_EQ(token->user, "alice");
  EXPECT_EQ(token->source.text(), "10.0.0.9:5060");
}

TEST_F(RegistrarTest, WrongPasswordAndSomebodyElsesName) {
  EXPECT_TRUE(starts(send_proved({.contact = "Contact: <sip:alice@10.0.0.9>\r\n"}, "wrong"), "SIP/2.0 401 "));
  EXPECT_EQ(metrics_.value("registrar_requests_total{outcome=\"wrong_password\"}"), 1u);
  EXPECT_TRUE(
      starts(send_proved({.contact = "Contact: <sip:alice@10.0.0.9>\r\n"}, "bobs", "bob"), "SIP/2.0 403 "));
  EXPECT_TRUE(starts(send_proved({.contact = "Contact: <sip:mallory@10.0.0.9>\r\n", .user = "mallory"}),
                     "SIP/2.0 401 "));
  EXPECT_TRUE(in_overlay().empty());
}

TEST_F(RegistrarTest, AnOldNonceIsStaleNotWrong) {
  Ask ask{.contact = "Contact: <sip:alice@10.0.0.9>\r\n"};
  std::string challenge = send(ask, phone_);
  auto at = challenge.find("WWW-Authenticate: ") + 18;
  auto parsed =
      sip::parse_digest_challenge(std::string_view(challenge).substr(at, challenge.find("\r\n", at) - at));
  ASSERT_TRUE(parsed);
  ask.authorization =
      "Authorization: " +
      sip::answer_challenge(*parsed, "alice", "secret", "REGISTER", "sip:p2psip.org", "cn", 1) + "\r\n";
  loop_.run_for(sip::limits::kNonceLife + 1s);
  std::string answer = send(ask, phone_);
  EXPECT_TRUE(starts(answer, "SIP/2.0 401 "));
  EXPECT_TRUE(has(answer, "stale=true"));
}

TEST_F(RegistrarTest, QueryUnregisterAndStar) {
  register_contact("sip:alice@10.0.0.9:5060");
  register_contact("sip:alice@10.0.0.9:5062");
  std::string listed = send_proved({});
  EXPECT_TRUE(has(listed, "<sip:alice@10.0.0.9:5060>;expires=3600, <sip:alice@10.0.0.9:5062>;expires=3600"))
      << listed;
  EXPECT_EQ(in_overlay().size(), 2u);

  std::string one_less = register_contact("sip:alice@10.0.0.9:5060", ";expires=0");
  EXPECT_FALSE(has(one_less, "5060>"));
  EXPECT_TRUE(has(one_less, "5062>"));
  EXPECT_EQ(in_overlay().size(), 1u);

  EXPECT_TRUE(starts(send_proved({.contact = "Contact: *\r\n", .extra = "Expires: 10\r\n"}), "SIP/2.0 400 "));
  EXPECT_EQ(in_overlay().size(), 1u);
  EXPECT_TRUE(starts(send_proved({.contact = "Contact: *\r\n", .extra = "Expires: 0\r\n"}), "SIP/2.0 200 "));
  EXPECT_TRUE(in_overlay().empty());
  EXPECT_EQ(registrar_->bindings().size(), 0u);
}

TEST_F(RegistrarTest, ExpiryLimits) {
  std::string brief = register_contact("sip:alice@10.0.0.9", ";expires=30");
  EXPECT_TRUE(starts(brief, "SIP/2.0 423 ")) << brief;
  EXPECT_TRUE(has(brief, "Min-Expires: 60\r\n"));
  EXPECT_TRUE(has(register_contact("sip:alice@10.0.0.9", ";expires=9999999"), ";expires=86400"));
  EXPECT_TRUE(has(register_contact("sip:alice@10.0.0.9", ";expires=99999999999999999999"), ";expires=86400"));
  EXPECT_TRUE(has(send_proved({.contact = "Contact: <sip:alice@10.0.0.9>\r\n", .extra = "Expires: 200\r\n"}),
                  ";expires=200"));
}

TEST_F(RegistrarTest, ABindingEndsWithoutRefreshAndTheRecordWithIt) {
  register_contact("sip:alice@10.0.0.9", ";expires=60");
  loop_.run_for(59s);
  EXPECT_EQ(in_overlay().size(), 1u);
  loop_.run_for(2s);
  EXPECT_TRUE(in_overlay().empty());
  EXPECT_EQ(registrar_->bindings().size(), 0u);
}

// The record lives ten minutes and is put again while the phone is registered; a refreshing phone
// costs no signature.
TEST_F(RegistrarTest, RecordsAreRefreshedWhileTheBindingLasts) {
  register_contact("sip:alice@10.0.0.9", ";expires=3000");
  std::uint64_t first = metrics_.value("registrar_records_published_total");
  for (int i = 0; i < 10; ++i) register_contact("sip:alice@10.0.0.9", ";expires=3000");
  EXPECT_EQ(metrics_.value("registrar_records_published_total"), first);
  loop_.run_for(45min);
  EXPECT_EQ(in_overlay().size(), 1u);
  EXPECT_GE(metrics_.value("registrar_records_published_total"), first + 10);
  loop_.run_for(10min);
  EXPECT_TRUE(in_overlay().empty());
}

TEST_F(RegistrarTest, APeerTakesSoManyPhonesAndNoMore) {
  make({.domain = "p2psip.org", .max_bindings = 2});
  register_contact("sip:alice@10.0.0.9:5061");
  register_contact("sip:alice@10.0.0.9:5062");
  const auto refused = send_proved({.contact = "Contact: <sip:alice@10.0.0.9:5063>\r\n"});
  EXPECT_TRUE(starts(refused, "SIP/2.0 503 ")) << refused;
  EXPECT_EQ(metrics_.value("registrar_requests_total{outcome=\"too_much\"}"), 1u);
  EXPECT_TRUE(
      has(register_contact("sip:alice@10.0.0.9:5062"), ":5061>"));  // those that are there may refresh
  register_contact("sip:alice@10.0.0.9:5061", ";expires=0");
  EXPECT_TRUE(has(register_contact("sip:alice@10.0.0.9:5063"), ":5063>"));
  EXPECT_EQ(registrar_->bindings().size(), 2u);
}

TEST_F(RegistrarTest, OldCSeqOfTheSameCallIsRefusedAsAWhole) {
  send_proved({.contact = "Contact: <sip:alice@10.0.0.9:5060>\r\n"});
  int now = cseq_;
  register_contact("sip:alice@10.0.0.9:5060");
  cseq_ = now - 2;
  std::string late =
      send_proved({.contact = "Contact: <sip:alice@10.0.0.9:5099>, <sip:alice@10.0.0.9:5060>;expires=0\r\n"});
  EXPECT_TRUE(starts(late, "SIP/2.0 400 ")) << late;
  ASSERT_EQ(registrar_->bindings().of("alice").size(), 1u);
  EXPECT_EQ(registrar_->bindings().of("alice")[0].contact(), "sip:alice@10.0.0.9:5060");
}

TEST_F(RegistrarTest, AnInstanceMovesInsteadOfMultiplying) {
  register_contact("sip:alice@10.0.0.9:5060", ";+sip.instance=\"<urn:uuid:0001>\"");
  register_contact("sip:alice@10.0.0.9:6060", ";+sip.instance=\"<urn:uuid:0001>\"");
  ASSERT_EQ(registrar_->bindings().of("alice").size(), 1u);
  EXPECT_EQ(registrar_->bindings().of("alice")[0].contact(), "sip:alice@10.0.0.9:6060");
  std::string answer = send_proved({.extra = "Supported: gruu\r\n"});
  EXPECT_TRUE(has(answer, "pub-gruu=\"sip:alice@p2psip.org;gr=urn:uuid:0001\"")) << answer;
  EXPECT_TRUE(has(answer, "temp-gruu=\"sip:_" + bundle_.peer_id().text() + ".")) << answer;
}

TEST_F(RegistrarTest, FlowsOfOneInstanceStandBesideEachOther) {
  register_contact("sip:alice@10.0.0.9:5060", ";+sip.instance=\"<urn:uuid:1>\";reg-id=1");
  std::string answer = send_proved(
      {.contact = "Contact: <sip:alice@10.0.0.9:5060;ob>;+sip.instance=\"<urn:uuid:1>\";reg-id=2\r\n",
       .extra = "Supported: outbound, path\r\n"});
  EXPECT_TRUE(has(answer, "Require: outbound\r\n")) << answer;
  EXPECT_EQ(registrar_->bindings().of("alice").size(), 2u);
  EXPECT_TRUE(registrar_->bindings().of("alice")[0].by_flow);
  EXPECT_TRUE(starts(register_contact("sip:alice@10.0.0.9:5060", ";+sip.instance=\"<urn:uuid:1>\";reg-id=0"),
                     "SIP/2.0 400 "));
}

// Where a NAT shows, down the flow; else to the Contact, also when only its port differs.
TEST_F(RegistrarTest, FlowOrContact) {
  struct Case {
    const char *contact, *via;
    bool by_flow;
  };
  for (const Case& c : {Case{"sip:alice@10.0.0.9:5060", "10.0.0.9:5060", false},
                        {"sip:alice@10.0.0.9:5099", "10.0.0.9:5060", false},
                        {"sip:alice@192.168.1.5:5060", "10.0.0.9:5060", true},
                        {"sip:alice@10.0.0.9:5060", "192.168.1.5:5060", true},
                        {"sip:alice@10.0.0.9:5060", "10.0.0.9:5077", true},
                        {"sip:alice@10.0.0.9:5060;ob", "10.0.0.9:5060", true},
                        {"sip:alice@phone.example.com", "10.0.0.9", false},
                        {"sip:alice@10.0.0.9;transport=tcp", "10.0.0.9", false}}) {
    std::string contact = "Contact: <" + std::string(c.contact) + ">\r\n";
    std::string answer = send_proved({.contact = contact, .via = c.via});
    ASSERT_TRUE(starts(answer, "SIP/2.0 200 ")) << c.contact << "\n" << answer;
    ASSERT_EQ(registrar_->bindings().of("alice").size(), 1u);
    EXPECT_EQ(registrar_->bindings().of("alice")[0].by_flow, c.by_flow) << c.contact << " via " << c.via;
    send_proved({.contact = "Contact: *\r\n", .extra = "Expires: 0\r\n"});
  }
}

TEST_F(RegistrarTest, PathIsKeptAndShown) {
  std::string answer = send_proved(
      {.contact = "Contact: <sip:alice@192.168.0.2>\r\n",
       .extra = "Path: <sip:edge2.example.com;lr>, <sip:edge1.example.com;lr>\r\nSupported: path\r\n"});
  EXPECT_TRUE(has(answer, "Path: <sip:edge2.example.com;lr>, <sip:edge1.example.com;lr>\r\n")) << answer;
  auto bindings = registrar_->bindings().of("alice");
  ASSERT_EQ(bindings.size(), 1u);
  EXPECT_EQ(bindings[0].path(), "<sip:edge2.example.com;lr>, <sip:edge1.example.com;lr>");
  EXPECT_FALSE(bindings[0].by_flow);
  EXPECT_TRUE(starts(send_proved({.contact = "Contact: <sip:a@b>\r\n", .extra = "Path: nonsense\r\n"}),
                     "SIP/2.0 400 "));
}

// What one REGISTER says and the next one repeats is not read again; all else must be as if it were.
TEST_F(RegistrarTest, ARegisterThatSaysTheSameAgainRenewsTheBinding) {
  const auto refreshed = [&] { return metrics_.value("registrar_refreshes_total"); };
  const Ask ask{.contact = "Contact: <sip:alice@10.0.0.9:5060>;expires=100\r\n"};
  ASSERT_TRUE(starts(send_proved(ask), "SIP/2.0 200 "));
  const auto& binding = registrar_->bindings().of("alice")[0];
  const auto registered = binding.registered;
  for (int i = 0; i < 5; ++i) {
    loop_.run_for(70s);
    const std::string answer = send_proved(ask);
    ASSERT_TRUE(starts(answer, "SIP/2.0 200 ")) << answer;
    EXPECT_TRUE(has(answer, "Contact: <sip:alice@10.0.0.9:5060>;expires=100\r\n")) << answer;
    EXPECT_TRUE(has(answer, "Call-ID: c1\r\n"));
  }
  EXPECT_EQ(refreshed(), 5u);
  EXPECT_EQ(registrar_->bindings().size(), 1u);
  EXPECT_EQ(binding.registered, registered);
  EXPECT_EQ(metrics_.value("registrar_requests_total{outcome=\"challenged\"}"), 6u) << "with digest, too";
  loop_.run_for(101s);
  EXPECT_EQ(registrar_->bindings().size(), 0u) << "it expires all the same";
}

TEST_F(RegistrarTest, WhatDiffersIsReadAnew) {
  const auto refreshed = [&] { return metrics_.value("registrar_refreshes_total"); };
  const Ask ask{.contact = "Contact: <sip:alice@10.0.0.9:5060>\r\n", .extra = "Expires: 100\r\n"};
  send_proved(ask);
  Ask other = ask;
  other.extra = "Expires: 200\r\n";
  EXPECT_TRUE(has(send_proved(other), ";expires=200"));
  other = ask;
  other.contact = "Contact: <sip:alice@10.0.0.9:5060>;q=0.5\r\n";
  EXPECT_TRUE(has(send_proved(other), ";q=0.5"));
  other = ask;
  other.extra += "Path: <sip:edge.example.com;lr>\r\nSupported: path\r\n";
  EXPECT_TRUE(has(send_proved(other), "Path: <sip:edge.example.com;lr>"));
  other = ask;
  other.via = "192.168.0.9:5060";  // a NAT shows
  send_proved(other);
  EXPECT_TRUE(registrar_->bindings().of("alice")[0].by_flow);
  send_proved(ask);
  EXPECT_FALSE(registrar_->bindings().of("alice")[0].by_flow);
  EXPECT_EQ(refreshed(), 0u);
  send_proved(ask);
  EXPECT_EQ(refreshed(), 1u);
  other = ask;
  other.cseq = cseq_ - 1;
  EXPECT_TRUE(starts(send_proved(other), "SIP/2.0 400 CSeq"));
  EXPECT_TRUE(starts(send_proved(ask, "wrong"), "SIP/2.0 401 "));
  other = ask;
  other.extra += "Require: teleport\r\n";
  EXPECT_TRUE(starts(send_proved(other), "SIP/2.0 420 "));
  other = ask;
  other.contact += "Contact: <sip:alice@10.0.0.9:5070>\r\n";
  send_proved(other);
  send_proved(other);
  EXPECT_EQ(registrar_->bindings().size(), 2u);
  EXPECT_EQ(refreshed(), 1u);
  Phone elsewhere(world_, "10.0.0.8", 5060);
  make({.domain = std::string(kDomain), .open = true});
  send(ask, phone_);
  send(ask, elsewhere);
  EXPECT_EQ(registrar_->bindings().of("alice")[0].flow.remote.text(), "10.0.0.8:5060");
  EXPECT_EQ(refreshed(), 1u);
}

TEST(UsualUser, IsReadWithoutAParser) {
  EXPECT_EQ(usual_user("<sip:alice@p2psip.org>", "p2psip.org"), "alice");
  EXPECT_EQ(usual_user("<sip:a.b+c@P2psip.ORG>", "p2psip.org"), "a.b+c");
  for (std::string_view other :
       {"", "<", "<sip:>", "<sip:@p2psip.org>", "<sip:alice@p2psip.org>;tag=1", "<sip:alice@p2psip.org;x>",
        "<sip:alice@p2psip.org:5060>", "<sips:alice@p2psip.org>", "\"A\" <sip:alice@p2psip.org>",
        "<sip:alice:pw@p2psip.org>", "<sip:%61lice@p2psip.org>", "<sip:a@b@p2psip.org>", "<sip:p2psip.org>",
        "<sip:alice@ap2psip.org>", "<sip:alice@example.com>", "<sip:a>;b=<sip:c@p2psip.org>"})
    EXPECT_EQ(usual_user(other, "p2psip.org"), "") << other;
}

// A flow token leads to its binding as long as that bears it.
TEST_F(RegistrarTest, TokensLeadToTheirBindings) {
  register_contact("sip:alice@10.0.0.9:5060", ";+sip.instance=\"<urn:uuid:1>\";reg-id=1");
  const auto& table = registrar_->bindings();
  const std::string first(table.of("alice")[0].token());
  ASSERT_FALSE(first.empty());
  EXPECT_EQ(table.by_token(first).user, "alice");
  EXPECT_EQ(table.by_token(first).binding, &table.of("alice")[0]);
  EXPECT_EQ(table.by_token(first + "x").binding, nullptr);
  EXPECT_EQ(table.by_token("").binding, nullptr);
  // The second flow of the same phone from the same address has the same token.
  register_contact("sip:alice@10.0.0.9:5061", ";+sip.instance=\"<urn:uuid:1>\";reg-id=2");
  ASSERT_EQ(table.size(), 2u);
  EXPECT_EQ(table.of("alice")[1].token(), first);
  register_contact("sip:alice@10.0.0.9:5061", ";+sip.instance=\"<urn:uuid:1>\";reg-id=2;expires=0");
  EXPECT_EQ(table.by_token(first).user, "alice");
  register_contact("sip:alice@10.0.0.9:5062", ";+sip.instance=\"<urn:uuid:2>\"");
  const std::string second(table.of("alice")[1].token());
  EXPECT_NE(second, first);
  loop_.run_for(3601s);
  EXPECT_EQ(table.by_token(first).binding, nullptr);
  EXPECT_EQ(table.by_token(second).binding, nullptr);
}

TEST_F(RegistrarTest, NamesThatAreNotUsers) {
  EXPECT_TRUE(
      starts(send({.contact = "", .user = "alice", .to_domain = "example.com"}, phone_), "SIP/2.0 404 "));
  EXPECT_TRUE(starts(send({.contact = "", .user = "_" + bundle_.peer_id().text()}, phone_), "SIP/2.0 404 "));
}

TEST_F(RegistrarTest, TooMuchIsRefusedAndChangesNothing) {
  for (int i = 0; i < 8; ++i) register_contact("sip:alice@10.0.0.9:" + std::to_string(6000 + i));
  EXPECT_TRUE(starts(register_contact("sip:alice@10.0.0.9:7000"), "SIP/2.0 403 "));
  EXPECT_EQ(registrar_->bindings().size(), 8u);
  EXPECT_TRUE(starts(register_contact("sip:" + std::string(600, 'x') + "@10.0.0.9"), "SIP/2.0 400 "));
  EXPECT_TRUE(starts(register_contact("tel:+123"), "SIP/2.0 400 "));
  EXPECT_TRUE(starts(register_contact("sip:alice@10.0.0.9", ";q=7"), "SIP/2.0 400 "));
  std::string refused = send_proved({.extra = "Require: path, teleport\r\n"});
  EXPECT_TRUE(starts(refused, "SIP/2.0 420 "));
  EXPECT_TRUE(has(refused, "Unsupported: teleport\r\n"));
}

TEST_F(RegistrarTest, StoppingWithdrawsEverything) {
  register_contact("sip:alice@10.0.0.9");
  registrar_->withdraw_all();
  EXPECT_TRUE(in_overlay().empty());
}

TEST_F(RegistrarTest, OpenRegistrationAsksForNothing) {
  make({.domain = std::string(kDomain), .open = true});
  EXPECT_TRUE(starts(send({.contact = "Contact: <sip:anybody@10.0.0.9>\r\n", .user = "anybody"}, phone_),
                     "SIP/2.0 200 "));
  EXPECT_EQ(in_overlay("anybody").size(), 1u);
}

}  // namespace
}  // namespace causeway::registrar
