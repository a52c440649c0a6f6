#include "overlay/record_set.h"

#include <algorithm>

#include "base/limits.h"

namespace causeway::overlay {

bool newer_version(const Record& a, const Record& than) {
  if (a.sequence != than.sequence) return a.sequence > than.sequence;
  if (a.is_tombstone() != than.is_tombstone()) return a.is_tombstone();
  return a.encoded > than.encoded;
}

bool RecordSet::add(const Record& record) {
  auto same = std::find_if(records_.begin(), records_.end(),
                           [&](const Record& r) { return r.credential.key == record.credential.key; });
  if (same != records_.end()) {
    if (!newer_version(record, *same)) return false;
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
