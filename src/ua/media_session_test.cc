// Sessions on loopback in real time.
#include "ua/media_session.h"

#include <gtest/gtest.h>

#include "base/epoll_loop.h"
#include "base/metrics.h"

namespace causeway::ua {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kOffer =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

struct User final : SessionUser {
  void on_reoffer() override { ++reoffers; }
  void on_media_up(const std::string&) override { up = true; }
  void on_path_lost(const std::string&) override {}
  void on_media_failed(const std::string& why) override { ADD_FAILURE() << why; }
  bool up = false;
  int reoffers = 0;
};

struct MediaSessionTest : testing::Test {
  std::unique_ptr<base::Loop> loop = base::make_epoll_loop();
  MediaThread thread;
  base::Random random;
  base::Metrics metrics;
  MediaSessions sessions{
      *loop,  thread,
      random, {.local_addresses = {net::Ip::v4(0x7f000001)}, .keying = Keying::plain, .codecs = {"PCMU"}},
      true,   metrics};
  User user;

  bool wait(std::function<bool()> what) {
    for (int i = 0; i < 500 && !what(); ++i) loop->run_for(10ms);
    return what();
  }
};

// Nobody is at the phone's port, and it knows no ICE.
TEST_F(MediaSessionTest, NothingIsPlayedBeforeItIsTimeToTalk) {
  const auto session = sessions.make(user, {}, false);
  std::string answer;
  session->answer(kOffer, [&](base::Result<std::string> made) { answer = made.value_or("none"); });
  ASSERT_TRUE(wait([&] { return user.up; })) << answer;
  loop->run_for(200ms);
  EXPECT_EQ(session->figures().packets_sent, 0u);
  session->talk();
  EXPECT_TRUE(wait([&] { return session->figures().packets_sent > 0; }));
}

TEST_F(MediaSessionTest, APhoneOfRfc5245ThatIsSilentIsToldOfThePathAgain) {
  User phone_user;
  const auto session = sessions.make(user, {}, true), phone = sessions.make(phone_user, {}, false);
  session->offer([&](base::Result<std::string> offer) {
    phone->answer(offer.value(), [&](base::Result<std::string> answer) {
      constexpr std::string_view kIce2 = "a=ice-options:ice2\r\n";
      const std::size_t at = answer.value().find(kIce2);
      ASSERT_NE(at, std::string::npos);
      EXPECT_TRUE(session->accept(answer.value().erase(at, kIce2.size())));
    });
  });
  ASSERT_TRUE(wait([&] { return user.up && phone_user.up; }));
  session->talk();
  const int told = user.reoffers;
  EXPECT_TRUE(wait([&] { return user.reoffers > told; }));
  phone->talk();
  EXPECT_TRUE(wait([&] { return session->figures().packets_received > 0; }));
  loop->run_for(4s);
  EXPECT_EQ(user.reoffers, told + 1);
}

}  // namespace
}  // namespace causeway::ua
