// Datagrams of a member with any marks, at any time: each is delivered, and none is kept for ever.
// Input: pieces of four bytes: whose, which burst, which place, how long until the next; its place is its
// text.
#include <array>
#include <cstdlib>
#include <set>

#include "base/sim_loop.h"
#include "overlay/in_order.h"

using namespace causeway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::SimLoop loop;
  std::size_t taken = 0, delivered = 0;
  std::set<std::array<std::uint8_t, 3>> different;
  base::Metrics metrics;
  overlay::InOrder order(
      loop, metrics,
      [&](const net::Address&, std::span<const std::uint8_t> bytes) { delivered += bytes.size() == 3; },
      [] {});
  for (; size >= 4; data += 4, size -= 4) {
    const net::Address from{net::Ip::v4(0x0a000000u + (data[0] & 3)), 7400};
    order.take(from, {data[1], data[2]}, std::span(data, 3));
    ++taken;
    different.insert({static_cast<std::uint8_t>(data[0] & 3), data[1], data[2]});
    loop.run_for(base::Duration(data[3] & 0x3f));
  }
  loop.run_for(std::chrono::seconds(1));
  if (delivered > taken || delivered < different.size()) std::abort();  // of twins, one may be enough
  return 0;
}
