#include "overlay/remote_overlay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "base/limits.h"
#include "base/msgpack.h"
#include "overlay/link_world_for_test.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;

std::string token_of(const Record& record) { return decode_user(record.body)->contacts[0].token; }

// A public peer that says what it likes.
struct Liar final : Overlay {
  std::vector<Record> says;
  void put(const Record&) override {}
  void get(std::string_view, base::Duration, OnRecord, OnDone on_done) override { on_done(says); }
  ListenId listen(std::string_view, std::function<void(const Record&)> tell) override {
    for (const Record& record : says) tell(record);
    return 1;
  }
  void unlisten(ListenId) override {}
  bool alone() const override { return false; }
};

class RemoteOverlayTest : public testing::Test {
 protected:
  LinkWorld world;
  LinkMember &first = world.public_peer(), &second = world.public_peer(), &third = world.public_peer();
  LinkMember& home = world.sheltered({first.address(), second.address()});
  const std::string alice = "sip:alice@p2psip.org";

  void SetUp() override {
    world.loop.run_for(1s);
    ASSERT_EQ(home.links->up().size(), 2u);
  }
  bool reached_through(const LinkMember& peer) {
    return std::ranges::any_of(home.links->vias(), [&](const ViaPeer& via) { return via.peer == peer.id(); });
  }
};

TEST_F(RemoteOverlayTest, WhatIsPutIsFoundByAllAndTheOtherWayRound) {
  home.overlay->put(world.user(home, "alice", "from-behind"));
  world.loop.run_for(1s);
  auto found = world.get(third, alice);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(token_of(found[0]), "from-behind");

  auto& other = world.add({identity::Role::registrar});
  other.serve(world.records.join());
  other.overlay->put(world.user(other, "bob", "from-outside"));
  world.loop.run_for(1s);
  found = world.get(home, "sip:bob@p2psip.org");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(token_of(found[0]), "from-outside");
  EXPECT_TRUE(world.get(home, "sip:nobody@p2psip.org").empty());
  EXPECT_FALSE(home.overlay->alone());
}

TEST_F(RemoteOverlayTest, NewsComes) {
  std::vector<std::string> heard;
  auto& other = world.add({identity::Role::registrar});
  other.serve(world.records.join());
  other.overlay->put(world.user(other, "alice", "one"));
  const auto id = home.overlay->listen(alice, [&](const Record& r) { heard.push_back(token_of(r)); });
  world.loop.run_for(1s);
  EXPECT_EQ(heard, std::vector<std::string>{"one"});  // of both, once
  other.overlay->put(world.user(other, "alice", "two"));
  world.loop.run_for(1s);
  EXPECT_EQ(heard, (std::vector<std::string>{"one", "two"}));
  std::vector<std::string> later;
  home.overlay->listen(alice, [&](const Record& r) { later.push_back(token_of(r)); });
  world.loop.run_for(1s);
  EXPECT_EQ(later, std::vector<std::string>{"two"});
  home.overlay->unlisten(id);
  other.overlay->put(world.user(other, "alice", "three"));
  world.loop.run_for(1s);
  EXPECT_EQ(heard.size(), 2u);
  EXPECT_EQ(later.size(), 2u);
}

// A public peer that is killed is silent: within seconds another has taken its place, and everything is
// there.
TEST_F(RemoteOverlayTest, AnotherPublicPeerTakesThePlaceOfADeadOne) {
  third.overlay->put(third.signer.sign(Kind::service, "sip:p2psip.org", world.loop.unix_now(),
                                       world.loop.unix_now() + 120'000,
                                       encode(ServiceBody{.peer = third.id(),
                                                          .links = {third.address()},
                                                          .endpoints = {},
                                                          .capacity = 1,
                                                          .load = 0,
                                                          .token_key = {}})));
  std::vector<std::string> heard;
  home.overlay->listen("sip:bob@p2psip.org", [&](const Record& r) { heard.push_back(token_of(r)); });
  home.overlay->put(world.user(home, "alice"));
  world.loop.run_for(61s);  // it looks for others now and then

  world.net.kill(first.ip);
  const auto found = world.get(home, alice);
  EXPECT_EQ(found.size(), 1u) << "the other one answers at once";
  world.loop.run_for(PublicLinks::kPing + PublicLinks::kPong + 1s);
  EXPECT_TRUE(reached_through(second));
  EXPECT_TRUE(reached_through(third));
  EXPECT_TRUE(third.attached.find(home.id()).has_value());

  world.net.kill(second.ip);  // only the new one is left
  world.loop.run_for(5s);
  auto& other = world.add({identity::Role::registrar});
  other.serve(world.records.join());
  other.overlay->put(world.user(other, "bob", "new"));
  world.loop.run_for(1s);
  EXPECT_EQ(heard, std::vector<std::string>{"new"});

  world.net.revive(first.ip);
  world.loop.run_for(PublicLinks::kLongestPause + 5s);
  EXPECT_TRUE(reached_through(first));
}

