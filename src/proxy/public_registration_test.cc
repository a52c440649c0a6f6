// draft 4.2: registration with a public network, by phones that cannot write the overlay URL.
#include "proxy/public_registration.h"

#include "base/limits.h"
#include "proxy/flow_tokens.h"
#include "proxy/world_test.h"
#include "sip/rewrite.h"

namespace causeway::proxy::testing {
namespace {

class PublicNetwork : public ProxyTest {
 protected:
  Peer& home = world.peer();
  Peer& border = world.peer({.proxy = true});
  Ua& alice = world.phone("alice", home);
  Ua& provider = world.outsider("sip:registrar@example.org", border);
  const std::string address = "<sip:alice@example.org>";

  Ua::Out registration(std::string contact) {
    return {.method = "REGISTER",
            .uri = "sip:example.org",
            .extra = std::move(contact),
            .from = address + ";tag=1",
            .to = address,
            .contact = false};
  }
  // The phone's REGISTER as the provider gets it, challenged and sent again.
  std::string register_with(const std::string& contact) {
    alice.ask(registration(contact));
    return provider.wait("REGISTER");
  }
};

TEST_F(PublicNetwork, ContactBecomesTheOverlayUrlAndBackAgain) {
  auto in = register_with("Contact: <" + alice.contact() + ">;expires=600;+sip.instance=\"<urn:x>\"\r\n");
  ASSERT_FALSE(in.empty());
  EXPECT_EQ(headers(in, "Contact"), std::vector<std::string>{"<sip:alice@p2psip.org>;expires=600"});
  EXPECT_EQ(header(in, "Record-Route"), "");
  EXPECT_EQ(header(in, "Path"), "");
  EXPECT_EQ(header(in, "Proxy-Authorization"), "");
  // The provider's challenge passes untouched, and so does the answer to it.
  const std::string theirs = "WWW-Authenticate: Digest realm=\"example.org\",nonce=\"abc\"\r\n";
  provider.answer(in, 401, theirs);
  auto challenge = alice.wait("SIP/2.0 401");
  EXPECT_EQ("WWW-Authenticate: " + header(challenge, "WWW-Authenticate") + "\r\n", theirs);
  const std::string proof =
      "Digest username=\"alice\",realm=\"example.org\",nonce=\"abc\",uri=\"sip:example.org\","
      "response=\"00000000000000000000000000000000\"";
  in = register_with("Contact: <" + alice.contact() + ">;expires=600\r\nAuthorization: " + proof + "\r\n");
  EXPECT_EQ(header(in, "Authorization"), proof);
  // 200 with the provider's list: the phone finds its own Contact.
  auto ok = fmt::format(
      "Contact: <sip:other@elsewhere.example>;expires=30, <sip:alice@p2psip.org>;expires=500\r\n");
  provider.answer_bare(in, 200, ok);
  auto back = alice.wait("SIP/2.0 200");
  EXPECT_EQ(values(back, "Contact"), (std::vector<std::string>{"<sip:other@elsewhere.example>;expires=30",
                                                               "<" + alice.contact() + ">;expires=500"}));
  EXPECT_EQ(home.count("proxy_public_registrations_total"), 1u);
}

// A phone that keeps one challenge at a time could not answer ours and then its provider's.
TEST_F(PublicNetwork, TheFlowOfHerRegistrationIsProofEnough) {
  alice.send(alice.write(registration("Contact: <" + alice.contact() + ">;expires=600\r\n")));
  EXPECT_FALSE(provider.wait("REGISTER").empty());
  EXPECT_EQ(home.count("proxy_challenged_total"), 0u);
}

TEST_F(PublicNetwork, TheOverlayUrlPassesUnchanged) {
  auto in = register_with("Contact: \"Alice\" <sip:alice@p2psip.org>;q=0.7\r\n");
  EXPECT_EQ(header(in, "Contact"), "\"Alice\" <sip:alice@p2psip.org>;q=0.7");
  provider.answer_bare(in, 200, "Contact: <sip:alice@p2psip.org>;expires=500\r\n");
  EXPECT_EQ(header(alice.wait("SIP/2.0 200"), "Contact"), "<sip:alice@p2psip.org>;expires=500");
}

TEST_F(PublicNetwork, WhileItLastsTheAddressMayBeUsedByItsOwner) {
  auto& bob = world.phone("bob", home);
  auto& carol = world.outsider("sip:carol@example.com", border);
  auto in = register_with("Contact: <" + alice.contact() + ">;expires=600\r\n");
  provider.answer_bare(in, 200, "Contact: <sip:alice@p2psip.org>;expires=100\r\n");
  alice.wait("SIP/2.0 200");
  const Ua::Out message{.method = "MESSAGE", .uri = "sip:carol@example.com", .from = address + ";tag=9"};
  alice.ask(message);
  auto there = carol.wait("MESSAGE");
  EXPECT_EQ(header(there, "From"), address + ";tag=9");
  carol.answer(there, 200);
  // Not by another user.
  bob.ask(message);
  EXPECT_TRUE(is(bob.wait("SIP/2.0 4"), "SIP/2.0 403 "));
  // The same address calling in from outside is not taken for our phone.
  Ua& elsewhere = world.outsider("sip:alice@example.org", border);
  elsewhere.ask({.method = "MESSAGE", .uri = "sip:bob@p2psip.org"});
  EXPECT_FALSE(bob.wait("MESSAGE").empty());
  // Nor any more when it has expired.
  world.run(101s);
  carol.inbox.clear();
  alice.inbox.clear();
  alice.send(alice.write(message));
  EXPECT_TRUE(is(alice.wait("SIP/2.0 4"), "SIP/2.0 403 "));
}

TEST_F(PublicNetwork, ACallForThePublicAddressComesIn) {
  auto in = register_with("Contact: <" + alice.contact() + ">;expires=600\r\n");
  provider.answer_bare(in, 200, "Contact: <sip:alice@p2psip.org>;expires=600\r\n");
  // The provider's proxy sends it on to the registered contact (draft figure 8).
  auto& carol = world.outsider("sip:carol@example.com", border);
  auto invite = carol.ask({.method = "INVITE", .uri = "sip:alice@p2psip.org", .to = address});
  auto there = alice.wait("INVITE");
  ASSERT_FALSE(there.empty());
  EXPECT_EQ(header(there, "To"), address);
  auto ok = alice.answer(there, 200);
  auto back = carol.wait("SIP/2.0 200");
  auto callee = alice.as_callee(there, ok);
  EXPECT_TRUE(bye(alice, callee, carol));  // From: alice@example.org, proved by her flow
}

TEST_F(PublicNetwork, Unregistering) {
  auto in = register_with("Contact: <" + alice.contact() + ">;expires=600\r\n");
  provider.answer_bare(in, 200, "Contact: <sip:alice@p2psip.org>;expires=600\r\n");
  alice.wait("SIP/2.0 200");
  in = register_with("Contact: <" + alice.contact() + ">\r\nExpires: 0\r\n");
  EXPECT_EQ(header(in, "Contact"), "<sip:alice@p2psip.org>");
  provider.answer_bare(in, 200, "");
  alice.wait("SIP/2.0 200");
  alice.ask({.method = "MESSAGE", .uri = "sip:carol@example.com", .from = address + ";tag=9"});
  EXPECT_TRUE(is(alice.wait("SIP/2.0 4"), "SIP/2.0 403 "));
  in = register_with("Contact: *\r\nExpires: 0\r\n");
  EXPECT_EQ(header(in, "Contact"), "*");
}

TEST_F(PublicNetwork, StrangersRegisterNowhere) {
  auto& stranger = world.outsider("sip:x@example.net", border);
  stranger.send(stranger.write(registration("Contact: <sip:x@192.0.2.99>\r\n")));
  EXPECT_FALSE(stranger.wait("SIP/2.0 407").empty());
  stranger.user = "alice";
  stranger.password = "guess";
  stranger.ask(registration("Contact: <sip:x@192.0.2.99>\r\n"));
  EXPECT_TRUE(is(stranger.wait("SIP/2.0 4"), "SIP/2.0 403 "));
  EXPECT_TRUE(provider.quiet());
}

// Two workers of one peer: the REGISTER went through the first, the call comes to the second.
TEST(PublicRegistrations, WhatOneWorkerLearnsTheOtherIsTold) {
  PublicRegistrations first{std::string(kDomain)}, second{std::string(kDomain)};
  base::Instant now{1h};
  first.set_on_learned([&](const PublicAddress& learned) { second.note(learned, now); });
  const PublicRegister alice{"sip:alice@example.org", "alice", "<sip:alice@10.0.0.7>", "", 60};
  const auto answered = [&](const std::string& contact) {
    const std::string answer =
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n"
        "Call-ID: 1\r\nCSeq: 1 REGISTER\r\n" +
        contact + "Content-Length: 0\r\n\r\n";
    sip::Message m;  // a view of it
    EXPECT_TRUE(m.parse(answer));
    return first.learn(m, alice, now);
  };
  const auto address = *sip::parse_uri("sip:alice@example.org");
  using Learned = PublicRegistrations::Learned;
  EXPECT_EQ(answered("Contact: <sip:alice@p2psip.org>;expires=600\r\n"), Learned::remembered);
  EXPECT_TRUE(second.belongs(address, "alice", now));
  EXPECT_EQ(second.owner(address, now + 601s), "");
  EXPECT_EQ(answered(""), Learned::nothing);
  EXPECT_FALSE(second.belongs(address, "alice", now));
  EXPECT_EQ(second.size(), 0u);
}

TEST(PublicRegistrations, SoManyAreRememberedAndNoMore) {
  PublicRegistrations table{std::string(kDomain)};
  using Learned = PublicRegistrations::Learned;
  const base::Instant now{100s};
  for (std::size_t i = 0; i < limits::kMaxPublicRegistrations; ++i)
    ASSERT_EQ(table.note({fmt::format("sip:u{}@example.org", i), "alice", now + (i == 0 ? 10s : 60s)}, now),
              Learned::remembered);
  EXPECT_EQ(table.note({"sip:x@example.org", "alice", now + 60s}, now), Learned::no_room);
  EXPECT_EQ(table.note({"sip:u7@example.org", "alice", now + 90s}, now), Learned::remembered);
  EXPECT_EQ(table.note({"sip:x@example.org", "alice", now + 60s}, now + 11s),
            Learned::remembered);  // one has ended
  EXPECT_EQ(table.size(), limits::kMaxPublicRegistrations);
}

// The memory of opened tokens forgets, and opens again.
TEST(FlowTokens, MoreThanAreKeptOpened) {
  const identity::TokenSealer sealer{identity::NetworkKey{}};
  FlowTokens tokens(sealer, nullptr);
  std::vector<std::string> sealed;
  for (std::size_t i = 0; i < 2 * limits::kOpenedTokens; ++i)
    sealed.push_back(sealer.seal({"u" + std::to_string(i), i, net::Transport::udp, {}}));
  for (int round = 0; round < 2; ++round)
    for (std::size_t i = 0; i < sealed.size(); ++i) {
      const auto* token = tokens.open(sealed[i]);
      ASSERT_TRUE(token);
      ASSERT_EQ(token->instance, i);
    }
  EXPECT_EQ(tokens.open("garbage"), nullptr);
}

TEST(PublicRegistrations, AddrSpecWithoutBrackets) {
  PublicRegistrations table{std::string(kDomain)};
  PublicRegister r{"sip:alice@example.org", "alice", "<sip:alice@10.0.0.7;transport=tcp>", "", 60};
  const std::string text =
      "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n"
      "Call-ID: 1\r\nCSeq: 1 REGISTER\r\nContact: sip:alice@p2psip.org;expires=5\r\nContent-Length: "
      "0\r\n\r\n";
  sip::Message m;
  ASSERT_TRUE(m.parse(text));
  sip::Rewrite edit(m);
  table.restore(m, r, edit);
  EXPECT_EQ(header(std::string(edit.build().view()), "Contact"),
            "<sip:alice@10.0.0.7;transport=tcp>;expires=5");
}

}  // namespace
}  // namespace causeway::proxy::testing
