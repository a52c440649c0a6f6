// What is asked and answered over peer links: what is read and written again is the same.
#include <cstdlib>
#include <cstring>

#include "overlay/address_bytes.h"
#include "overlay/link_messages.h"

using namespace causeway;

namespace {

template <class Message>
void round_trip(base::Result<Message> (*decode)(std::span<const std::uint8_t>),
                std::span<const std::uint8_t> in) {
  const auto message = decode(in);
  if (!message) return;
  const base::Bytes once = overlay::encode(*message);
  const auto again = decode(once);
  if (!again || overlay::encode(*again) != once) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  round_trip(overlay::decode_link_question, {data, size});
  round_trip(overlay::decode_link_answer, {data, size});
  if (const auto address = overlay::read_address({data, size})) {
    std::uint8_t again[18];
    if (overlay::put_address(*address, again) != size || std::memcmp(again, data, size) != 0) std::abort();
  }
  return 0;
}
