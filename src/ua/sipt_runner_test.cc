// Plays tests/sipt/ua/*.sipt against a user agent on a phone line: alice@sim at 192.0.2.1:5060, whose
// outbound proxy, and everything behind it, is the party "proxy" at 10.0.0.2:5060.
//
//   ua -> start | stop | call URI | answer | reject STATUS | hang_up | hold | resume | dtmf DIGITS
//         lost (its media path), public AOR, gathers TIME, update
//   ua <- registered AOR | not registered AOR | incoming URI | ringing | established | hold us|them on|off
//         trouble | ended us|them|failure [STATUS] | stopped
//   session -> talking | accepted N | withdrawn N | restarts N       how it must be
#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "sip/testing/conversation.h"
#include "ua/agent.h"
#include "ua/phone_line.h"
#include "ua/session_for_test.h"

namespace causeway::ua {
namespace {

using sip::testing::Conversation;
using sip::testing::Step;

class System final : public AgentUser {
 public:
  explicit System(bool registers) : world(loop, world_random), sessions(loop) {
    world.set_delay(base::Duration(0), base::Duration(0));
    const auto ip = *net::Ip::parse("192.0.2.1");
    network = world.host(ip);
    transport.emplace(loop, *network, metrics);
    layer.emplace(loop, *transport, random, metrics);
    transport->set_handler(*layer);
    sip::TransportConfig config;
    config.locals = {{net::Transport::udp, {ip, 5060}, ""}};
    auto opened = transport->open(config);
    EXPECT_TRUE(opened) << opened.error().message;
    auto account =
        make_account("sip:alice@sim", "secret", {*net::Endpoint::parse("udp:10.0.0.2:5060"), "", false});
    account->registers = registers;
    account->keeps_alive = false;
    account->instance = "urn:uuid:1";
    line.emplace(loop, *transport, random, *account);
    agent.emplace(Agent::Parts{loop, random, metrics, *transport, *layer}, *line, sessions, *this);
    talk.emplace(loop, world, metrics);
    talk->system({net::Transport::udp, {ip, 5060}});
    talk->actor("ua").act = [this](const Step& step) { return acts(step); };
    talk->actor("session").act = [this](const Step& step) { return check(step); };
  }
  void on_registered(const std::string& aor) override { talk->saw("ua", "registered " + aor); }
  void on_not_registered(const std::string& aor, const Trouble&, bool final) override {
    talk->saw("ua", "not registered " + aor + (final ? " final" : ""));
  }
  void on_incoming(Call& call) override { saw(call, "incoming " + call.other()); }
  void on_ringing(Call& call) override { saw(call, "ringing"); }
  void on_established(Call& call) override { saw(call, "established"); }
  void on_hold(Call& call, bool by_us, bool held) override {
    saw(call, std::string("hold ") + (by_us ? "us" : "them") + (held ? " on" : " off"));
  }
  void on_trouble(Call& call, const Trouble&) override { saw(call, "trouble"); }
  void on_ended(Call& call, const CallEnd& end) override {
    const char* by = end.by == CallEnd::By::us ? "us" : end.by == CallEnd::By::them ? "them" : "failure";
    saw(call, std::string("ended ") + by + (end.status ? " " + std::to_string(end.status) : ""));
  }

  base::SimLoop loop;
  base::Random random{1}, world_random{2};
  base::Metrics metrics;
  net::SimNetwork world;
  testing::FakeSessions sessions;
  std::unique_ptr<net::Network> network;
  std::optional<sip::TransportLayer> transport;
  std::optional<sip::TransactionLayer> layer;
  std::optional<PhoneLine> line;
  std::optional<Agent> agent;
  std::optional<Conversation> talk;

 private:
  void saw(Call& call, std::string what) {
    call_ = &call;
    talk->saw("ua", std::move(what));
  }

  std::string acts(const Step& step) {
    const std::string& what = step.word(2);
    if (what == "start") return agent->start(), "";
    if (what == "stop") return agent->stop([this] { talk->saw("ua", "stopped"); }), "";
    if (what == "gathers")
      return sessions.gathers = base::Duration(sip::testing::parse_milliseconds(step.word(3))), "";
    if (what == "public") {
      auto done = agent->register_public({step.word(3), "", "other secret"});
      return done ? "" : done.error().message;
    }
    if (what == "call") {
      auto made = agent->call(step.word(3));
      if (!made) return made.error().message;
      call_ = *made;
      return "";
    }
    if (!call_) return "there is no call";
    if (what == "answer") return call_->answer(), "";
    if (what == "reject") return call_->reject(std::stoi(step.word(3))), "";
    if (what == "hang_up") return call_->hang_up(), "";
    if (what == "hold") return call_->hold(), "";
    if (what == "resume") return call_->resume(), "";
    if (what == "dtmf") return call_->send_dtmf(step.word(3)), "";
    if (what == "lost") return sessions.last->user.on_path_lost("test"), "";
    return "the user agent cannot '" + what + "'";
  }

  std::string check(const Step& step) {
    const testing::FakeSession& s = *sessions.last;
    const std::string& what = step.word(2);
    const std::size_t wanted = step.word(3).empty() ? 1 : std::stoul(step.word(3));
    std::size_t is = 0;
    if (what == "talking") is = s.talking;
    if (what == "accepted") is = s.accepted.size();
    if (what == "withdrawn") is = static_cast<std::size_t>(s.withdrawn);
    if (what == "restarts") is = static_cast<std::size_t>(s.restarts);
    return is == wanted ? "" : fmt::format("expected {} {}, is {}", what, wanted, is);
  }

  Call* call_ = nullptr;
};

class Ua : public ::testing::TestWithParam<std::string> {};

TEST_P(Ua, Conversation) {
  const auto path =
      std::filesystem::path(CAUSEWAY_SOURCE_DIR) / "tests" / "sipt" / "ua" / (GetParam() + ".sipt");
  System system(GetParam().starts_with("register"));
  EXPECT_EQ(system.talk->play_file(path.string()), "");
}

std::vector<std::string> conversations() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(CAUSEWAY_SOURCE_DIR) /
                                                              "tests" / "sipt" / "ua"))
    if (file.path().extension() == ".sipt") names.push_back(file.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Sipt, Ua, ::testing::ValuesIn(conversations()), [](const auto& script) {
  std::string name = script.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace causeway::ua
