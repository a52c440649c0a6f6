// What is read as a branch of ours is one that we could have written.
#include <cstdlib>

#include "sip/branch.h"

using namespace causeway::sip;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto branch = read_branch(text);
  if (!branch) return 0;
  if (!has_magic_cookie(text)) std::abort();
  const auto again = read_branch(write_branch(*branch).view());
  if (!again || again->worker != branch->worker || again->block != branch->block ||
      again->nonce != branch->nonce || again->loop_hash != branch->loop_hash)
    std::abort();
  return 0;
}
