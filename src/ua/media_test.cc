// Two Media on loopback: real sockets, real time, offers and answers as in a call.
#include "ua/media.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/epoll_loop.h"
#include "ua/limits.h"
#include "ua/media_session.h"
#include "ua/tones_for_test.h"

namespace causeway::ua {
namespace {

using namespace std::chrono_literals;

struct End final : Media::Events {
  void on_gathered(LocalMedia gathered) override { local = std::move(gathered); }
  void on_connected(std::string path, LocalMedia) override { pair = std::move(path); }
  void on_failed(std::string because) override { why = std::move(because); }
  void on_dtmf(char digit) override { digits += digit; }
  void on_first_audio() override { ++first_audio; }

  std::optional<LocalMedia> local;
  std::string pair, why, digits;
  int first_audio = 0;
  std::unique_ptr<Media> media;
};

struct Calls : ::testing::Test {
  std::unique_ptr<base::Loop> loop = base::make_epoll_loop();
  MediaThread thread;
  test::Folder folder;
  End a, b;
  LocalMedia capable;

  void make(Keying keying, const std::string& codec) {
    MediaConfig config{.local_addresses = {net::Ip::v4(0x7f000001)}, .keying = keying, .codecs = {codec}};
    config.play_wav = folder.write("low.wav", 8000, test::tone(8000, 440, 20));
    config.record_wav = folder.file("a.wav");
    a.media = *Media::make(config, *loop, thread, a);
    config.play_wav = folder.write("high.wav", 16000, test::tone(16000, 880, 20));
    config.record_wav = folder.file("b.wav");
    b.media = *Media::make(config, *loop, thread, b);
    capable = *capabilities(config);
  }
  template <class What>
  bool wait(What what, base::Duration patience = 8s) {
    for (base::Duration waited{}; waited < patience && !what(); waited += 10ms) loop->run_for(10ms);
    return what();
  }
  // One offer and its answer.
  void negotiate(std::uint32_t version) {
    const std::string offer = make_offer(*a.local, 1, version);
    const auto offered = read_offer(offer, capable);
    ASSERT_TRUE(offered) << offered.error().message;
    if (!b.local) {
      b.media->gather(false);
      ASSERT_TRUE(wait([&] { return b.local.has_value(); }));
    }
    const std::string answer = make_answer(*b.local, *offered, offer, 2, version);
    const auto answered = read_answer(answer, *a.local);
    ASSERT_TRUE(answered) << answered.error().message;
    b.media->set_remote(*offered);
    a.media->set_remote(*answered);
  }
  void connect(Keying keying, const std::string& codec) {
    make(keying, codec);
    a.media->gather(true);
    ASSERT_TRUE(wait([&] { return a.local.has_value(); }));
    negotiate(1);
    ASSERT_TRUE(wait([&] { return a.first_audio && b.first_audio; })) << a.why << b.why;
  }
  double heard(const std::string& name, double frequency, double from, double to) const {
    const test::Recording all = test::read_wav(folder.file(name));
    return test::amplitude_of(all.seconds(from, to), all.rate, frequency);
  }
};

struct EveryCall : Calls, ::testing::WithParamInterface<std::tuple<Keying, const char*>> {};

TEST_P(EveryCall, TonesAndKeysArriveAtTheOtherEnd) {
  const auto [keying, codec] = GetParam();
  connect(keying, codec);
  a.media->send_dtmf("159");
  b.media->send_dtmf("D");
  EXPECT_TRUE(wait([&] { return b.digits == "159" && a.digits == "D"; })) << b.digits << a.digits;
  loop->run_for(1500ms);
  const MediaStatistics there = b.media->statistics(), here = a.media->statistics();
  EXPECT_EQ(here.codec, codec);
  EXPECT_EQ(here.secured, keying == Keying::dtls_srtp);
  EXPECT_EQ(here.packets_refused, 0U);
  EXPECT_EQ(there.packets_lost, 0);
  EXPECT_GT(there.packets_received, 60U);
  EXPECT_NE(a.pair.find("host 127.0.0.1:"), std::string::npos) << a.pair;
  a.media.reset();
  b.media.reset();
  const double end = static_cast<double>(test::read_wav(folder.file("a.wav")).samples.size()) / 16000;
  // Of 8,000, less what a busy machine plays too late; audio_session_test has it to the frame, in virtual
  // time.
  EXPECT_GT(heard("a.wav", 880, end - 1.2, end - 0.2), 1500);
  EXPECT_GT(heard("b.wav", 440, end - 1.2, end - 0.2), 1500);
  EXPECT_LT(heard("a.wav", 440, end - 1.2, end - 0.2), 600);
  EXPECT_EQ(a.why, "");
}

INSTANTIATE_TEST_SUITE_P(Loopback, EveryCall,
                         ::testing::Combine(::testing::Values(Keying::plain, Keying::dtls_srtp),
                                            ::testing::Values("PCMA", "opus")),
                         [](const auto& test) {
                           return std::string(std::get<1>(test.param)) +
                                  (std::get<0>(test.param) == Keying::plain ? "Plain" : "Secured");
                         });

TEST_F(Calls, HoldAndBack) {
  connect(Keying::dtls_srtp, "PCMA");
  a.media->set_direction(Direction::inactive);
  a.local->direction = b.local->direction = Direction::inactive;
  negotiate(2);
  loop->run_for(300ms);
  const auto before = b.media->statistics().packets_received;
  loop->run_for(500ms);
  EXPECT_EQ(b.media->statistics().packets_received, before);
  a.media->set_direction(Direction::sendrecv);
  a.local->direction = b.local->direction = Direction::sendrecv;
  negotiate(3);
  EXPECT_TRUE(wait([&] { return b.media->statistics().packets_received > before + 20; }));
  EXPECT_EQ(a.why + b.why, "");
}

TEST_F(Calls, ANewPathIsFoundAndMediaGoesOn) {
  connect(Keying::dtls_srtp, "PCMA");
  a.local.reset();
  a.media->restart_ice();
  ASSERT_TRUE(wait([&] { return a.local.has_value(); }));
  const std::string offer = make_offer(*a.local, 1, 2);
  const auto offered = read_offer(offer, capable);
  ASSERT_TRUE(offered);
  b.local.reset();
  b.media->set_remote(*offered);
  ASSERT_TRUE(wait([&] { return b.local.has_value(); }));
  const auto answered = read_answer(make_answer(*b.local, *offered, offer, 2, 2), *a.local);
  ASSERT_TRUE(answered);
  a.pair.clear();
  a.media->set_remote(*answered);
  EXPECT_TRUE(wait([&] { return !a.pair.empty(); })) << a.why;
  const auto before = b.media->statistics().packets_received;
  EXPECT_TRUE(wait([&] { return b.media->statistics().packets_received > before + 30; }));
}

// RFC 5761 5.1.3, RFC 3605: without ICE, and without rtcp-mux in the answer or in the offer.
struct RtcpApart : Calls, ::testing::WithParamInterface<bool> {};

TEST_P(RtcpApart, ReportsComeOnPortsOfTheirOwn) {
  make(Keying::plain, "PCMA");
  a.media->gather(true, true);
  b.media->gather(false, true);
  ASSERT_TRUE(wait([&] { return a.local && b.local; }));
  a.local->ice = b.local->ice = capable.ice = false;
  ASSERT_TRUE(a.local->default_rtcp && b.local->default_rtcp);
  EXPECT_NE(a.local->default_rtcp->port, a.local->default_rtp.port);
  const auto without_mux = [](std::string text) {
    const std::string line = "a=rtcp-mux\r\n";
    if (const auto found = text.find(line); found != text.npos) text.erase(found, line.size());
    return text;
  };
  std::string offer = make_offer(*a.local, 1, 1);
  if (GetParam()) offer = without_mux(offer);
  const auto offered = read_offer(offer, capable);
  ASSERT_TRUE(offered) << offered.error().message;
  RemoteMedia old_phone = *offered;  // that knows no rtcp-mux, whatever it is offered
  old_phone.rtcp_mux = false;
  old_phone.rtcp = a.local->default_rtcp;
  const std::string answer = make_answer(*b.local, old_phone, without_mux(offer), 2, 1);
  EXPECT_EQ(answer.find("rtcp-mux"), answer.npos);
  const auto answered = read_answer(answer, *a.local);
  ASSERT_TRUE(answered) << answered.error().message;
  EXPECT_EQ(answered->rtcp, b.local->default_rtcp);
  b.media->set_remote(old_phone);
  a.media->set_remote(*answered);
  EXPECT_TRUE(
      wait([&] { return a.media->statistics().round_trip && b.media->statistics().round_trip; }, 25s));
  EXPECT_EQ(a.media->statistics().packets_refused + b.media->statistics().packets_refused, 0U);
}

INSTANTIATE_TEST_SUITE_P(In, RtcpApart, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Offer" : "Answer"; });

TEST_F(Calls, WhoGoesHearsNothingMore) {
  make(Keying::dtls_srtp, "PCMA");
  a.media->gather(true);
  a.media.reset();
  loop->run_for(500ms);
  EXPECT_FALSE(a.local);
  make(Keying::plain, "opus");
  a.media.reset();  // before anything has happened
}

TEST_F(Calls, WhatCannotBeOpenedIsSaid) {
  const auto made = Media::make({.play_wav = folder.file("nothing.wav")}, *loop, thread, a);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("nothing.wav"), std::string::npos);
  const auto codec = Media::make({.codecs = {"G729"}}, *loop, thread, a);
  ASSERT_FALSE(codec);
  EXPECT_NE(codec.error().message.find("G729"), std::string::npos);
}

TEST_F(Calls, RefusalsCanBeSeen) {
  make(Keying::plain, "PCMA");
  const auto rows = a.media->counters();
  EXPECT_TRUE(std::ranges::any_of(
      rows, [](const auto& row) { return row.name == "ua_packets_refused_total{reason=\"malformed\"}"; }));
}

// ---- what sessions have counted, for everybody to see

struct Quiet final : SessionUser {
  void on_media_up(const std::string& path) override { pair = path; }
  void on_path_lost(const std::string&) override {}
  void on_media_failed(const std::string&) override {}
  std::string pair;
};

struct Counted : Calls {
  base::Metrics metrics;
  base::Random random{1};
  MediaSessions sessions{*loop,  thread,
                         random, {.local_addresses = {net::Ip::v4(0x7f000001)}, .keying = Keying::plain},
                         true,   metrics};
  Quiet alice, bob;

