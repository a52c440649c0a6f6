// The one rule, applied once to each distinct record: a lookup brings up to eight copies of the same
// bytes, a listener sees them again, and a signature costs 65 microseconds.
#pragma once

#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "overlay/record.h"

namespace causeway::overlay {

class CheckMemory {
 public:
  explicit CheckMemory(RecordChecker& checker) : checker_(checker) {}

  // As RecordChecker::check for any URI; nothing if it is refused. A refusal is remembered for a few
  // seconds only, since a wrong clock may be what was wrong. Valid until the next call.
  const Record* check(std::span<const std::uint8_t> encoded, base::UnixMs now);

 private:
  struct Entry {
    std::string hash;
    std::unique_ptr<Record> record;  // none: refused
    base::UnixMs until;
  };
  RecordChecker& checker_;
  std::list<Entry> recent_;  // latest use first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_hash_;
};

}  // namespace causeway::overlay
