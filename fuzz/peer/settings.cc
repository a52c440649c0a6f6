// The settings of a peer, all of them: whatever a file says is taken or refused with a reason, and what was
// taken can be written as a sample that says the same.
#include <cstdlib>

#include "base/encoding.h"
#include "peer/config.h"

using namespace causeway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  peer::Config config;
  auto table = peer::settings(config);
  const auto read = table.read_text(base::as_text({data, size}), "peer.toml");
  if (!read) {
    if (!read.error().message.starts_with("peer.toml:")) std::abort();
    return 0;
  }
  (void)peer::check(config);
  const std::string sample = table.sample();
  peer::Config again;
  auto second = peer::settings(again);
  if (!second.read_text(sample, "sample") || second.sample() != sample) std::abort();
  return 0;
}
