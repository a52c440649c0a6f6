// How fast an agent checks what the other side has named (RFC 8839 5.5), on loopback.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "net/packet_batch.h"
#include "ua/ice_side_for_test.h"
#include "ua/limits.h"

namespace causeway::ua {
namespace {

using test::kHere;

// Nobody answers: how long it takes until so many of these have been asked once.
base::Duration time_of_checks(unsigned pacing) {
  constexpr std::size_t kAsked = 5;
  MediaThread thread;
  test::Side alice(thread, {.controlling = true});
  alice.gather();
  alice.media();
  std::vector<net::Descriptor> there;
  std::vector<pollfd> waiting;
  RemoteMedia theirs{.ice = IceCredentials{"abcd", "0123456789012345678901"}, .ice_pacing = pacing};
  for (std::size_t i = 0; i < 2 * kAsked; ++i) {
    const int fd = there.emplace_back(net::open_socket(kHere, SOCK_DGRAM)).get();
    EXPECT_TRUE(net::bind_to(fd, {kHere, 0}));
    waiting.push_back({fd, POLLIN, 0});
    theirs.candidates.push_back({.foundation = std::to_string(i),
                                 .priority = 1000 + static_cast<std::uint32_t>(i),
                                 .address = net::local_address(fd),
                                 .type = Candidate::Type::host,
                                 .related = {}});
  }
  const base::Instant begun = MediaThread::now();
  alice.set_remote(theirs);
  while (waiting.size() > kAsked && ::poll(waiting.data(), waiting.size(), 5000) > 0)
    std::erase_if(waiting, [](const pollfd& one) { return one.revents != 0; });
  EXPECT_LE(waiting.size(), kAsked);
  return MediaThread::now() - begun;
}

TEST(IcePacing, IsAsSlowAsTheSlowerOneWants) {
  const base::Duration slow = std::chrono::milliseconds(3 * limits::kMaxIcePacing);
  EXPECT_GE(time_of_checks(limits::kMaxIcePacing), slow);
  EXPECT_LT(time_of_checks(1), slow);
  EXPECT_LT(time_of_checks(0), slow);
}

}  // namespace
}  // namespace causeway::ua
