// The MessagePack reader: nothing crashes, and whatever skip() accepts is written back as the same
// bytes, so that a signature over a record means one value only.
#include "base/msgpack.h"

#include <cstdint>
#include <cstdlib>

using causeway::base::MsgpackReader;
using causeway::base::MsgpackWriter;

namespace {

// Copies one value of at most `depth` arrays inside each other.
bool copy(MsgpackReader& in, MsgpackWriter& out, int depth) {
  MsgpackReader as_uint = in, as_bytes = in, as_text = in, as_array = in;
  if (in.nil()) return out.nil(), true;
  if (const auto value = as_uint.uint()) return in = as_uint, out.uint(*value), true;
  if (const auto value = as_bytes.bytes(SIZE_MAX)) return in = as_bytes, out.bytes(*value), true;
  if (const auto value = as_text.text(SIZE_MAX)) return in = as_text, out.text(*value), true;
  const auto n = as_array.array(SIZE_MAX);
  if (!n || depth == 0) return false;
  in = as_array;
  out.array(*n);
  for (std::size_t i = 0; i < *n; ++i) {
    if (!copy(in, out, depth - 1)) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  MsgpackReader skipping({data, size}), copying({data, size});
  while (const auto value = skipping.skip(4)) {
    MsgpackWriter out;
    if (!copy(copying, out, 4)) std::abort();
    if (causeway::base::as_text(out.data()) != causeway::base::as_text(*value)) std::abort();
  }
  if (skipping.ok()) std::abort();  // even an empty rest is a mismatch for skip()
  return 0;
}
