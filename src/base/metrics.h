// Counters and gauges: everything that is refused, dropped, limited or worth watching is counted.
// A counter is a plain integer of one thread: counting costs one increment.
//
//   struct ProxyMetrics {
//     base::Counter& forwarded;
//     explicit ProxyMetrics(base::Metrics& m)
//         : forwarded(m.counter("proxy_forwarded_total", "requests sent on")) {}
//   };
//
// Names are Prometheus style; labels are part of the name text: `x_total{reason="malformed"}`.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace causeway::base {

struct Counter {
  std::uint64_t value = 0;
  void operator++() noexcept { ++value; }
  void add(std::uint64_t n) noexcept { value += n; }
  void set(std::uint64_t n) noexcept { value = n; }  // as a gauge
};

class Metrics {
 public:
  struct Row {
    std::string name;
    std::string help;
    Counter counter;
  };
  // The same name gives the same counter. References stay valid as long as the registry.
  Counter& counter(std::string_view name, std::string_view help);
  const std::deque<Row>& rows() const { return rows_; }
  // 0 for a name that nobody has registered: a test that mistypes one fails.
  std::uint64_t value(std::string_view name) const;

 private:
  std::deque<Row> rows_;
};

}  // namespace causeway::base
