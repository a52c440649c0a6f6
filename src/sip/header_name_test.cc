#include "sip/header_name.h"

#include <gtest/gtest.h>

#include <cctype>
#include <string>

namespace causeway::sip {
namespace {

struct Row {
  HeaderName id;
  std::string name;
  char compact;
};
const Row kRows[] = {
#define X(id, name, compact) {HeaderName::id, name, compact},
    CAUSEWAY_SIP_HEADERS(X)
#undef X
};

TEST(HeaderName, EveryNameInEveryCase) {
  for (const Row& row : kRows) {
    std::string upper = row.name, lower = row.name;
    for (char& c : upper) c = static_cast<char>(std::toupper(c));
    for (char& c : lower) c = static_cast<char>(std::tolower(c));
    EXPECT_EQ(find_header_name(row.name), row.id) << row.name;
    EXPECT_EQ(find_header_name(upper), row.id) << row.name;
    EXPECT_EQ(find_header_name(lower), row.id) << row.name;
    EXPECT_EQ(header_text(row.id), row.name);
  }
}

TEST(HeaderName, CompactForms) {
  for (const Row& row : kRows) {
    if (!row.compact) continue;
    EXPECT_EQ(find_header_name(std::string(1, row.compact)), row.id);
    EXPECT_EQ(find_header_name(std::string(1, static_cast<char>(std::toupper(row.compact)))), row.id);
  }
  EXPECT_EQ(find_header_name("s"), HeaderName::other);     // Subject: only carried
  EXPECT_EQ(find_header_name("\x16"), HeaderName::other);  // 'v' without its upper bits
  EXPECT_EQ(find_header_name("6"), HeaderName::other);
}

TEST(HeaderName, NearMissesAreOther) {
  for (const Row& row : kRows) {
    for (std::size_t i = 0; i < row.name.size(); ++i) {
      std::string near = row.name;
      near[i] = static_cast<char>(near[i] ^ 1);
      EXPECT_NE(find_header_name(near), row.id) << near;
      near[i] = static_cast<char>(row.name[i] ^ 0x80);
      EXPECT_NE(find_header_name(near), row.id) << near;
      if (!std::isalpha(static_cast<unsigned char>(row.name[i]))) {
        near[i] = static_cast<char>(row.name[i] ^ 0x20);  // '-' and CR differ in this bit only
        EXPECT_NE(find_header_name(near), row.id) << near;
      }
    }
    EXPECT_NE(find_header_name(row.name + "s"), row.id);
    const std::string shorter = row.name.substr(0, row.name.size() - 1);
    EXPECT_TRUE(shorter == "T" || find_header_name(shorter) != row.id) << shorter;
  }
  EXPECT_EQ(find_header_name(""), HeaderName::other);
  EXPECT_EQ(find_header_name(std::string(300, 'a')), HeaderName::other);
  EXPECT_EQ(header_text(HeaderName::other), "");
}

}  // namespace
}  // namespace causeway::sip
