// A session with a phone that knows no ICE, on loopback: nobody is at the phone's port.
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
  void on_media_up(const std::string&) override { up = true; }
  void on_path_lost(const std::string&) override {}
  void on_media_failed(const std::string& why) override { ADD_FAILURE() << why; }
  bool up = false;
};

TEST(MediaSession, NothingIsPlayedBeforeItIsTimeToTalk) {
  const auto loop = base::make_epoll_loop();
  MediaThread thread;
  base::Random random;
  base::Metrics metrics;
  MediaSessions sessions(
      *loop, thread, random,
      {.local_addresses = {net::Ip::v4(0x7f000001)}, .keying = Keying::plain, .codecs = {"PCMU"}}, true,
      metrics);
  User user;
  const auto session = sessions.make(user, {}, false);
  const auto wait = [&](auto what) {
    for (int i = 0; i < 500 && !what(); ++i) loop->run_for(10ms);
    return what();
  };
  std::string answer;
  session->answer(kOffer, [&](base::Result<std::string> made) { answer = made.value_or("none"); });
  ASSERT_TRUE(wait([&] { return user.up; })) << answer;
  loop->run_for(200ms);
  EXPECT_EQ(session->figures().packets_sent, 0u);
  session->talk();
  EXPECT_TRUE(wait([&] { return session->figures().packets_sent > 0; }));
}

}  // namespace
}  // namespace causeway::ua
