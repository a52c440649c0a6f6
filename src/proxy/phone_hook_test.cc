// What is shown to who stands in for a phone, what becomes of it, and for how long he is held.
#include "proxy/phone_hook.h"

#include <algorithm>
#include <set>

#include "proxy/world_test.h"
#include "sip/rewrite.h"

namespace causeway::proxy::testing {
namespace {

// Writes into each message that it has seen it.
class Stamp final : public PhoneHook {
 public:
  struct Leg final : PhoneLeg {
    Leg(Stamp& s, std::string u) : stamp(s), legs(s.legs), user(std::move(u)) { ++*legs; }
    ~Leg() override { --*legs; }
    base::Buffer response(const sip::Message& response, Crossing crossing) override {
      return stamp.mark(response, crossing, user);
    }
    Stamp& stamp;
    std::shared_ptr<int> legs;  // transactions outlive the stamp where a test ends
    std::string user;
  };

  bool stands_for(std::string_view user) const override { return users.contains(std::string(user)); }
  void request(const sip::Message& request, Crossing crossing, std::string_view user, const net::Ip& phone,
               Done done) override {
    from = phone;
    Shown shown{.refused = refuse, .reason = "No room", .request = {}, .leg = {}};
    if (!refuse) shown.request = mark(request, crossing, user);
    if (!refuse) shown.leg = std::make_shared<Leg>(*this, std::string(user));
    if (!later) return done(std::move(shown));
    later->push_back([done = std::move(done), shown] { done(shown); });
  }
  base::Buffer mark(const sip::Message& message, Crossing crossing, std::string_view user) {
    const std::string text = fmt::format("{} {}", crossing == Crossing::from_phone ? "from" : "to", user);
    seen.push_back(fmt::format(
        "{} {}", message.is_request() ? message.method_text() : std::to_string(message.status()), text));
    sip::Rewrite edit(message);
    edit.append("Stamp", text);
    return edit.build();
  }

  std::set<std::string> users;
  int refuse = 0;
  std::vector<base::Task>* later = nullptr;
  std::vector<std::string> seen;
  std::shared_ptr<int> legs = std::make_shared<int>(0);
  net::Ip from;
};

class Hooked : public ProxyTest {
 protected:
  using Seen = std::vector<std::string>;
  Stamp stamp;
  std::vector<base::Task> waiting;
  Peer& p = world.peer({.phones = &stamp});
  Ua& alice = world.phone("alice", p);
  Ua& bob = world.phone("bob", p);

