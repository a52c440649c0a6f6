// The records under one URI: for each signer the one with the highest sequence, tombstones included.
#pragma once

#include <vector>

#include "overlay/record.h"

namespace causeway::overlay {

// Of two records of one signer the one that counts, as newest_per_signer has it: the higher sequence,
// then a tombstone, then the same one for everybody.
bool newer_version(const Record& a, const Record& than);

class RecordSet {
 public:
  // True if it is new, or newer than what was there from its signer. At most
  // limits::kMaxSignersPerKey are kept; further signers are refused.
  bool add(const Record& record);
  void drop_expired(base::UnixMs now);

  const std::vector<Record>& all() const { return records_; }
  bool empty() const { return records_.empty(); }
  // Something other than tombstones and what has expired.
  bool has_live(base::UnixMs now) const;

 private:
  std::vector<Record> records_;
};

}  // namespace causeway::overlay