// As when a NAT forgets: what is sent on the link gets nowhere, but a new one can be made.
TEST_F(RemoteOverlayTest, ALinkThatFellSilentIsReplacedAndThePeerForgetsTheOldOne) {
  const auto before = first.attached.find(home.id());
  ASSERT_TRUE(before.has_value());
  world.net.cut(first.ip, home.ip);
  world.net.cut(second.ip, home.ip);
  world.loop.run_for(PublicLinks::kPing + PublicLinks::kPong + 500ms);
  EXPECT_TRUE(home.overlay->alone());
  world.net.heal(first.ip, home.ip);
  world.net.heal(second.ip, home.ip);
  world.loop.run_for(10s);
  EXPECT_EQ(home.links->up().size(), 2u);
  const auto after = first.attached.find(home.id());
  ASSERT_TRUE(after.has_value());
  EXPECT_NE(before->connection, after->connection);
  EXPECT_FALSE(first.transport->alive(*before));
}

TEST_F(RemoteOverlayTest, WhatWasPutAndListenedToWithoutALinkComesWithOne) {
  LinkMember& late = world.sheltered({{net::Ip::v4(0x0a000900u), 7400}, first.address()});
  late.overlay->put(world.user(late, "carol", "early"));
  std::vector<std::string> heard;
  late.overlay->listen("sip:carol@p2psip.org", [&](const Record& r) { heard.push_back(token_of(r)); });
  EXPECT_TRUE(late.overlay->alone());
  bool done = false;
  late.overlay->get("sip:carol@p2psip.org", 2s, nullptr, [&](const std::vector<Record>& records) {
    done = true;
    EXPECT_EQ(records.size(), 1u);
  });
  EXPECT_TRUE(done);
  world.loop.run_for(5s);
  EXPECT_EQ(world.get(second, "sip:carol@p2psip.org").size(), 1u);
  EXPECT_EQ(heard, std::vector<std::string>{"early"});
}

TEST_F(RemoteOverlayTest, ALookupWithoutALinkWaitsForOneAndNotForLong) {
  auto& other = world.add({identity::Role::registrar});
  other.serve(world.records.join());
  other.overlay->put(world.user(other, "alice", "here"));
  world.loop.run_for(6s);  // links that have lasted are dialled again at once
  for (LinkMember* peer : {&first, &second})
    peer->transport->close(*peer->attached.find(home.id()), "the peer is restarted");
  while (!home.overlay->alone()) world.loop.run_for(1ms);
  const auto found = world.get(home, alice);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(token_of(found[0]), "here");

  LinkMember& late = world.sheltered({{net::Ip::v4(0x0a000900u), 7400}});
  bool done = false;
  late.overlay->get(alice, 2s, nullptr, [&](const std::vector<Record>& records) {
    done = true;
    EXPECT_TRUE(records.empty());
  });
  world.loop.run_for(1400ms);
  EXPECT_FALSE(done);
  world.loop.run_for(200ms);
  EXPECT_TRUE(done);
}

// One of the two invents, withholds, and brings back what was withdrawn.
TEST_F(RemoteOverlayTest, AHostilePublicPeerCanWithholdButNotForge) {
  Liar liar;
  auto& other = world.add({identity::Role::registrar});
  other.serve(world.records.join());
  Record old = world.user(other, "alice", "old");
  Record forged = old;
  forged.encoded.back() ^= 1;
  world.loop.run_for(10ms);
  other.overlay->put(world.user(other, "alice", "new"));
  Record of_bob = world.user(other, "bob");
  liar.says = {forged, old, of_bob};
  first.service = std::make_unique<LinkService>(
      LinkService::Parts{*first.asker, *first.network, first.tls.get(), liar, first.checker, first.attached});
  first.service->set_public(true);
  first.core.to = first.service.get();
  std::vector<std::string> heard;
  home.overlay->listen(alice, [&](const Record& r) { heard.push_back(token_of(r)); });
  world.loop.run_for(1s);
  const auto found = world.get(home, alice);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(token_of(found[0]), "new");
  EXPECT_EQ(heard.back(), "new");
  EXPECT_GE(home.count("overlay_read_ignored_total"), 2u);
  first.core.to = nullptr;
  first.service.reset();
}

