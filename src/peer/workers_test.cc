// A whole peer with several workers, on real sockets, called by phones whose ports the kernel spreads over
// them. Built with the thread sanitizer, too: that nothing races is half of what this is for.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "identity/authority.h"
#include "peer/peer.h"
#include "peer/phones_for_test.h"
#include "ua/thread_sanitizer_for_test.h"

namespace causeway::peer {
namespace {

using testing::header;
using testing::Phone;
using namespace std::chrono_literals;

constexpr int kPhones = 10;

class Workers : public ::testing::Test {
 protected:
  Workers() { base::log::set_level(base::log::Level::warn); }

  static identity::Bundle bundle() {
    static auto authority = *identity::Authority::create("p2p.test");
    using identity::Role;
    const auto now =
        std::chrono::duration_cast<base::Duration>(std::chrono::system_clock::now().time_since_epoch());
    return *authority.issue({.roles = {Role::registrar, Role::proxy}, .now = now.count(), .valid_days = 30});
  }
  static Config config(int workers) {
    Config c;
    c.workers = workers;
    c.open_registration = true;
    c.sip_listen = {"udp:127.0.0.1:0"};
    c.overlay_listen = "127.0.0.1:0";
    c.overlay_join_jitter = base::Duration(0);
    return c;
  }

  void start(int workers, bool tcp = false) {
    config_ = config(workers);
    if (tcp) config_.sip_listen = {"tcp:127.0.0.1:0"};
    start(config_);
  }
  void start(const Config& c) {
    config_ = c;
    ground.emplace(config_, 0);
    ASSERT_TRUE(ground->open_resolver());
    auto started = Peer::start(config_, bundle(), ground->ground());
    ASSERT_TRUE(started) << started.error().message;
    peer = std::move(*started);
  }
  void run(base::Duration span) { ground->loop().run_for(span); }
  net::Address server() const { return peer->sip_endpoints()[0].address; }

  Phone& phone(bool tcp) {
    const std::string user = "u" + std::to_string(phones.size());
    phones.push_back(std::make_unique<Phone>(ground->loop(), ground->ground().network, server(), user, tcp));
    phones.back()->register_here();
    return *phones.back();
  }
  // Every phone calls the next one, talks, and hangs up.
  void everybody_calls(bool tcp) {
    for (int i = 0; i < kPhones; ++i) phone(tcp);
    for (int i = 0; i < kPhones; ++i) {
      Phone &caller = *phones[static_cast<std::size_t>(i)],
            &callee = *phones[static_cast<std::size_t>((i + 1) % kPhones)];
      caller.invite(callee.aor());
      EXPECT_FALSE(caller.wait("SIP/2.0 180", "INVITE").empty());
      const std::string ok = caller.wait("SIP/2.0 200", "INVITE");
      caller.in_dialogue("ACK", ok, 1);
      EXPECT_FALSE(callee.wait("ACK ", "ACK").empty());
      caller.in_dialogue("BYE", ok, 2);
      EXPECT_FALSE(callee.wait("BYE ", "BYE").empty());
      EXPECT_FALSE(caller.wait("SIP/2.0 200", "BYE").empty());
    }
  }
  nlohmann::json status() {
    std::string text;
    peer->status([&](std::string answer) { text = std::move(answer); });
    for (int i = 0; i < 5000 && text.empty(); ++i) run(1ms);
    return nlohmann::json::parse(text);
  }
  static std::uint64_t count(const nlohmann::json& of, const char* name) {
    return of["counters"].value(name, 0ul);
  }
  // Until a counter says so.
  void wait_for(const char* name, std::uint64_t least) {
    for (int i = 0; i < 500; ++i) {
      if (count(status(), name) >= least) return;
      run(10ms);
    }
    ADD_FAILURE() << name << " did not come to " << least;
  }

