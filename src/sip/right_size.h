// What is kept for the linger time of a transaction should not sit in a block made for more.
#pragma once

#include "base/buffer.h"

namespace causeway::sip {

// The same bytes, in a smaller block if theirs is more than twice as large as it need be.
inline base::Buffer right_sized(base::Buffer bytes) {
  if (bytes.capacity() <= 1024 || 2 * bytes.size() >= bytes.capacity()) return bytes;
  return base::Buffer::copy_of(bytes.view());
}

}  // namespace causeway::sip