// ---- what the public peer lets through

class LinkServiceTest : public RemoteOverlayTest {
 protected:
  LinkVerdict ask(const LinkQuestion& question) {
    std::optional<LinkVerdict> verdict;
    home.asker->ask(home.links->up().front().flow, question, 5s, [&](const base::Result<LinkAnswer>& answer) {
      verdict = answer ? answer->verdict : LinkVerdict::not_public;
    });
    world.loop.run_for(3s);
    return verdict.value_or(LinkVerdict::not_public);
  }
  LinkMember& asked() { return home.links->up().front().peer == first.id() ? first : second; }
};

TEST_F(LinkServiceTest, PutsPassTheOneRuleAndAreTheMembersOwn) {
  Record broken = world.user(home, "alice");
  broken.encoded.back() ^= 1;
  EXPECT_EQ(ask({.what = LinkQuestion::What::put, .uri = {}, .records = {broken.encoded}}), LinkVerdict::no);
  EXPECT_EQ(asked().count("overlay_link_refused_total{reason=\"invalid\"}"), 1u);
  auto& other = world.add({identity::Role::registrar});
  const Record foreign = world.user(other, "alice");
  EXPECT_EQ(ask({.what = LinkQuestion::What::put, .uri = {}, .records = {foreign.encoded}}), LinkVerdict::no);
  EXPECT_EQ(asked().count("overlay_link_refused_total{reason=\"not_own\"}"), 1u);
  EXPECT_TRUE(world.get(third, alice).empty());
}

TEST_F(LinkServiceTest, PutsHaveARate) {
  const Record record = world.user(home, "alice");
  LinkQuestion question{.what = LinkQuestion::What::put, .uri = {}, .records = {}};
  question.records.assign(limits::kMaxLinkRecords, record.encoded);
  int busy = 0;
  constexpr int kQuestions =
      limits::kMaxLinkPuts * limits::kLinkPutBurst / static_cast<int>(limits::kMaxLinkRecords) + 5;
  for (int i = 0; i < kQuestions; ++i)
    home.asker->ask(home.links->up().front().flow, question, 5s, [&](const base::Result<LinkAnswer>& answer) {
      busy += answer && answer->verdict == LinkVerdict::busy;
    });
  world.loop.run_for(1s);
  EXPECT_GT(busy, 0);
  EXPECT_GT(asked().count("overlay_link_refused_total{reason=\"puts\"}"), 0u);
  EXPECT_EQ(ask({.what = LinkQuestion::What::put, .uri = {}, .records = {record.encoded}}), LinkVerdict::ok);
}

TEST_F(LinkServiceTest, OneMemberHasSoManyRecordsKept) {
  constexpr std::size_t kAll = limits::kMaxLinkKept + 5;
  std::vector<Record> records;
  for (std::size_t n = 0; n < kAll; ++n) records.push_back(world.user(home, "u" + std::to_string(n)));
  int busy = 0;
  for (std::size_t n = 0; n < kAll; n += limits::kMaxLinkRecords) {
    LinkQuestion question{.what = LinkQuestion::What::put, .uri = {}, .records = {}};
    for (std::size_t i = n; i < std::min(kAll, n + limits::kMaxLinkRecords); ++i)
      question.records.push_back(records[i].encoded);
    home.asker->ask(home.links->up().front().flow, question, 5s, [&](const base::Result<LinkAnswer>& answer) {
      busy += answer && answer->verdict == LinkVerdict::busy;
    });
    world.loop.run_for(100ms);  // within the rate
  }
  EXPECT_EQ(busy, 1);
  EXPECT_EQ(asked().count("overlay_link_served_total{what=\"put\"}"), limits::kMaxLinkKept);
}

TEST_F(LinkServiceTest, ListenersAndLookupsAreBounded) {
  int busy = 0;
  const auto count = [&](const base::Result<LinkAnswer>& answer) {
    busy += answer && answer->verdict == LinkVerdict::busy;
  };
  const auto& flow = home.links->up().front().flow;
  for (std::uint64_t id = 1; id <= limits::kMaxLinkListens + 3; ++id)
    home.asker->ask(flow, {.what = LinkQuestion::What::listen, .id = id, .uri = alice, .records = {}}, 5s,
                    count);
  world.loop.run_for(2s);
  EXPECT_EQ(busy, 3);
  EXPECT_EQ(asked().count("overlay_link_refused_total{reason=\"listens\"}"), 3u);
  busy = 0;
  for (std::size_t i = 0; i < limits::kMaxLinkGets + 3; ++i)
    home.asker->ask(flow, {.what = LinkQuestion::What::get, .uri = alice, .patience = 2s, .records = {}}, 5s,
                    count);
  world.loop.run_for(5s);
  EXPECT_EQ(busy, 3);
  EXPECT_EQ(asked().count("overlay_link_refused_total{reason=\"gets\"}"), 3u);
}

