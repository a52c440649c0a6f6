#include "sip/late_responses.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace causeway::sip {
namespace {

class Late : public ::testing::Test {
 protected:
  Late() {
    late.set_locate(
        [this](const std::string& host, std::uint16_t, net::Transport, LateResponses::Found found) {
          EXPECT_EQ(host, "phone.example");
          looked_up = std::move(found);
        });
  }
  static Flow flow(std::uint64_t number) {
    return {.transport = net::Transport::tcp, .remote = {}, .connection = number};
  }

  std::uint64_t made = 1'000'000;
  std::vector<std::string> sent;
  base::Metrics metrics;
  LateResponses late{[this](const Target&) { return std::optional(flow(++made)); },
                     [this](const Flow&, base::Buffer bytes) { sent.emplace_back(bytes.view()); }, metrics};
  LateResponses::Found looked_up;
};

const std::string kDropped = "sip_late_responses_dropped_total";

TEST_F(Late, ResponsesOfOneConnectionThatWaitAreBounded) {
  late.expect(flow(1), "phone.example", 0);
  for (std::size_t i = 0; i < limits::kMaxLateResponses + 3; ++i)
    late.sent(flow(1), base::Buffer::copy_of(std::to_string(i)));
  EXPECT_EQ(metrics.value(kDropped), 3u);
  late.on_closed(flow(1));
  looked_up({Target{}});
  ASSERT_EQ(sent.size(), limits::kMaxLateResponses);
  EXPECT_EQ(sent.front(), "0");
}

TEST_F(Late, ConnectionsThatAreBeingMadeAreBounded) {
  for (std::uint64_t i = 1; i <= limits::kMaxLateConnections + 5; ++i)
    late.expect(flow(i), "phone.example", 0);
  EXPECT_EQ(metrics.value(kDropped), 5u);
  late.on_connected(flow(1));  // one is made: there is room for another
  late.expect(flow(2'000), "phone.example", 0);
  EXPECT_EQ(metrics.value(kDropped), 5u);
}

}  // namespace
}  // namespace causeway::sip
