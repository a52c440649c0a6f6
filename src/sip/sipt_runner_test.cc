// Plays tests/sipt/transaction/*.sipt against the transport and transaction layers.
//
// The system is 192.0.2.1, UDP and TCP port 5060, TLS port 5061, peer links port 7000 (me.peers.sim). Two
// actors stand above it:
//
//   core <- METHOD | cancel | stray STATUS | gone METHOD      what a ServerUser is told
//   core -> STATUS [METHOD]                                   respond() to the last such request
//   core -> when METHOD STATUS                                respond() to the next such request at once
//   user -> METHOD URI to PARTY|ENDPOINT                      open_client() and start()
//   user -> cancel                                            of the last INVITE
//   user <- STATUS | timeout | transport | gone METHOD        what a ClientUser is told
//   layer -> servers N | clients N | connections N            how many there must be now
#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "sip/rewrite.h"
#include "sip/testing/conversation.h"
#include "sip/transaction.h"

namespace causeway::sip {
namespace {

using testing::Actor;
using testing::Conversation;
using testing::Step;

class System final : public ServerUser, public ClientUser {
 public:
  System() : world(loop, world_random) {
    world.set_delay(base::Duration(0), base::Duration(0));
    const auto ip = *net::Ip::parse("192.0.2.1");
    network = world.host(ip, {.member_name = "me.peers.sim", .public_names = {"sim"}});
    transport.emplace(loop, *network, metrics);
    layer.emplace(loop, *transport, random, metrics);
    transport->set_handler(*layer);
    layer->set_core(*this);
    TransportConfig config;
    config.locals = {{net::Transport::udp, {ip, 5060}, ""},
                     {net::Transport::tcp, {ip, 5060}, ""},
                     {net::Transport::tls, {ip, 5061}, ""}};
    config.tls_server = tls_server.get();
    config.tls_client = tls_client.get();
    config.member_locals = {{ip, 7000}};
    config.member_tls = member.get();
    config.member_name = "me.peers.sim";
    auto opened = transport->open(config);
    EXPECT_TRUE(opened) << opened.error().message;
    talk.emplace(loop, world, metrics);
    for (const auto& local : config.locals) talk->system({local.transport, local.address});
    talk->system_members(config.member_locals[0]);
    talk->actor("core").act = [this](const Step& step) { return core_acts(step); };
    talk->actor("user").act = [this](const Step& step) { return user_acts(step); };
    talk->actor("layer").act = [this](const Step& step) { return check_layer(step); };
  }

  // ServerUser
  void on_request(ServerTransaction& transaction, const Message& request, const Flow& flow) override {
    talk->saw("core", std::string(request.method_text()));
    EXPECT_EQ(flow, transaction.flow());
    requests.push_back({&transaction, std::string(request.bytes()), std::string(request.method_text())});
    const auto at_once = when.find(std::string(request.method_text()));
    if (at_once == when.end()) return;
    respond(requests.back(), at_once->second);
    when.erase(at_once);
  }
  void on_ack(const Message& ack, const Flow&) override { talk->saw("core", std::string(ack.method_text())); }
  void on_cancel(ServerTransaction&, const Message&) override { talk->saw("core", "cancel"); }
  void on_stray_response(const Message& response, const Flow&) override {
    talk->saw("core", "stray " + std::to_string(response.status()));
  }
  void on_gone(ServerTransaction& transaction) override {
    const auto known = std::find_if(requests.begin(), requests.end(),
                                    [&](const Request& r) { return r.transaction == &transaction; });
    ASSERT_NE(known, requests.end()) << "on_gone twice, or for a transaction that never was";
    talk->saw("core", "gone " + known->method);
    requests.erase(known);
  }

  // ClientUser
  void on_response(ClientTransaction&, const Message& response) override {
    talk->saw("user", std::to_string(response.status()));
  }
  void on_failure(ClientTransaction&, ClientFailure why) override {
    talk->saw("user", why == ClientFailure::timeout ? "timeout" : "transport");
  }
  void on_gone(ClientTransaction& transaction) override {
    talk->saw("user", "gone " + std::string(method_name(transaction.method())));
    if (last_invite == &transaction) last_invite = nullptr;
  }

  base::SimLoop loop;
  base::Random random{1}, world_random{2};
  base::Metrics metrics;
  net::SimNetwork world;
  std::unique_ptr<net::TlsContext> tls_server =
      net::TlsContext::simulated(net::TlsContext::Kind::public_server);
  std::unique_ptr<net::TlsContext> tls_client =
      net::TlsContext::simulated(net::TlsContext::Kind::public_client);
  std::unique_ptr<net::TlsContext> member = net::TlsContext::simulated(net::TlsContext::Kind::member);
  std::unique_ptr<net::Network> network;
  std::optional<TransportLayer> transport;
  std::optional<TransactionLayer> layer;
  std::optional<Conversation> talk;

