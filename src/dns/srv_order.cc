#include "dns/srv_order.h"

#include <algorithm>

namespace causeway::dns {

namespace {

// RFC 2782, "Weight": records of weight 0 stand first in the running sum, so they have a small chance.
std::size_t draw(const std::vector<Srv>& from, std::size_t begin, std::size_t end, base::Random& random) {
  std::uint64_t total = 0;
  for (std::size_t i = begin; i < end; ++i) total += from[i].weight;
  std::uint64_t mark = random.below(total + 1), sum = 0;
  for (std::size_t i = begin; i < end; ++i)
    if ((sum += from[i].weight) >= mark) return i;
  return end - 1;
}

}  // namespace

std::vector<Srv> in_order(std::vector<Srv> records, base::Random& random) {
  std::erase_if(records, [](const Srv& r) { return r.target.empty(); });
  std::ranges::stable_sort(records, [](const Srv& a, const Srv& b) {
    return a.priority != b.priority ? a.priority < b.priority : (a.weight == 0) > (b.weight == 0);
  });
  for (std::size_t i = 0; i < records.size(); ++i) {
    std::size_t end = i;
    while (end < records.size() && records[end].priority == records[i].priority) ++end;
    std::size_t chosen = draw(records, i, end, random);
    // rotate, not swap: the zeros stay in front
    std::rotate(records.begin() + static_cast<std::ptrdiff_t>(i),
                records.begin() + static_cast<std::ptrdiff_t>(chosen),
                records.begin() + static_cast<std::ptrdiff_t>(chosen) + 1);
  }
  return records;
}

}  // namespace causeway::dns