  std::string description(const std::function<void(Session::Done)>& ask) {
    std::optional<base::Result<std::string>> said;
    ask([&](base::Result<std::string> text) { said = std::move(text); });
    EXPECT_TRUE(wait([&] { return said.has_value(); }));
    return said && *said ? **said : "";
  }
};

TEST_F(Counted, RefusedDescriptionsAndCandidates) {
  auto caller = sessions.make(alice, {}, true), callee = sessions.make(bob, {}, false);
  EXPECT_EQ(description([&](auto done) { callee->answer("v=0", done); }), "");
  EXPECT_EQ(metrics.value("ua_descriptions_refused_total"), 1U);
  std::string offer = description([&](auto done) { caller->offer(done); });
  offer += "a=candidate:9 1 udp 1 224.0.0.1 5000 typ host\r\na=candidate:nonsense\r\n";
  for (int i = 1; i <= 40; ++i)
    offer += fmt::format("a=candidate:{} 1 udp 1 192.0.2.{} 5000 typ host\r\n", i, i);
  const std::string answer = description([&](auto done) { callee->answer(offer, done); });
  EXPECT_FALSE(caller->accept("v=0"));
  ASSERT_TRUE(caller->accept(answer));
  EXPECT_TRUE(wait([&] { return !alice.pair.empty() && !bob.pair.empty(); }));
  sessions.collect();
  EXPECT_EQ(metrics.value("ua_candidates_refused_total{reason=\"malformed\"}"), 2U);
  EXPECT_GT(metrics.value("ua_candidates_refused_total{reason=\"too many\"}"), 0U);
  EXPECT_EQ(metrics.value("ua_descriptions_refused_total"), 2U);
  // Once, however often it is asked for, and with the session gone, too.
  callee.reset();
  sessions.collect();
  EXPECT_EQ(metrics.value("ua_candidates_refused_total{reason=\"malformed\"}"), 2U);
}

TEST_F(Counted, PathsThatAreNotFound) {
  auto caller = sessions.make(alice, {}, true);
  const std::string offer = description([&](auto done) { caller->offer(done); });
  auto remote = read_offer(offer, *capabilities({.keying = Keying::plain}));
  ASSERT_TRUE(remote);
  LocalMedia nobody = *capabilities({.keying = Keying::plain});
  nobody.credentials = {"nobody", "nobodynobodynobodynobody"};
  nobody.default_rtp = *net::Address::parse("127.0.0.1:9");
  ASSERT_TRUE(caller->accept(make_answer(nobody, *remote, offer, 1, 1)));
  caller->talk();
  EXPECT_TRUE(wait(
      [&] {
        sessions.collect();
        return metrics.value("ua_paths_not_found_total") == 1;
      },
      limits::kConnectPatience + 2s));
}

}  // namespace
}  // namespace causeway::ua
