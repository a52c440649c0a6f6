// The shape of overlay datagrams: no input is read past its end or takes more than a glance, and what is
// accepted is refused with one byte less or more.
#include "overlay/msgpack_shape.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

using causeway::overlay::is_one_msgpack_value;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> bytes(data, data + size);
  if (!is_one_msgpack_value(bytes)) return 0;
  bytes.push_back(0);
  if (is_one_msgpack_value(bytes)) std::abort();
  bytes.resize(size - 1);
  if (is_one_msgpack_value(bytes)) std::abort();
  return 0;
}