 private:
  struct Request {
    ServerTransaction* transaction;
    std::string bytes;
    std::string method;
  };

  std::string core_acts(const Step& step) {
    if (step.word(2) == "when") {
      when[step.word(3)] = std::stoi(step.word(4));
      return "";
    }
    for (auto request = requests.rbegin(); request != requests.rend(); ++request) {
      if (!step.word(3).empty() && request->method != step.word(3)) continue;
      return respond(*request, std::stoi(step.word(2))), "";
    }
    return "the core has no such request";
  }

  void respond(const Request& request, int status) {
    Message message;
    ASSERT_TRUE(message.parse(request.bytes));
    layer->respond(*request.transaction, status, make_response(message, status, "", "core"));
  }

  std::string user_acts(const Step& step) {
    if (step.word(2) == "cancel") {
      if (!last_invite) return "the user has no INVITE to cancel";
      layer->cancel(*last_invite);
      return "";
    }
    if (step.word(4) != "to") return "expected: user -> METHOD URI to WHOM";
    Target target;
    if (auto* party = talk->party(step.word(5))) {
      target.endpoint = party->where();
      if (step.word(6) == "member") target = {party->where(), step.word(7), true};
      if (step.word(6) == "named") target.tls_name = step.word(7);
    } else if (auto endpoint = net::Endpoint::parse(step.word(5))) {
      target.endpoint = *endpoint;
    } else {
      return endpoint.error().message;
    }
    const auto flow = transport->flow_to(target);
    if (!flow) return "no flow to " + target.endpoint.text();
    const Method method = parse_method(step.word(2));
    auto& transaction = layer->open_client(method, step.word(2), *flow, *this, 0xabc);
    if (method == Method::invite) last_invite = &transaction;
    layer->start(transaction, request_text(step, transaction, *flow));
    return "";
  }

  base::Buffer request_text(const Step& step, const ClientTransaction& transaction, const Flow& flow) {
    testing::TextMessage message;
    message.start = step.word(2) + " " + step.word(3) + " SIP/2.0";
    message.add("Via", fmt::format("SIP/2.0/{} {};branch={}", net::transport_via_name(flow.transport),
                                   transport->sent_by(flow), transaction.branch().view()));
    message.add("Via", "SIP/2.0/UDP 10.9.9.9;branch=z9hG4bKbefore");
    message.add("Max-Forwards", "69");
    message.add("From", "<sip:user@sim>;tag=u");
    message.add("To", "<" + step.word(3) + ">");
    message.add("Call-ID", "user@sim");
    message.add("CSeq", std::to_string(++cseq) + " " + step.word(2));
    for (const std::string& line : step.details)
      message.add(line.substr(0, line.find(':')), testing::trimmed(line.substr(line.find(':') + 1)));
    message.add("Content-Length", "0");
    return base::Buffer::copy_of(message.text());
  }

  std::string check_layer(const Step& step) {
    const std::size_t is = step.word(2) == "servers"   ? layer->server_count()
                           : step.word(2) == "clients" ? layer->client_count()
                                                       : transport->connections();
    if (std::to_string(is) == step.word(3)) return "";
    return fmt::format("expected {} {}, there are {}", step.word(3), step.word(2), is);
  }

  std::vector<Request> requests;
  std::map<std::string, int> when;
  ClientTransaction* last_invite = nullptr;
  unsigned cseq = 0;
};

std::vector<std::string> scripts() {
  std::vector<std::string> names;
  const std::filesystem::path folder = CAUSEWAY_SOURCE_DIR "/tests/sipt/transaction";
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".sipt") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

class TransactionScript : public ::testing::TestWithParam<std::string> {};

TEST_P(TransactionScript, Plays) {
  const std::size_t blocks = base::Buffer::in_use();
  {
    System system;
    EXPECT_EQ(system.talk->play_file(CAUSEWAY_SOURCE_DIR "/tests/sipt/transaction/" + GetParam() + ".sipt"),
              "");
  }
  EXPECT_EQ(base::Buffer::in_use(), blocks) << "a buffer was kept";
}

INSTANTIATE_TEST_SUITE_P(Sipt, TransactionScript, ::testing::ValuesIn(scripts()), [](const auto& script) {
  std::string name = script.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace causeway::sip
