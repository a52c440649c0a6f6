#include "stun/framing.h"

#include <gtest/gtest.h>

#include "stun/vectors_for_test.h"

namespace causeway::stun {
namespace {

using testing::from_hex;
using State = Frame::State;

TEST(ChannelData, RoundTrip) {
  char bytes[8] = {0, 0, 0, 0, 'a', 'b', 'c', 'x'};
  write_channel_header(bytes, 0x4fff, 3);
  const auto data = parse_channel_data({bytes, sizeof bytes});
  ASSERT_TRUE(data);
  EXPECT_EQ(data->channel, 0x4fff);
  EXPECT_EQ(data->data, "abc");  // padding over UDP is passed over (RFC 8656 12.5)
  EXPECT_TRUE(parse_channel_data({bytes, 7}));
  EXPECT_FALSE(parse_channel_data({bytes, 6}));
  for (std::size_t n = 0; n < 4; ++n) EXPECT_FALSE(parse_channel_data({bytes, n}));
}

TEST(ChannelData, EmptyIsData) {
  const auto data = parse_channel_data(std::string_view("\x40\0\0\0", 4));
  ASSERT_TRUE(data);
  EXPECT_TRUE(data->data.empty());
}

TEST(ChannelData, OnlyNumbersOfTheRange) {
  for (unsigned first = 0; first < 256; ++first) {
    const std::string bytes{static_cast<char>(first), 0, 0, 0};
    EXPECT_EQ(parse_channel_data(bytes).has_value(), first >= 0x40 && first <= 0x7f) << first;
  }
  EXPECT_TRUE(is_channel(0x4000) && is_channel(0x7fff));
  EXPECT_FALSE(is_channel(0x3fff) || is_channel(0x8000));
}

TEST(Frames, ComeByteByByte) {
  const std::string channel = from_hex("40010005") + "hello" + std::string(3, '\0');
  const std::string stream = testing::kLongTerm + channel + testing::kRequest;
  std::vector<std::size_t> sizes;
  std::string seen;
  for (const char c : stream) {
    seen += c;
    const Frame frame = next_frame(seen, 1500);
    ASSERT_NE(frame.state, State::broken);
    if (frame.state == State::incomplete) {
      ASSERT_GT(frame.taken, seen.size());
      continue;
    }
    sizes.push_back(frame.size);
    ASSERT_EQ(frame.taken, seen.size());
    seen.clear();
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{testing::kLongTerm.size(), 9, testing::kRequest.size()}));
}

TEST(Frames, WhatCannotBeReadOn) {
  EXPECT_EQ(next_frame("\x16\x03\x01\x02\x01", 1500).state, State::broken);
  EXPECT_EQ(next_frame(from_hex("80000000"), 1500).state, State::broken);          // neither
  EXPECT_EQ(next_frame(from_hex("00010003"), 1500).state, State::broken);          // no multiple of 4
  EXPECT_EQ(next_frame(from_hex("0001000012345678"), 1500).state, State::broken);  // no cookie
  EXPECT_EQ(next_frame(from_hex("4000ffff"), 1500).state, State::broken);          // too long
  EXPECT_EQ(next_frame(from_hex("000105c8"), 1500).state, State::incomplete);      // 1,500 with the header
  EXPECT_EQ(next_frame(from_hex("000105cc"), 1500).state, State::broken);
}

}  // namespace
}  // namespace causeway::stun
