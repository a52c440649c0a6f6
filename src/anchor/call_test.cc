// A call by itself, with candidates that the test gives it.
#include "anchor/call.h"

#include "anchor/world_test.h"

namespace causeway::anchor::test {
namespace {

using Is = Call::Result::Is;

class OneCall : public World {
 protected:
  OneCall() { bridge->open(*open_ports(kHere, {20000, 29999}, random), kHere); }
  ~OneCall() override { bridge->close(); }

  Is take(const Text& text, Crossing crossing) {
    const std::string bytes = write(text);
    sip::Message message;
    EXPECT_TRUE(message.parse(bytes)) << bytes;
    return call.take(message, crossing).is;
  }
  static ua::LocalMedia media(const std::string& ufrag) {
    ua::LocalMedia media;
    media.codecs = {{0, "PCMU", 8000, 1, {}}};
    media.credentials = {ufrag, "a password of 22 chars"};
    for (char& c : media.credentials.password)
      if (c == ' ') c = '+';
    media.default_rtp = {kHere, 4000};
    media.candidates = {{.foundation = "1", .address = media.default_rtp}};
    return media;
  }
  // What the world says, with these credentials.
  static std::string world_sdp(const std::string& ufrag) { return ua::make_offer(media(ufrag), 2, 1); }

  base::Random random;
  base::Metrics metrics;
  MediaMetrics media_metrics{metrics};
  const Destinations destinations{{*net::Range::parse("127.0.0.0/8")}, metrics.counter("refused", "")};
  ua::MediaThread thread;
  std::shared_ptr<Bridge> bridge =
      std::make_shared<Bridge>(thread, media_metrics, Bridge::User{}, Bridge::Patience{});
  Call call{"alice", "call-1", {kHere, 20000}, 1, "", bridge, destinations};
};

TEST_F(OneCall, GoesOnAsItWasWhenNothingIsGatheredForARestart) {
  const std::string phone_says = phone_sdp(phone.address());
  EXPECT_EQ(take({.sdp = phone_says}, Crossing::from_phone), Is::waits);
  call.gathered(media("mine"));
  EXPECT_EQ(take({.sdp = phone_says}, Crossing::from_phone), Is::changed);
  EXPECT_EQ(take({.status = 200, .to = "w", .sdp = world_sdp("first")}, Crossing::to_phone), Is::changed);
  const Text restart{.cseq = 7, .from = "w", .to = "p", .sdp = world_sdp("second")};
  EXPECT_EQ(take(restart, Crossing::to_phone), Is::waits);
  EXPECT_FALSE(call.is_ready());
  call.gathered(std::nullopt);
  EXPECT_TRUE(call.is_ready());
  EXPECT_EQ(take(restart, Crossing::to_phone), Is::no_way);
  EXPECT_EQ(take({.cseq = 2, .to = "w", .sdp = phone_says}, Crossing::from_phone), Is::changed);
  EXPECT_EQ(take({.cseq = 8, .from = "w", .to = "p", .sdp = world_sdp("first")}, Crossing::to_phone),
            Is::changed);
  // It may try again.
  EXPECT_EQ(take({.cseq = 9, .from = "w", .to = "p", .sdp = world_sdp("second")}, Crossing::to_phone),
            Is::waits);
}

TEST_F(OneCall, IsOverWhenNothingWasEverGathered) {
  EXPECT_EQ(take({.sdp = phone_sdp(phone.address())}, Crossing::from_phone), Is::waits);
  call.gathered(std::nullopt);
  EXPECT_EQ(take({.sdp = phone_sdp(phone.address())}, Crossing::from_phone), Is::no_way);
}

}  // namespace
}  // namespace causeway::anchor::test
