#include "overlay/record_set.h"

#include <algorithm>

#include "overlay/limits.h"

namespace causeway::overlay {

bool RecordSet::add(const Record& record) {
  auto same = std::find_if(records_.begin(), records_.end(),
                           [&](const Record& r) { return r.credential.key == record.credential.key; });
  if (same != records_.end()) {
    if (record.sequence <= same->sequence) return false;
    *same = record;
    return true;
  }
  if (records_.size() >= limits::kMaxSignersPerKey) return false;
  records_.push_back(record);
  return true;
}

void RecordSet::drop_expired(base::UnixMs now) {
  std::erase_if(records_, [&](const Record& r) { return r.expiry <= now; });
}

bool RecordSet::has_live(base::UnixMs now) const {
  return std::any_of(records_.begin(), records_.end(),
                     [&](const Record& r) { return !r.is_tombstone() && r.expiry > now; });
}

}  // namespace causeway::overlay
