// What this peer holds for others: decides which records it takes, so that nobody can fill it, and
// that an old version is never taken for a new one.
//
// A holder keeps one record for each signer and URI, the one with the highest sequence. The engine
// below cannot remove a value, so each record comes with a handle that is emptied when a newer version
// takes its place or when it expires.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/limits.h"
#include "base/metrics.h"
#include "overlay/record.h"

namespace causeway::overlay {

class HeldRecords {
 public:
  enum class Answer {
    stored,
    known,  // this version is there; the new handle takes the place of the old one
    old,    // a newer one of the same signer is there
    full,   // too many signers under the URI, or bytes, of this signer or all (limits.h)
  };
  // `empty` is called at most once, when the record has been replaced or has expired.
  using Empty = std::function<void()>;

  // Of all signers, and half of it of one.
  explicit HeldRecords(std::size_t most_bytes = limits::kMaxStored) : most_bytes_(most_bytes) {}

  Answer add(const Record& record, Empty empty, base::UnixMs now);
  void expire(base::UnixMs now);

  std::size_t records() const { return records_; }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Held {
    identity::PeerId signer;
    base::UnixMs sequence, expiry;
    bool tombstone;
    std::size_t hash;  // of the encoded record
    std::size_t bytes;
    Empty empty;
  };
  void remove(Held& held);
  void expire_under(std::vector<Held>& under, base::UnixMs now);

  std::size_t most_bytes_;
  std::unordered_map<std::string, std::vector<Held>> by_uri_;
  std::map<identity::PeerId, std::size_t> bytes_of_;  // per signer
  std::size_t records_ = 0, bytes_ = 0;
};

}  // namespace causeway::overlay