// News for a member that does not read: a bounded queue, and then its link is given up.
TEST_F(LinkServiceTest, NewsThatIsNotTakenIsBounded) {
  Liar liar;
  auto& other = world.add({identity::Role::registrar});
  liar.says.assign(limits::kMaxLinkNews + 2 * limits::kMaxLinkRecords, world.user(other, "alice"));
  LinkMember& peer = asked();
  peer.service = std::make_unique<LinkService>(
      LinkService::Parts{*peer.asker, *peer.network, peer.tls.get(), liar, peer.checker, peer.attached});
  peer.service->set_public(true);
  peer.core.to = peer.service.get();
  EXPECT_EQ(ask({.what = LinkQuestion::What::listen, .id = 1, .uri = alice, .records = {}}), LinkVerdict::ok);
  EXPECT_GT(peer.count("overlay_link_refused_total{reason=\"news\"}"), 0u);
  EXPECT_EQ(peer.service->clients(), 1u);
  world.net.cut(peer.ip, home.ip);
  world.loop.run_for(15s);
  EXPECT_EQ(peer.service->clients(), 0u) << "a silent link is given up";
  peer.core.to = nullptr;
  peer.service.reset();
}

TEST_F(LinkServiceTest, ListenersOfAllMembersTogetherAreBounded) {
  int busy = 0;
  constexpr std::size_t kMembers = limits::kMaxAllLinkListens / limits::kMaxLinkListens;
  for (std::size_t n = 0; n <= kMembers; ++n) {
    LinkMember& member = world.add({identity::Role::registrar});
    const auto flow = member.transport->flow_to({{net::Transport::tls, third.address()}, {}, true});
    for (std::uint64_t id = 1; id <= (n < kMembers ? limits::kMaxLinkListens : 7); ++id) {
      if (id % 256 == 0) world.loop.run_for(200ms);  // no more than a connection queues
      member.asker->ask(*flow, {.what = LinkQuestion::What::listen, .id = id, .uri = alice, .records = {}},
                        5s, [&](const base::Result<LinkAnswer>& answer) {
                          busy += answer && answer->verdict == LinkVerdict::busy;
                        });
    }
    world.loop.run_for(1s);
  }
  EXPECT_EQ(busy, 7);
}

TEST_F(LinkServiceTest, WhoIsNotPublicSaysSo) {
  first.service->set_public(false);
  second.service->set_public(false);
  EXPECT_EQ(ask({.what = LinkQuestion::What::get, .uri = alice, .patience = 1s, .records = {}}),
            LinkVerdict::not_public);
}

// ---- checks

TEST_F(LinkServiceTest, ChecksReachTheMemberThatAsksAndNobodyElse) {
  EXPECT_EQ(ask({.what = LinkQuestion::What::check, .uri = {}, .port = 7400, .records = {}}),
            LinkVerdict::no);
  EXPECT_EQ(ask({.what = LinkQuestion::What::check, .uri = {}, .port = 7401, .records = {}}),
            LinkVerdict::no);

  LinkMember& open = world.add({identity::Role::registrar});  // not sheltered
  open.dial({first.address()});
  world.loop.run_for(1s);
  ASSERT_EQ(open.links->up().size(), 1u);
  std::optional<LinkVerdict> verdict;
  const auto check = [&](std::uint16_t port) {
    verdict.reset();
    open.asker->ask(open.links->up().front().flow,
                    {.what = LinkQuestion::What::check, .uri = {}, .port = port, .records = {}}, 5s,
                    [&](const base::Result<LinkAnswer>& answer) {
                      if (answer) verdict = answer->verdict;
                    });
    world.loop.run_for(3s);
    return verdict;
  };
  EXPECT_EQ(check(7400), LinkVerdict::ok);
  EXPECT_EQ(check(5060), LinkVerdict::no);  // nobody is there
  EXPECT_EQ(open.links->up().size(), 1u);
}

