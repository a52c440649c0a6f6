#include "base/metrics.h"

#include <gtest/gtest.h>

namespace causeway::base {
namespace {

TEST(Metrics, OneCounterPerNameThatStaysWhereItIs) {
  Metrics metrics;
  Counter& first = metrics.counter("first_total", "the first");
  for (int i = 0; i < 1000; ++i) metrics.counter("x" + std::to_string(i), "more");
  ++first;
  first.add(4);
  EXPECT_EQ(&metrics.counter("first_total", "another text"), &first);
  EXPECT_EQ(metrics.value("first_total"), 5u);
  EXPECT_EQ(metrics.value("x999"), 0u);
  EXPECT_EQ(metrics.value("mistyped"), 0u);
  EXPECT_EQ(metrics.rows().size(), 1001u);
  EXPECT_EQ(metrics.rows().front().help, "the first");
}

}  // namespace
}  // namespace causeway::base
