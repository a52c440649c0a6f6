// Files that hold secrets.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace causeway::identity {

// Writes a file that only its owner can read, all or nothing (temporary file beside it, fsync, rename).
base::Status write_private_file(const std::string& path, std::string_view text);

// Reads such a file, at most 64 MB (a registrar's bundle with 300,000 accounts). Warns in the log if
// others than its owner may read it.
base::Result<std::string> read_private_file(const std::string& path);

}  // namespace causeway::identity