  // Transactions that have had their final response are held for 32 s.
  void expect_no_legs() {
    world.run(40s);
    EXPECT_EQ(*stamp.legs, 0);
    EXPECT_EQ(p.proxy().calls_in_setup(), 0u);
  }
  // The phone is led to this very peer: Record-Route has its address, as it has not otherwise.
  void TearDown() override {}
};

TEST_F(Hooked, SeesWhatTheCallersPhoneSaysAndHears) {
  stamp.users = {"alice"};
  auto c = call(alice, bob, "sip:bob@p2psip.org");
  ASSERT_TRUE(c.up);
  EXPECT_EQ(header(c.invite_in, "Stamp"), "from alice");
  EXPECT_EQ(header(c.ok, "Stamp"), "to alice");
  EXPECT_EQ(stamp.from, alice.address.ip);
  EXPECT_TRUE(bye(alice, c.caller, bob));
  EXPECT_EQ(stamp.seen, (Seen{"INVITE from alice", "180 to alice", "200 to alice", "ACK from alice",
                              "BYE from alice", "200 to alice"}));
  expect_no_legs();
}

TEST_F(Hooked, SeesWhatTheCalleesPhoneSaysAndHears) {
  stamp.users = {"bob"};
  auto c = call(alice, bob, "sip:bob@p2psip.org");
  ASSERT_TRUE(c.up);
  EXPECT_TRUE(bye(alice, c.caller, bob));
  EXPECT_EQ(stamp.seen, (Seen{"INVITE to bob", "180 from bob", "200 from bob", "ACK to bob", "BYE to bob",
                              "200 from bob"}));
  expect_no_legs();
}

TEST_F(Hooked, BothPhonesOfACallHaveOne) {
  stamp.users = {"alice", "bob"};
  auto c = call(alice, bob, "sip:bob@p2psip.org");
  ASSERT_TRUE(c.up);
  EXPECT_EQ(stamp.seen, (Seen{"INVITE from alice", "INVITE to bob", "180 from bob", "180 to alice",
                              "200 from bob", "200 to alice", "ACK from alice", "ACK to bob"}));
  EXPECT_TRUE(bye(bob, c.callee, alice));
  expect_no_legs();
}

TEST_F(Hooked, APhoneAtAnotherPeerIsNotItsBusiness) {
  auto& other = world.peer();
  auto& eve = world.phone("eve", other);
  stamp.users = {"eve"};
  auto c = call(alice, eve, "sip:eve@p2psip.org");
  EXPECT_TRUE(bye(eve, c.callee, alice));
  EXPECT_EQ(stamp.seen, Seen{});
}

// The phone's route set begins with this peer's address, so that nothing of the dialogue goes by another.
TEST_F(Hooked, ThePhoneSendsEverythingThroughThisPeer) {
  stamp.users = {"alice", "bob"};
  auto c = call(alice, bob, "sip:bob@p2psip.org");
  ASSERT_TRUE(c.up);
  const std::string here = fmt::format("<sip:{};transport=udp;lr;causeway-site>", p.address().text());
  EXPECT_EQ(c.caller.routes.front(), here);
  EXPECT_EQ(c.callee.routes.front(), here);
  EXPECT_TRUE(bye(alice, c.caller, bob));
  stamp.users = {};
  c = call(alice, bob, "sip:bob@p2psip.org");
  EXPECT_EQ(c.caller.routes.front().find(p.address().text()), std::string::npos);
}

TEST_F(Hooked, ARequestWaitsUntilTheHookHasAnswered) {
  stamp.users = {"alice", "bob"};
  stamp.later = &waiting;
  alice.invite("sip:bob@p2psip.org");
  world.run(100ms);
  EXPECT_TRUE(
      std::ranges::any_of(world.wire, [](const auto& seen) { return seen.text.starts_with("SIP/2.0 100"); }));
  for (const char* who : {"alice", "bob"}) {
    EXPECT_TRUE(bob.quiet());
    ASSERT_EQ(waiting.size(), 1u) << who;
    std::exchange(waiting, {}).front()();
  }
  const auto in = bob.wait("INVITE");
  EXPECT_EQ(headers(in, "Stamp"), (std::vector<std::string>{"from alice", "to bob"}));
  EXPECT_EQ(*stamp.legs, 2);
  bob.answer(in, 486);
  EXPECT_FALSE(alice.wait("SIP/2.0 486").empty());
  expect_no_legs();
}

TEST_F(Hooked, WhatIsCancelledMeanwhileGoesNowhere) {
  for (const char* who : {"alice", "bob"}) {
    stamp.users = {who};
    stamp.later = &waiting;
    auto invite = alice.invite("sip:bob@p2psip.org");
    world.run(100ms);
    ASSERT_EQ(waiting.size(), 1u);
    auto cancel = invite.substr(0, invite.find("Contact:"));
    cancel.replace(0, 6, "CANCEL");
    cancel.replace(cancel.find(" INVITE\r\n"), 7, " CANCEL");
    alice.inbox.clear();  // a 487 is said again until it is acknowledged
    alice.send(cancel + "Content-Length: 0\r\n\r\n");
    EXPECT_FALSE(alice.wait("SIP/2.0 487").empty()) << who;
    std::exchange(waiting, {}).front()();
    EXPECT_TRUE(bob.quiet()) << who << " " << bob.inbox.front();
    expect_no_legs();
  }
}

TEST_F(Hooked, WhatItRefusesGoesNowhere) {
  stamp.refuse = 503;
  stamp.users = {"alice"};
  alice.invite("sip:bob@p2psip.org");
  EXPECT_FALSE(alice.wait("SIP/2.0 503 No room").empty());
  stamp.users = {"bob"};
  alice.invite("sip:bob@p2psip.org");
  EXPECT_FALSE(alice.wait("SIP/2.0 503 No room").empty());
  EXPECT_TRUE(bob.quiet());
  expect_no_legs();
}

}  // namespace
}  // namespace causeway::proxy::testing
