// Calls of a phone without ICE: who offers and who answers, what each gets to see, that media flows, and that
// nothing is left at the end.
#include "anchor/anchors.h"

#include <sys/resource.h>

#include <filesystem>

#include "anchor/world_test.h"
#include "ua/limits.h"
#include "ua/media.h"

namespace causeway::anchor::test {
namespace {

using ua::LocalMedia;
using ua::RemoteMedia;

const std::vector<ua::Payload> kCodecs = {{0, "PCMU", 8000, 1, {}}, {101, "telephone-event", 8000, 1, {}}};

class Anchored : public World {
 protected:
  Side far{far_thread, {}};

  // What it has to say, since it has gathered last.
  const LocalMedia& far_media(Side& side) {
    auto [at, is_new] = said_.try_emplace(&side);
    if (is_new) at->second = side.media();
    at->second.codecs = kCodecs;
    return at->second;
  }
  void far_restarts() {
    said_.clear();
    far.restart();
  }
  // What the far side answers to an offer that came out of the peer.
  std::string answer(Side& side, const std::string& offer) {
    const auto remote = ua::read_offer(offer, {.codecs = kCodecs});
    EXPECT_TRUE(remote) << remote.error().message << offer;
    if (!remote) return {};
    side.gather();
    side.set_remote(*remote);
    return ua::make_answer(far_media(side), *remote, offer, 2, 1);
  }
  // The same, with an address where nobody is, as behind a NAT that no check has opened yet.
  std::string answer_of_nobody_yet(const std::string& offer) {
    const auto remote = ua::read_offer(offer, {.codecs = kCodecs});
    if (!remote) return {};
    far.gather();
    LocalMedia elsewhere = far_media(far);
    elsewhere.candidates.resize(1);
    elsewhere.candidates[0].address = elsewhere.default_rtp = nobody_.address();
    return ua::make_answer(elsewhere, *remote, offer, 2, 1);
  }
  void begin_checks(const std::string& offer) {
    const auto remote = ua::read_offer(offer, {.codecs = kCodecs});
    ASSERT_TRUE(remote);
    far.set_remote(*remote);
  }
  static std::string ufrag_of(const std::string& sdp) {
    const auto description = ua::parse_sdp(sdp);
    return description ? std::string(description->media[0].value("ice-ufrag").value_or("")) : "";
  }
  // The far side has offered, and gets this answer.
  void take(Side& side, const LocalMedia& offered, const std::string& answer) {
    const auto remote = ua::read_answer(answer, offered);
    ASSERT_TRUE(remote) << remote.error().message << answer;
    side.set_remote(*remote);
  }

  // alice's phone calls, and is answered.
  struct Up {
    Passed invite;
    std::string ok;  // as the phone gets it
  };
  Up call_out() {
    Up up;
    up.invite = pass({.sdp = phone_sdp(phone.address())}, Crossing::from_phone);
    EXPECT_EQ(up.invite.refused, 0) << up.invite.reason;
    if (up.invite.leg)
      up.ok = respond(*up.invite.leg, {.status = 200, .to = "w", .sdp = answer(far, up.invite.sdp)},
                      Crossing::to_phone);
    return up;
  }
  Passed bye() { return pass({.method = "BYE", .cseq = 9, .to = "w"}, Crossing::from_phone); }