  Config config_;
  std::optional<RealGround> ground;
  std::unique_ptr<Peer> peer;
  std::vector<std::unique_ptr<Phone>> phones;
};

TEST_F(Workers, CallsOverUdp) {
  start(3);
  everybody_calls(false);
  const auto s = status();
  ASSERT_EQ(s["workers"].size(), 3u);
  EXPECT_EQ(s["registrar"]["bindings"], kPhones);
  std::int64_t bindings = 0, busy = 0;
  for (const auto& w : s["workers"]) {
    bindings += w["bindings"].get<std::int64_t>();
    busy += w["server_transactions"].get<std::int64_t>() > 0;
  }
  EXPECT_EQ(bindings, kPhones);
  EXPECT_GT(busy, 1) << "the kernel gave everything to one worker";
  // By chance none has been handed over with a probability of 3^-30.
  EXPECT_GT(count(s, "worker_handed_over_total{what=\"response\"}"), 0u);
  EXPECT_EQ(count(s, "sip_stray_responses_total"), 0u);
  EXPECT_EQ(count(s, "sip_client_failed_total{reason=\"timeout\"}"), 0u);
}

// The two directions of a dialogue come to different workers, and meet at one call.
TEST_F(Workers, MediaOfAllPhonesGoesThroughThisPeer) {
  start(3);
  identity::Accounts accounts;
  for (int i = 0; i < kPhones; ++i)
    accounts.set("u" + std::to_string(i), {std::string(32, 'a'), "", identity::AccountMedia::anchor});
  peer->set_accounts(std::move(accounts));
  run(100ms);
  everybody_calls(false);
  const auto s = status();
  EXPECT_EQ(count(s, "anchor_calls_total"), 2u * kPhones);
  EXPECT_EQ(count(s, "anchor_calls"), 0u);
}

TEST_F(Workers, CallsOverTcp) {
  start(2, true);
  everybody_calls(true);
  const auto s = status();
  EXPECT_EQ(s["registrar"]["bindings"], kPhones);
  EXPECT_GT(count(s, "worker_handed_over_total{what=\"send\"}"), 0u);
  EXPECT_EQ(count(s, "sip_dropped_total{reason=\"no way back\"}"), 0u);
}

TEST_F(Workers, OneWorkerHandsNothingOver) {
  start(1);
  everybody_calls(false);
  const auto s = status();
  EXPECT_EQ(s["workers"].size(), 1u);
  EXPECT_FALSE(s["counters"].contains("worker_batches_total"));
}

TEST_F(Workers, ACancelFindsItsInvite) {
  start(2);
  Phone& callee = phone(false);
  callee.answers = Phone::Answers::rings_only;
  for (int i = 0; i < kPhones; ++i) {
    Phone& caller = phone(false);
    caller.invite(callee.aor());
    caller.wait("SIP/2.0 180", "INVITE");
    caller.cancel(callee.aor());
    EXPECT_FALSE(caller.wait("SIP/2.0 200", "CANCEL").empty());
    EXPECT_FALSE(callee.wait("CANCEL ", "CANCEL").empty());
    EXPECT_FALSE(caller.wait("SIP/2.0 487", "INVITE").empty());
  }
  EXPECT_EQ(count(status(), "sip_server_cancel_unmatched_total"), 0u);
}

TEST_F(Workers, ByeOfTheCalleeFindsTheCaller) {
  start(2);
  Phone& callee = phone(false);
  for (int i = 0; i < kPhones; ++i) {
    Phone& caller = phone(false);
    caller.invite(callee.aor());
    const std::string ok = caller.wait("SIP/2.0 200", "INVITE");
    caller.in_dialogue("ACK", ok, 1);
    callee.wait("ACK ", "ACK");
    callee.bye_as_callee(callee.wait("INVITE ", "INVITE"));
    EXPECT_FALSE(caller.wait("BYE ", "BYE").empty());
    EXPECT_FALSE(callee.wait("SIP/2.0 200", "BYE").empty());
  }
}

// The flow is known to be dead at every worker, not only at the one that had it.
TEST_F(Workers, APhoneWhoseConnectionHasEndedIsNotWaitedFor) {
  start(2, true);
  Phone& callee = phone(true);
  callee.hang_up_stream();
  run(50ms);
  for (int i = 0; i < 6; ++i) {
    Phone& caller = phone(true);
    caller.invite(callee.aor());
    EXPECT_FALSE(caller.wait("SIP/2.0 480", "INVITE").empty());
  }
}

// While it rings, its connection breaks: the caller's worker is told by the one that had it.
TEST_F(Workers, AConnectionThatBreaksEndsTheCallAtOnce) {
  start(2, true);
  for (int i = 0; i < 6; ++i) {
    Phone &callee = phone(true), &caller = phone(true);
    callee.answers = Phone::Answers::rings_only;
    caller.invite(callee.aor());
    caller.wait("SIP/2.0 180", "INVITE");
    callee.hang_up_stream();
    EXPECT_FALSE(caller.wait("SIP/2.0 480", "INVITE").empty());
  }
}

TEST_F(Workers, NewAccountsReachEveryWorker) {
  start(3);
  identity::Accounts accounts;
  accounts.set("zoe", {std::string(32, 'a'), ""});
  peer->set_accounts(accounts);
  run(20ms);
  for (int i = 0; i < kPhones; ++i) {
    Phone& caller = phone(false);
    caller.invite("sip:zoe@p2p.test");
    EXPECT_FALSE(caller.wait("SIP/2.0 480", "INVITE").empty());  // 404 where nobody knows her
  }
  EXPECT_EQ(status()["registrar"]["accounts"], 1);
}

TEST_F(Workers, StoppingWithdrawsTheRecordsOfAll) {
  start(2);
  for (int i = 0; i < kPhones; ++i) phone(false);
  EXPECT_EQ(count(status(), "registrar_records_published_total"), kPhones);
  peer->stop();
  wait_for("registrar_tombstones_total", kPhones);
  EXPECT_EQ(status()["registrar"]["bindings"], 0);
}

TEST_F(Workers, APortThatAnotherProgramHasIsAnError) {
  for (int workers : {1, 2}) {
    start(2);
    Config same = config(workers);
    same.sip_listen = {peer->sip_endpoints()[0].text()};
    RealGround other(same, 0);
    ASSERT_TRUE(other.open_resolver());
    const auto second = Peer::start(same, bundle(), other.ground());
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find("address in use"), std::string::npos) << second.error().message;
    peer.reset();
    ground.reset();
  }
}

TEST_F(Workers, OneThatCannotStartIsAnErrorWithItsReason) {
  config_ = config(3);
  Config alone = config(1);  // the first worker's sockets are not to be shared
  ground.emplace(alone, 0);
  ASSERT_TRUE(ground->open_resolver());
  const auto started = Peer::start(config_, bundle(), ground->ground());
  ASSERT_FALSE(started);
  EXPECT_TRUE(started.error().message.starts_with("worker 1: udp 127.0.0.1:")) << started.error().message;
}

// Its link is one worker's; whoever calls its phone comes to any of them.
TEST_F(Workers, APeerThatCannotBeReachedIsReachedThroughEachOfThem) {
  start(3);
  Config hidden = config(1);
  hidden.reachable = "no";
  hidden.overlay_bootstrap = {status()["links"][0].get<std::string>()};
  auto started = Peer::start(hidden, bundle(), ground->ground());
  ASSERT_TRUE(started) << started.error().message;
  auto home = std::move(*started);
  const auto reached = [&] {
    std::string text;
    home->status([&](std::string answer) { text = std::move(answer); });
    return nlohmann::json::parse(text)["reached"].get<std::string>();
  };
  for (int i = 0; i < 500 && reached() != "through 1 public peers"; ++i) run(10ms);
  EXPECT_EQ(reached(), "through 1 public peers");
  Phone callee(ground->loop(), ground->ground().network, home->sip_endpoints()[0].address, "hidden", false);
  callee.register_here();
  run(500ms);  // its record
  for (int i = 0; i < kPhones; ++i) {
    Phone& caller = phone(false);
    caller.invite("sip:hidden@p2p.test");
    const std::string ok = caller.wait("SIP/2.0 200", "INVITE");
    caller.in_dialogue("ACK", ok, 1);
    EXPECT_FALSE(callee.wait("ACK ", "ACK").empty());
  }
  EXPECT_GT(count(status(), "worker_handed_over_total{what=\"send\"}"), 0u);
  home->stop();
  run(20ms);
  home.reset();
}

TEST_F(Workers, AStatusThatNobodyWaitsForIsForgotten) {
  start(2);
  bool answered = false;
  peer->status([&](std::string) { answered = true; });
  peer.reset();
  run(20ms);
  EXPECT_FALSE(answered);
}

}  // namespace
}  // namespace causeway::peer
