#include "base/msgpack.h"

#include <gtest/gtest.h>

namespace causeway::base {
namespace {

std::string written(auto&& write) {
  MsgpackWriter writer;
  write(writer);
  return hex(writer.data());
}

TEST(Msgpack, ShortestForms) {
  const std::pair<std::uint64_t, const char*> numbers[] = {{0, "00"},
                                                           {127, "7f"},
                                                           {128, "cc80"},
                                                           {255, "ccff"},
                                                           {256, "cd0100"},
                                                           {65535, "cdffff"},
                                                           {65536, "ce00010000"},
                                                           {0xffffffff, "ceffffffff"},
                                                           {0x100000000, "cf0000000100000000"},
                                                           {UINT64_MAX, "cfffffffffffffffff"}};
  for (const auto& [value, encoded] : numbers) {
    EXPECT_EQ(written([&](auto& w) { w.uint(value); }), encoded);
    const Bytes bytes = *from_hex(encoded);
    MsgpackReader reader(bytes);
    EXPECT_EQ(reader.uint(), value);
    EXPECT_TRUE(reader.ok() && reader.at_end());
  }
  EXPECT_EQ(written([](auto& w) { w.text("abc"); }), "a3616263");
  EXPECT_EQ(written([](auto& w) { w.bytes(as_bytes("abc")); }), "c403616263");
  EXPECT_EQ(written([](auto& w) { w.nil(); }), "c0");
  EXPECT_EQ(written([](auto& w) { w.array(0); }), "90");
  EXPECT_EQ(written([](auto& w) { w.array(15); }), "9f");
  EXPECT_EQ(written([](auto& w) { w.array(16); }), "dc0010");
  EXPECT_EQ(written([](auto& w) { w.array(65536); }), "dd00010000");
}

TEST(Msgpack, EveryLengthComesBack) {
  for (std::size_t n : {0u, 1u, 15u, 16u, 31u, 32u, 255u, 256u, 65535u, 65536u}) {
    MsgpackWriter writer;
    const std::string text(n, 'x');
    writer.text(text);
    writer.bytes(as_bytes(text));
    writer.array(n);
    for (std::size_t i = 0; i < n; ++i) writer.uint(1);
    MsgpackReader reader(writer.data());
    EXPECT_EQ(reader.text(n), text) << n;
    const auto bytes = reader.bytes(n);
    ASSERT_TRUE(bytes) << n;
    EXPECT_EQ(as_text(*bytes), text);
    EXPECT_EQ(reader.array(n), n);
    EXPECT_TRUE(reader.ok());
  }
}

TEST(Msgpack, LongerFormsAreRefused) {
  for (const char* bad : {"cc00", "cc7f", "cd00ff", "ce0000ffff", "cf00000000ffffffff"}) {
    const Bytes bytes = *from_hex(bad);
    EXPECT_FALSE(MsgpackReader(bytes).uint()) << bad;
    EXPECT_FALSE(MsgpackReader(bytes).skip()) << bad;
  }
  const Bytes text8 = *from_hex("d90161"), text16 = *from_hex("da000161"), bytes16 = *from_hex("c5000161"),
              bytes32 = *from_hex("c60000000161"), array16 = *from_hex("dc000101"),
              array32 = *from_hex("dd0000000101");
  EXPECT_FALSE(MsgpackReader(text8).text(9));
  EXPECT_FALSE(MsgpackReader(text16).text(9));
  EXPECT_FALSE(MsgpackReader(bytes16).bytes(9));
  EXPECT_FALSE(MsgpackReader(bytes32).bytes(9));
  EXPECT_FALSE(MsgpackReader(array16).array(9));
  EXPECT_FALSE(MsgpackReader(array32).array(9));
}

TEST(Msgpack, OtherTypesAreRefused) {
  for (const char* other : {"c2", "c3", "e0", "ff", "d0ff", "80", "c1", "ca00000000", "d40000"}) {
    const Bytes bytes = *from_hex(other);
    MsgpackReader reader(bytes);
    EXPECT_FALSE(reader.skip()) << other;
    EXPECT_FALSE(reader.ok());
  }
}

TEST(Msgpack, LimitsHold) {
  const Bytes five = *from_hex("a56162636465");
  EXPECT_FALSE(MsgpackReader(five).text(4));
  EXPECT_TRUE(MsgpackReader(five).text(5));
  const Bytes array = *from_hex("93010203");
  EXPECT_FALSE(MsgpackReader(array).array(2));
  // Promises more than there is.
  for (const char* cut :
       {"", "a561", "c4", "c4ff61", "c6ffffffff61", "cc", "cf01", "94010203", "ddffffffff01"}) {
    const Bytes bytes = *from_hex(cut);
    EXPECT_FALSE(MsgpackReader(bytes).skip()) << cut;
    EXPECT_FALSE(MsgpackReader(bytes).text(SIZE_MAX)) << cut;
    EXPECT_FALSE(MsgpackReader(bytes).bytes(SIZE_MAX)) << cut;
    EXPECT_FALSE(MsgpackReader(bytes).array(SIZE_MAX)) << cut;
    EXPECT_FALSE(MsgpackReader(bytes).uint()) << cut;
  }
}

TEST(Msgpack, AMismatchIsFinal) {
  const Bytes bytes = *from_hex("0102");
  MsgpackReader reader(bytes);
  EXPECT_FALSE(reader.text(5));
  EXPECT_FALSE(reader.ok());
  EXPECT_FALSE(reader.uint());
  EXPECT_FALSE(reader.nil());
  EXPECT_FALSE(reader.skip());
}

TEST(Msgpack, NilIsOptional) {
  const Bytes bytes = *from_hex("c005");
  MsgpackReader reader(bytes);
  EXPECT_TRUE(reader.nil());
  EXPECT_FALSE(reader.nil());
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.uint(), 5u);
  EXPECT_FALSE(reader.nil());
}

TEST(Msgpack, SkipKeepsTheBytesAndHasABottom) {
  const Bytes bytes = *from_hex("9291a16105c0");
  MsgpackReader reader(bytes);
  const auto value = reader.skip(2);
  ASSERT_TRUE(value);
  EXPECT_EQ(hex(*value), "9291a16105");
  EXPECT_EQ(reader.offset(), 5u);
  EXPECT_FALSE(MsgpackReader(bytes).skip(1));
  const Bytes deep(100000, 0x91);
  EXPECT_FALSE(MsgpackReader(deep).skip(50));
}

}  // namespace
}  // namespace causeway::base
