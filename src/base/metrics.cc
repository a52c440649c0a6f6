#include "base/metrics.h"

namespace causeway::base {

Counter& Metrics::counter(std::string_view name, std::string_view help) {
  for (Row& row : rows_) {
    if (row.name == name) return row.counter;
  }
  return rows_.emplace_back(Row{std::string(name), std::string(help), {}}).counter;
}

std::uint64_t Metrics::value(std::string_view name) const {
  for (const Row& row : rows_) {
    if (row.name == name) return row.counter.value;
  }
  return 0;
}

}  // namespace causeway::base
