#include "anchor/exchange.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace causeway::anchor {
namespace {

using proxy::Crossing;
using Part = Exchange::Part;

constexpr auto kPhone = Crossing::from_phone;
constexpr auto kWorld = Crossing::to_phone;

struct Step {
  Crossing by;
  const char* method;
  int number;
  int status;  // 0: a request
  Part is;
};

Part part(Exchange& exchange, const Step& step) {
  const std::string text = fmt::format(
      "{}\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:f@a>;tag=f\r\nTo: <sip:t@a>;tag=t\r\n"
      "Call-ID: c\r\nCSeq: {} {}\r\nContent-Length: 0\r\n\r\n",
      step.status ? fmt::format("SIP/2.0 {} Said", step.status)
                  : fmt::format("{} sip:x@a SIP/2.0", step.method),
      step.number, step.method);
  sip::Message message;
  EXPECT_TRUE(message.parse(text)) << text;
  const Part is = exchange.part_of(message, step.by);
  if (is == Part::answer) exchange.close();
  return is;
}

struct Conversation {
  const char* name;
  std::vector<Step> steps;
};
class Exchanges : public ::testing::TestWithParam<Conversation> {};

TEST_P(Exchanges, AreReadAsMeant) {
  Exchange exchange;
  for (const Step& step : GetParam().steps)
    EXPECT_EQ(part(exchange, step), step.is) << step.method << " " << step.number << " " << step.status;
}

INSTANTIATE_TEST_SUITE_P(In, Exchanges,
                         ::testing::Values(Conversation{"InviteAnd200",
                                                        {{kPhone, "INVITE", 1, 0, Part::offer},
                                                         {kWorld, "INVITE", 1, 200, Part::answer}}},
                                           Conversation{"EarlyAndOnceMore",
                                                        {{kWorld, "INVITE", 1, 0, Part::offer},
                                                         {kPhone, "INVITE", 1, 183, Part::answer},
                                                         {kPhone, "INVITE", 1, 200, Part::again}}},
                                           Conversation{"200AndAck",
                                                        {{kPhone, "INVITE", 1, 200, Part::offer},
                                                         {kPhone, "INVITE", 1, 200, Part::offer},
                                                         {kWorld, "ACK", 1, 0, Part::answer},
                                                         {kWorld, "ACK", 1, 0, Part::again}}},
                                           Conversation{"ReliableAndPrack",
                                                        {{kWorld, "INVITE", 1, 183, Part::offer},
                                                         {kPhone, "PRACK", 2, 0, Part::answer},
                                                         {kPhone, "PRACK", 3, 0, Part::offer},
                                                         {kWorld, "PRACK", 3, 200, Part::answer}}},
                                           Conversation{"UpdateWhileItRings",
                                                        {{kPhone, "INVITE", 1, 0, Part::offer},
                                                         {kWorld, "INVITE", 1, 183, Part::answer},
                                                         {kPhone, "UPDATE", 2, 0, Part::offer},
                                                         {kWorld, "UPDATE", 2, 200, Part::answer},
                                                         {kWorld, "INVITE", 1, 200, Part::again}}},
                                           Conversation{"Forked",
                                                        {{kPhone, "INVITE", 1, 0, Part::offer},
                                                         {kWorld, "INVITE", 1, 183, Part::answer},
                                                         {kWorld, "INVITE", 1, 180, Part::again},
                                                         {kWorld, "INVITE", 1, 200, Part::again}}},
                                           Conversation{"HeldByTheOther",
                                                        {{kPhone, "INVITE", 1, 0, Part::offer},
                                                         {kWorld, "INVITE", 1, 200, Part::answer},
                                                         {kWorld, "INVITE", 1, 0, Part::offer},
                                                         {kPhone, "INVITE", 1, 200, Part::answer}}},
                                           Conversation{"AnAckThatAnswersNothing",
                                                        {{kPhone, "INVITE", 1, 0, Part::offer},
                                                         {kWorld, "INVITE", 1, 200, Part::answer},
                                                         {kPhone, "ACK", 1, 0, Part::none}}}),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace causeway::anchor