 private:
  std::map<Side*, LocalMedia> said_;
  const Socket nobody_;
};

TEST_F(Anchored, ThePhoneCalls) {
  auto up = call_out();
  EXPECT_NE(up.invite.sdp.find("a=candidate:"), std::string::npos) << up.invite.sdp;
  EXPECT_NE(up.invite.sdp.find("a=rtcp-mux"), std::string::npos);
  EXPECT_EQ(up.invite.sdp.find("m=audio " + port_text(phone.address())), std::string::npos);
  EXPECT_EQ(up.ok.find("a=candidate:"), std::string::npos) << up.ok;
  EXPECT_EQ(up.ok.find("a=ice"), std::string::npos) << up.ok;
  expect_media(told(up.ok), far);
  EXPECT_EQ(anchors->calls(), 1u);
  up.invite.leg.reset();
  EXPECT_EQ(anchors->calls(), 1u);  // it is established
  EXPECT_EQ(bye().leg, nullptr);
  EXPECT_EQ(anchors->calls(), 0u);
  EXPECT_GT(count("anchor_packets_total{to=\"world\"}"), 0u);
  EXPECT_GT(count("anchor_packets_total{to=\"phone\"}"), 0u);
}

TEST_F(Anchored, ThePhoneIsCalled) {
  far.gather();
  const LocalMedia offered = far_media(far);
  auto invite = pass({.from = "w", .sdp = ua::make_offer(offered, 2, 1)}, Crossing::to_phone);
  EXPECT_EQ(invite.sdp.find("a=candidate:"), std::string::npos) << invite.sdp;
  EXPECT_NE(invite.sdp.find("m=audio "), std::string::npos);
  const std::string ringing =
      respond(*invite.leg, {.status = 180, .from = "w", .to = "p"}, Crossing::from_phone);
  EXPECT_EQ(ringing, "");
  const std::string ok =
      respond(*invite.leg, {.status = 200, .from = "w", .to = "p", .sdp = phone_sdp(phone.address())},
              Crossing::from_phone);
  take(far, offered, ok);
  expect_media(told(invite.sdp), far);
  invite.leg.reset();
  pass({.method = "BYE", .cseq = 2, .from = "w", .to = "p"}, Crossing::to_phone);
  EXPECT_EQ(anchors->calls(), 0u);
}

// RFC 3261 13.2.1: the offer in the 200, the answer in the ACK.
TEST_F(Anchored, ThePhoneCallsWithoutAnOffer) {
  auto invite = pass({}, Crossing::from_phone);
  far.gather();
  const LocalMedia offered = far_media(far);
  const std::string ok = respond(
      *invite.leg, {.status = 200, .to = "w", .sdp = ua::make_offer(offered, 2, 1)}, Crossing::to_phone);
  const auto ack =
      pass({.method = "ACK", .to = "w", .sdp = phone_sdp(phone.address())}, Crossing::from_phone);
  take(far, offered, ack.sdp);
  expect_media(told(ok), far);
}

TEST_F(Anchored, ThePhoneIsCalledWithoutAnOffer) {
  auto invite = pass({.from = "w"}, Crossing::to_phone);
  const std::string ok =
      respond(*invite.leg, {.status = 200, .from = "w", .to = "p", .sdp = phone_sdp(phone.address())},
              Crossing::from_phone);
  const auto ack =
      pass({.method = "ACK", .from = "w", .to = "p", .sdp = answer(far, ok)}, Crossing::to_phone);
  expect_media(told(ack.sdp), far);
}

TEST_F(Anchored, WhoAnswersWithoutIceIsSentToWhereHeSays) {
  const Socket plain;
  auto invite = pass({.sdp = phone_sdp(phone.address())}, Crossing::from_phone);
  const std::string ok =
      respond(*invite.leg, {.status = 200, .to = "w", .sdp = phone_sdp(plain.address())}, Crossing::to_phone);
  ASSERT_TRUE(wait([&] {
    phone.send(told(ok), rtp("hello"));
    return plain.next(20ms) == "hello";
  }));
  plain.send(told(invite.sdp), rtp("back"));
  EXPECT_EQ(phone.next(), "back");
}

TEST_F(Anchored, NothingIsSentIntoThisMachine) {
  is_loopback_allowed = false;
  start({});
  const Socket service;
  auto invite = pass({.sdp = phone_sdp(phone.address())}, Crossing::from_phone);
  const std::string ok = respond(*invite.leg, {.status = 200, .to = "w", .sdp = phone_sdp(service.address())},
                                 Crossing::to_phone);
  EXPECT_EQ(count("anchor_addresses_refused_total"), 2u);  // RTP, RTCP
  phone.send(told(ok), rtp("a request of some other protocol"));
  EXPECT_TRUE(wait([&] { return count("anchor_packets_refused_total{reason=\"no path\"}") == 1; }));
  EXPECT_EQ(service.next(20ms), "");
  EXPECT_EQ(pass({.from = "w", .sdp = phone_sdp(service.address()), .call = "2"}, Crossing::to_phone).refused,
            488);
}

// RFC 3605, and RFC 8839 where there is ICE: who does not multiplex has named another address for it.
TEST_F(Anchored, RtcpGoesWhereItIsWanted) {
  const Socket plain, reports;
  auto invite = pass({.sdp = phone_sdp(phone.address())}, Crossing::from_phone);
  EXPECT_NE(invite.sdp.find("a=rtcp:"), std::string::npos) << invite.sdp;
  const std::string ok =
      respond(*invite.leg,
              {.status = 200,
               .to = "w",
               .sdp = phone_sdp(plain.address(), fmt::format("a=rtcp:{}\r\n", reports.address().port))},
              Crossing::to_phone);
  net::Address at = told(ok);
  ++at.port;
  EXPECT_TRUE(wait([&] {
    phone.send(at, rtcp());
    return reports.next_packet(20ms) == rtcp();
  }));
  EXPECT_EQ(plain.next_packet(20ms), "");
}

TEST_F(Anchored, WhoOffersAnAddressForRtcpGetsOneBack) {
  Side apart(far_thread, {.controlling = true, .rtcp_port = true});
  apart.gather();
  LocalMedia offered = far_media(apart);
  ASSERT_FALSE(offered.rtcp_candidates.empty());
  std::string offer = ua::make_offer(offered, 2, 1);
  const std::string line = "a=rtcp-mux\r\n";
  offer.erase(offer.find(line), line.size());
  auto invite = pass({.from = "w", .sdp = offer}, Crossing::to_phone);
  const std::string ok =
      respond(*invite.leg, {.status = 200, .from = "w", .to = "p", .sdp = phone_sdp(phone.address())},
              Crossing::from_phone);
  const auto answer = ua::read_answer(ok, offered);
  ASSERT_TRUE(answer) << ok;
  EXPECT_FALSE(answer->rtcp_mux) << ok;
  EXPECT_FALSE(answer->rtcp_candidates.empty()) << ok;
  apart.set_remote(*answer);
  expect_media(told(invite.sdp), apart);
  net::Address at = told(invite.sdp);
  ++at.port;
  EXPECT_TRUE(wait([&] {
    phone.send(at, rtcp());
    return apart.hears(rtcp(), 20ms);
  }));
}

TEST_F(Anchored, RtcpThatNobodyTakesIsDropped) {
  auto invite = pass({.sdp = phone_sdp(phone.address())}, Crossing::from_phone);
  std::string says = answer(far, invite.sdp);
  const std::string line = "a=rtcp-mux\r\n";
  says.erase(says.find(line), line.size());
  const std::string ok = respond(*invite.leg, {.status = 200, .to = "w", .sdp = says}, Crossing::to_phone);
  expect_media(told(ok), far);
  net::Address at = told(ok);
  ++at.port;
  phone.send(at, rtcp());
  EXPECT_TRUE(wait([&] { return count("anchor_packets_refused_total{reason=\"no rtcp\"}") == 1; }));
}

// The phone holds: candidates and credentials stay, the version grows, the answer is taken at once.
TEST_F(Anchored, AHoldPassesAndChangesNothingOfThePath) {
  const auto up = call_out();
  expect_media(told(up.ok), far);
  const auto hold =
      pass({.cseq = 2, .to = "w", .sdp = phone_sdp(phone.address(), "a=sendonly\r\n")}, Crossing::from_phone);
  const auto before = ua::parse_sdp(up.invite.sdp), after = ua::parse_sdp(hold.sdp);
  ASSERT_TRUE(before && after);
  EXPECT_TRUE(after->media[0].has("sendonly"));
  EXPECT_EQ(after->media[0].values("candidate"), before->media[0].values("candidate"));
  EXPECT_EQ(after->media[0].value("ice-ufrag"), before->media[0].value("ice-ufrag"));
  EXPECT_EQ(before->origin.substr(before->origin.find(' ', 2), 3), " 1 ");
  EXPECT_EQ(after->origin.substr(after->origin.find(' ', 2), 3), " 2 ");
  respond(*hold.leg, {.cseq = 2, .status = 200, .to = "w", .sdp = answer(far, hold.sdp)}, Crossing::to_phone);
  expect_media(told(up.ok), far);
  // As RFC 2543 had it: no other address may hide it.
  const auto old =
      pass({.cseq = 3, .to = "w", .sdp = phone_sdp({net::Ip::v4(0), 4000})}, Crossing::from_phone);
  EXPECT_NE(old.sdp.find("a=sendonly"), std::string::npos) << old.sdp;
}

TEST_F(Anchored, ARestartFromOutsideIsFollowed) {
  const auto up = call_out();
  expect_media(told(up.ok), far);
  far_restarts();
  const LocalMedia offered = far_media(far);
  const auto again =
      pass({.cseq = 7, .from = "w", .to = "p", .sdp = ua::make_offer(offered, 2, 2)}, Crossing::to_phone);
  const std::string ok = respond(
      *again.leg, {.cseq = 7, .status = 200, .from = "w", .to = "p", .sdp = phone_sdp(phone.address())},
      Crossing::from_phone);
  EXPECT_NE(ua::parse_sdp(ok)->media[0].value("ice-ufrag"),
            ua::parse_sdp(up.invite.sdp)->media[0].value("ice-ufrag"));
  const int before = far.connected;
  take(far, offered, ok);
  EXPECT_TRUE(far.wait([&] { return far.connected > before; })) << far.why;
  EXPECT_EQ(told(again.sdp), told(up.ok));  // the phone need not move
  expect_media(told(up.ok), far);
}

// Both of a call that goes on, or begins, with nobody at the other end yet.
TEST_F(Anchored, WhoBeginsHisChecksLateIsStillFound) {
  auto invite = pass({.sdp = phone_sdp(phone.address())}, Crossing::from_phone);
  const std::string ok = respond(
      *invite.leg, {.status = 200, .to = "w", .sdp = answer_of_nobody_yet(invite.sdp)}, Crossing::to_phone);
  EXPECT_FALSE(wait([] { return false; }, ua::limits::kNominationPatience + 300ms));
  begin_checks(invite.sdp);
  expect_media(told(ok), far);
}

TEST_F(Anchored, WhoAnswersWhileItRingsMayBeginHisChecksWhenHeLifts) {
  start({.patience = {.search = 0s}});
  auto invite = pass({.sdp = phone_sdp(phone.address())}, Crossing::from_phone);
  const std::string answer = answer_of_nobody_yet(invite.sdp);
  const std::string early =
      respond(*invite.leg, {.status = 183, .to = "w", .sdp = answer}, Crossing::to_phone);
  EXPECT_FALSE(wait([] { return false; }, ua::limits::kNominationPatience + 300ms));
  respond(*invite.leg, {.status = 200, .to = "w", .sdp = answer}, Crossing::to_phone);
  begin_checks(invite.sdp);
  expect_media(told(early), far);
}

TEST_F(Anchored, AnOfferOfThePhoneLooksForAWayThatIsNotThere) {
  start({.patience = {.search = 0s}});
  auto invite = pass({.sdp = phone_sdp(phone.address())}, Crossing::from_phone);
  const std::string ok = respond(
      *invite.leg, {.status = 200, .to = "w", .sdp = answer_of_nobody_yet(invite.sdp)}, Crossing::to_phone);
  EXPECT_FALSE(wait([] { return false; }, ua::limits::kNominationPatience + 300ms));
  const auto again = pass({.cseq = 2, .to = "w", .sdp = phone_sdp(phone.address())}, Crossing::from_phone);
  EXPECT_NE(ufrag_of(again.sdp), ufrag_of(invite.sdp));
  far_restarts();
  respond(*again.leg, {.cseq = 2, .status = 200, .to = "w", .sdp = answer(far, again.sdp)},
          Crossing::to_phone);
  expect_media(told(ok), far);
}

// RFC 3264 8 with RFC 3261 13.2.1: asked for an offer, the other side makes one with new credentials.
TEST_F(Anchored, ARestartInAResponseIsFollowed) {
  const auto up = call_out();
  expect_media(told(up.ok), far);
  far_restarts();
  const LocalMedia offered = far_media(far);
  const auto again = pass({.cseq = 2, .to = "w"}, Crossing::from_phone);
  const std::string ok =
      respond(*again.leg, {.cseq = 2, .status = 200, .to = "w", .sdp = ua::make_offer(offered, 2, 2)},
              Crossing::to_phone);
  EXPECT_EQ(told(ok), told(up.ok)) << ok;
  const int before = far.connected;
  const auto ack =
      pass({.method = "ACK", .cseq = 2, .to = "w", .sdp = phone_sdp(phone.address())}, Crossing::from_phone);
  take(far, offered, ack.sdp);
  EXPECT_TRUE(far.wait([&] { return far.connected > before; })) << far.why;
  expect_media(told(up.ok), far);
}

TEST_F(Anchored, AChangeThatIsRefusedChangesNothing) {
  const auto up = call_out();
  expect_media(told(up.ok), far);
  const Socket other;
  const auto moved = pass({.cseq = 2, .to = "w", .sdp = phone_sdp(other.address())}, Crossing::from_phone);
  respond(*moved.leg, {.cseq = 2, .status = 488, .to = "w"}, Crossing::to_phone);
  expect_media(told(up.ok), far);
}

TEST_F(Anchored, OfTwoWhoAnswerTheOneWhoTakesTheCallHasTheMedia) {
  Side second(far_thread, {});
  auto invite = pass({.sdp = phone_sdp(phone.address())}, Crossing::from_phone);
  respond(*invite.leg, {.status = 486, .to = "u"}, Crossing::to_phone);
  respond(*invite.leg, {.status = 183, .to = "v", .sdp = answer(second, invite.sdp)}, Crossing::to_phone);
  const std::string early =
      respond(*invite.leg, {.status = 183, .to = "w", .sdp = answer(far, invite.sdp)}, Crossing::to_phone);
  ASSERT_TRUE(second.wait([&] { return second.connected > 0; })) << second.why;
  respond(*invite.leg, {.status = 200, .to = "w", .sdp = answer(far, invite.sdp)}, Crossing::to_phone);
  expect_media(told(early), far);
  // One who lifts later is given up by a BYE of his own.
  respond(*invite.leg, {.status = 200, .to = "v", .sdp = ""}, Crossing::to_phone);
  pass({.method = "BYE", .cseq = 2, .to = "v"}, Crossing::from_phone);
  expect_media(told(early), far);
}

TEST_F(Anchored, WhatFailsLeavesNothing) {
  auto invite = pass({.sdp = phone_sdp(phone.address())}, Crossing::from_phone);
  EXPECT_EQ(anchors->calls(), 1u);
  respond(*invite.leg, {.status = 486, .to = "w"}, Crossing::to_phone);
  invite.leg.reset();  // the transaction is over
  EXPECT_EQ(anchors->calls(), 0u);
  // Cancelled while it waits.
  { const auto waiting = show({.sdp = phone_sdp(phone.address())}, Crossing::from_phone); }
  EXPECT_TRUE(wait([&] { return anchors->calls() == 0; }));
}

TEST_F(Anchored, ThereAreSoManyAndNoMore) {
  start({.most_calls = 3, .most_of_user = 2});
  std::vector<Passed> calls;
  for (const char* id : {"1", "2"})
    calls.push_back(pass({.sdp = phone_sdp(phone.address()), .call = id}, Crossing::from_phone));
  EXPECT_EQ(pass({.sdp = phone_sdp(phone.address()), .call = "3"}, Crossing::from_phone).refused, 503);
  EXPECT_EQ(count("anchor_refused_total{reason=\"calls of user\"}"), 1u);
  calls.push_back(pass({.call = "4"}, Crossing::from_phone, "bob"));
  EXPECT_EQ(pass({.call = "5"}, Crossing::from_phone, "bob").refused, 503);
  EXPECT_EQ(count("anchor_refused_total{reason=\"calls\"}"), 1u);
  EXPECT_EQ(count("anchor_calls"), 3u);
  calls.clear();
  EXPECT_EQ(pass({.call = "6"}, Crossing::from_phone, "bob").refused, 0);
}

TEST_F(Anchored, WithoutAFreePortThereIsNoCall) {
  start({.ports = {20000, 20001}});
  const auto first = pass({.call = "1"}, Crossing::from_phone);
  EXPECT_EQ(first.refused, 0);
  EXPECT_EQ(pass({.call = "2"}, Crossing::from_phone).refused, 503);
  EXPECT_EQ(count("anchor_refused_total{reason=\"ports\"}"), 1u);
}

TEST_F(Anchored, WithoutAnAddressThereIsNoCall) {
  start({.local_addresses = {*net::Ip::parse("192.0.2.1")}});  // not of this machine
  EXPECT_EQ(pass({}, Crossing::from_phone).refused, 503);
  EXPECT_EQ(count("anchor_refused_total{reason=\"no path\"}"), 1u);
  EXPECT_EQ(anchors->calls(), 0u);
}

TEST_F(Anchored, WithoutDescriptorsThereIsNoCall) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const auto open_now = static_cast<rlim_t>(std::distance(
      std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator()));
  rlimit low = before;
  low.rlim_cur = open_now + limits::kFreeDescriptors / 2;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  const int refused = pass({}, Crossing::from_phone).refused;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(refused, 503);
  EXPECT_EQ(count("anchor_refused_total{reason=\"descriptors\"}"), 1u);
  EXPECT_EQ(pass({}, Crossing::from_phone).refused, 0);
}

TEST_F(Anchored, WhatCannotBeCarriedIsRefused) {
  for (const char* bad :
       {"v=0\r\n", "nonsense", "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nt=0 0\r\nm=video 9 RTP/AVP 99\r\n"}) {
    EXPECT_EQ(pass({.sdp = bad}, Crossing::from_phone).refused, 488) << bad;
    EXPECT_EQ(pass({.from = "w", .sdp = bad}, Crossing::to_phone).refused, 488) << bad;
  }
  EXPECT_EQ(anchors->calls(), 0u);
  EXPECT_EQ(count("anchor_refused_total{reason=\"description\"}"), 6u);
}

// The peer was started anew, say: the next INVITE makes it a call again.
TEST_F(Anchored, AnOfferInACallThatIsNotKnownIsRefused) {
  for (const char* method : {"UPDATE", "PRACK"}) {
    const Text text{.method = method, .cseq = 2, .to = "w", .sdp = phone_sdp(phone.address())};
    EXPECT_EQ(pass(text, Crossing::from_phone).refused, 488) << method;
    EXPECT_EQ(pass({.method = method, .cseq = 3, .to = "w"}, Crossing::from_phone).refused, 0) << method;
  }
  EXPECT_EQ(count("anchor_refused_total{reason=\"no call\"}"), 2u);
  EXPECT_EQ(pass({.cseq = 4, .to = "w", .sdp = phone_sdp(phone.address())}, Crossing::from_phone).refused, 0);
}

TEST_F(Anchored, AnOfferThatWaitsWhenItsCallEndsIsRefused) {
  const auto up = call_out();
  far_restarts();
  const auto again = show({.cseq = 7, .from = "w", .to = "p", .sdp = ua::make_offer(far_media(far), 2, 2)},
                          Crossing::to_phone);
  ASSERT_FALSE(again->done);
  bye();
  EXPECT_TRUE(wait([&] { return again->done; }));
  EXPECT_EQ(again->refused, 481);
  EXPECT_EQ(count("anchor_refused_total{reason=\"no call\"}"), 1u);
}

TEST_F(Anchored, RelaysThatAreNotFoundAreNotWaitedForLong) {
  relays_answer = false;
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(pass({.sdp = phone_sdp(phone.address())}, Crossing::from_phone).refused, 0);
  const auto took = std::chrono::steady_clock::now() - begun;
  EXPECT_GE(took, limits::kRelayPatience - 50ms);  // counted from the turn in which it began
  EXPECT_LT(took, limits::kRelayPatience + 2500ms);
}

TEST_F(Anchored, SilenceEndsACall) {
  start({.patience = {.silence = 300ms}});
  const Socket plain;
  auto invite = pass({.sdp = phone_sdp(phone.address())}, Crossing::from_phone);
  respond(*invite.leg, {.status = 200, .to = "w", .sdp = phone_sdp(plain.address())}, Crossing::to_phone);
  EXPECT_TRUE(wait([&] { return anchors->calls() == 0; }, 3s));
  EXPECT_EQ(count("anchor_silent_total"), 1u);
  EXPECT_EQ(respond(*invite.leg, {.status = 200, .to = "w", .sdp = "as it is"}, Crossing::to_phone),
            "as it is");
}

// A browser calls, say: its media is encrypted on its side, and the phone never knows.
TEST_F(Anchored, WhoWantsEncryptedMediaHasIt) {
  struct Browser final : ua::Media::Events {
    void on_gathered(LocalMedia found) override { local = std::move(found); }
    void on_connected(std::string, ua::LocalMedia) override {}
    void on_failed(std::string because) override { why = std::move(because); }
    std::optional<LocalMedia> local;
    std::string why;
  } browser;
  auto media =
      *ua::Media::make({.local_addresses = {kHere}, .keying = ua::Keying::dtls_srtp, .codecs = {"PCMU"}},
                       *loop, far_thread, browser);
  media->gather(true);
  ASSERT_TRUE(wait([&] { return browser.local.has_value(); })) << browser.why;
  const auto invite = pass({.from = "w", .sdp = ua::make_offer(*browser.local, 2, 1)}, Crossing::to_phone);
  EXPECT_NE(invite.sdp.find(" RTP/AVP "), std::string::npos) << invite.sdp;
  EXPECT_EQ(invite.sdp.find("fingerprint"), std::string::npos) << invite.sdp;
  const std::string ok =
      respond(*invite.leg, {.status = 200, .from = "w", .to = "p", .sdp = phone_sdp(phone.address())},
              Crossing::from_phone);
  const auto answer = ua::read_answer(ok, *browser.local);
  ASSERT_TRUE(answer) << answer.error().message << ok;
  media->set_remote(*answer);
  media->set_direction(ua::Direction::sendrecv);
  EXPECT_TRUE(wait([&] {
    phone.send(told(invite.sdp), rtp("0123456789"));
    return media->statistics().secured && media->statistics().packets_received > 0;
  })) << browser.why;
  EXPECT_NE(phone.next(), "");
}

// ---- who is taken for the phone

TEST_F(Anchored, StrangersAreNotHeard) {
  const auto up = call_out();
  expect_media(told(up.ok), far);
  const Socket stranger(net::Ip::v4(0x7f000002)), beside;
  stranger.send(told(up.ok), rtp("from a stranger"));
  beside.send(told(up.ok), rtp("from the same address, while the phone talks"));
  phone.send(told(up.ok), "\x80");
  EXPECT_TRUE(wait([&] { return count("anchor_packets_refused_total{reason=\"malformed\"}") == 1; }));
  EXPECT_EQ(count("anchor_packets_refused_total{reason=\"source\"}"), 2u);
  EXPECT_TRUE(far.hears(rtp("from the phone")));
}

// Symmetric RTP: the phone has named an address that a NAT hides.
TEST_F(Anchored, APhoneBehindANatIsHeardAndAnsweredWhereItIs) {
  auto invite = pass({.sdp = phone_sdp({net::Ip::v4(0x0a000005), 4000})}, Crossing::from_phone);
  const std::string ok =
      respond(*invite.leg, {.status = 200, .to = "w", .sdp = answer(far, invite.sdp)}, Crossing::to_phone);
  ASSERT_TRUE(far.wait([&] { return far.connected > 0; }));
  EXPECT_TRUE(far.send(rtp("too early")));
  EXPECT_TRUE(wait([&] { return count("anchor_packets_refused_total{reason=\"no phone\"}") == 1; }));
  expect_media(told(ok), far);
}

// Its NAT has another address now, and it goes on naming its own.
TEST_F(Anchored, APhoneThatMovesIsFollowedWhenItSaysSo) {
  const std::string sdp = phone_sdp({net::Ip::v4(0x0a000005), 4000});
  auto invite = pass({.sdp = sdp}, Crossing::from_phone);
  const std::string ok =
      respond(*invite.leg, {.status = 200, .to = "w", .sdp = answer(far, invite.sdp)}, Crossing::to_phone);
  expect_media(told(ok), far);
  const Socket moved(net::Ip::v4(0x7f000002));
  moved.send(told(ok), rtp("too early"));
  EXPECT_TRUE(wait([&] { return count("anchor_packets_refused_total{reason=\"source\"}") == 1; }));
  signals_from = moved.address().ip;
  const auto again = pass({.cseq = 2, .to = "w", .sdp = sdp}, Crossing::from_phone);
  respond(*again.leg, {.cseq = 2, .status = 200, .to = "w", .sdp = answer(far, again.sdp)},
          Crossing::to_phone);
  EXPECT_TRUE(wait([&] {
    moved.send(told(ok), rtp("from elsewhere"));
    return far.hears(rtp("from elsewhere"), 20ms);
  }));
  EXPECT_TRUE(far.send(rtp("from far")));
  EXPECT_EQ(moved.next(), "from far");
}

TEST_F(Anchored, APhoneIsToldAnAddressOfTheFamilyThatItUses) {
  far.gather();
  const std::string offer = ua::make_offer(far_media(far), 2, 1);
  for (const char* known : {"192.0.2.9", "2001:db8::9"}) {
    const auto advertised = *net::Ip::parse(known);
    start({.advertise = advertised});
    const auto invite = pass({.from = "w", .sdp = offer}, Crossing::to_phone);
    EXPECT_EQ(told(invite.sdp).ip, advertised.is_v4() ? advertised : kHere);
  }
}

TEST_F(Anchored, APhoneThatFloodsIsCut) {
  const auto up = call_out();
  expect_media(told(up.ok), far);
  for (int i = 0; i < 2 * limits::kMaxFromPhone; ++i) {
    phone.send(told(up.ok), rtp("flood"));
    if (i % 64 == 0) std::this_thread::sleep_for(1ms);
  }
  EXPECT_TRUE(wait([&] { return count("anchor_packets_refused_total{reason=\"rate\"}") > 0; }));
}

}  // namespace
}  // namespace causeway::anchor::test
