#include "overlay/msgpack_shape.h"
#include "base/limits.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "base/random.h"

namespace causeway::overlay {
namespace {

bool shape(std::string_view hex) { return is_one_msgpack_value(*base::from_hex(hex)); }

TEST(MsgpackShape, EveryKindOfValueIsUnderstood) {
  for (std::string_view hex : {"00",
                               "7f",
                               "e0",
                               "ff",
                               "c0",
                               "c2",
                               "c3",
                               "80",
                               "90",
                               "a0",
                               "a161",
                               "c40101",
                               "c5000101",
                               "c60000000101",
                               "c7010001",
                               "c800010001",
                               "c9000000010001",
                               "ca00000000",
                               "cb0000000000000000",
                               "cc00",
                               "cd0000",
                               "ce00000000",
                               "cf0000000000000000",
                               "d000",
                               "d10000",
                               "d200000000",
                               "d30000000000000000",
                               "d40000",
                               "d5000000",
                               "d60000000000",
                               "d7000000000000000000",
                               "d80000000000000000000000000000000000",
                               "d90161",
                               "da000161",
                               "db0000000161",
                               "dc000100",
                               "dd0000000100",
                               "de00010000",
                               "df000000010000",
                               "8100928090",
                               "92909190"})
    EXPECT_TRUE(shape(hex)) << hex;
}

TEST(MsgpackShape, TruncatedTrailingUnknownAndBoastfulAreRefused) {
  for (std::string_view hex :
       {"", "c1", "0000", "a1", "a26100ff", "c4", "c402ff", "c6ffffffff00", "c7ff", "dd", "dd00",
        "dd1000000000", "ddffffffffc0", "dfffffffff0000", "df800000000000", "81", "8100", "92c0", "cb00"})
    EXPECT_FALSE(shape(hex)) << hex;
}

TEST(MsgpackShape, DepthIsLimited) {
  std::string nested(2 * limits::kMaxDepth, '9');
  for (std::size_t i = 1; i < nested.size(); i += 2) nested[i] = '1';
  EXPECT_TRUE(shape(nested + "c0"));
  EXPECT_FALSE(shape("91" + nested + "c0"));
}

TEST(MsgpackShape, RandomBytesNeverReadPastTheEnd) {
  base::Random random(1);
  for (int i = 0; i < 20000; ++i) {
    base::Bytes junk(random.below(64));
    random.fill(junk);
    is_one_msgpack_value(junk);
  }
}

}  // namespace
}  // namespace causeway::overlay