TEST_F(LinkServiceTest, ChecksOfOneSourceHaveAPause) {
  int busy = 0, no = 0;
  for (int i = 0; i < 5; ++i)
    home.asker->ask(home.links->up().front().flow,
                    {.what = LinkQuestion::What::check, .uri = {}, .port = 7400, .records = {}}, 5s,
                    [&](const base::Result<LinkAnswer>& answer) {
                      busy += answer && answer->verdict == LinkVerdict::busy;
                      no += answer && answer->verdict == LinkVerdict::no;
                    });
  const auto connections = world.net.totals().connections;
  world.loop.run_for(5s);
  EXPECT_EQ(busy, 4);
  EXPECT_EQ(no, 1);
  EXPECT_EQ(world.net.totals().connections, connections);
  EXPECT_EQ(asked().count("overlay_link_refused_total{reason=\"checks\"}"), 4u);
}

TEST_F(LinkServiceTest, SoManyChecksAtATimeAndNoMore) {
  int busy = 0;
  for (std::size_t n = 0; n < limits::kMaxChecks + 3; ++n) {
    LinkMember& member = world.add({identity::Role::registrar});
    world.net.shelter(member.ip);
    const auto flow = member.transport->flow_to({{net::Transport::tls, third.address()}, {}, true});
    member.asker->ask(*flow, {.what = LinkQuestion::What::check, .uri = {}, .port = 7400, .records = {}}, 9s,
                      [&](const base::Result<LinkAnswer>& answer) {
                        busy += answer && answer->verdict == LinkVerdict::busy;
                      });
  }
  world.loop.run_for(5s);
  EXPECT_EQ(busy, 3);
}

TEST_F(RemoteOverlayTest, SoManyPublicPeersAreRememberedAndNoMore) {
  for (std::uint8_t n = 1; n < 200; ++n)
    home.links->learn({identity::PeerId({n}), {{net::Ip::v4(0x0a000a00u + n), 7400}}});
  EXPECT_EQ(home.links->known(), limits::kMaxPublicPeers);
  EXPECT_EQ(home.links->up().size(), 2u);
}

// ---- the messages

TEST(LinkMessages, WhatIsWrittenIsRead) {
  const base::Bytes one{1, 2, 3}, two{4};
  LinkQuestion get{.what = LinkQuestion::What::get, .uri = "sip:a@b.c", .patience = 1500ms, .records = {}};
  const auto bytes = encode(get);
  const auto read = decode_link_question(bytes);
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->uri, "sip:a@b.c");
  EXPECT_EQ(read->patience, 1500ms);
  get.patience = 1h;
  EXPECT_EQ(decode_link_question(encode(get))->patience, limits::kMaxLinkPatience);

  LinkQuestion news{.what = LinkQuestion::What::news, .id = 77, .uri = {}, .records = {one, two}};
  const auto told = encode(news);
  const auto heard = decode_link_question(told);
  ASSERT_TRUE(heard.has_value());
  EXPECT_EQ(heard->id, 77u);
  ASSERT_EQ(heard->records.size(), 2u);
  EXPECT_TRUE(std::ranges::equal(heard->records[0], one));

  const auto answer = encode(LinkAnswer{
      .verdict = LinkVerdict::busy, .seen = *net::Address::parse("192.0.2.1:7400"), .records = {two}});
  const auto understood = decode_link_answer(answer);
  ASSERT_TRUE(understood.has_value());
  EXPECT_EQ(understood->verdict, LinkVerdict::busy);
  EXPECT_EQ(understood->seen->text(), "192.0.2.1:7400");
  EXPECT_EQ(understood->records.size(), 1u);
}

TEST(LinkMessages, WhatIsCutOffOrTooMuchIsRefused) {
  const base::Bytes record(100, 7);
  for (const auto& bytes :
       {encode(LinkQuestion{.what = LinkQuestion::What::put, .uri = {}, .records = {record, record}}),
        encode(
            LinkQuestion{.what = LinkQuestion::What::listen, .id = 5, .uri = "sip:a@b.c", .records = {}})}) {
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(decode_link_question(std::span(bytes).first(size)).has_value()) << size;
    base::Bytes more = bytes;
    more.push_back(0);
    EXPECT_FALSE(decode_link_question(more).has_value());
  }
  base::MsgpackWriter out;
  out.array(3);
  out.uint(1);
  out.uint(4);
  out.array(limits::kMaxLinkRecords + 1);
  for (std::size_t i = 0; i <= limits::kMaxLinkRecords; ++i) out.bytes(record);
  EXPECT_FALSE(decode_link_question(out.data()).has_value());
  EXPECT_FALSE(decode_link_question(base::Bytes{0x93, 1, 2, 0}).has_value());  // port 0
  EXPECT_FALSE(decode_link_question(base::Bytes{0x92, 1, 9}).has_value());     // no such question
}

}  // namespace
}  // namespace causeway::overlay
