#include "overlay/held_records.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"

namespace causeway::overlay {

HeldRecords::Answer HeldRecords::add(const Record& record, Empty empty, base::UnixMs now) {
  identity::PeerId signer = record.signer();
  std::size_t hash = std::hash<std::string_view>{}(base::as_text(record.encoded));
  auto& under = by_uri_[record.uri];
  auto same = std::find_if(under.begin(), under.end(), [&](const Held& h) { return h.signer == signer; });
  if (same != under.end()) {
    if (hash == same->hash && record.sequence == same->sequence) {
      same->empty = std::move(empty);
      return Answer::known;
    }
    // Of two with the same sequence the tombstone counts, else the one that was there.
    bool newer = record.sequence > same->sequence ||
                 (record.sequence == same->sequence && record.is_tombstone() && !same->tombstone);
    if (!newer) return Answer::old;
    remove(*same);
    under.erase(same);
  } else if (under.size() >= limits::kMaxSignersPerKey) {
    expire_under(under, now);
  }
  std::size_t bytes = record.encoded.size();
  auto of_signer = bytes_of_.find(signer);
  std::size_t has = of_signer == bytes_of_.end() ? 0 : of_signer->second;
  if (under.size() >= limits::kMaxSignersPerKey || has + bytes > most_bytes_ / 2 ||
      bytes_ + bytes > most_bytes_) {
    if (under.empty()) by_uri_.erase(record.uri);
    return Answer::full;
  }
  under.push_back(
      {signer, record.sequence, record.expiry, record.is_tombstone(), hash, bytes, std::move(empty)});
  bytes_of_[signer] += bytes;
  ++records_;
  bytes_ += bytes;
  return Answer::stored;
}

void HeldRecords::remove(Held& held) {
  if (held.empty) held.empty();
  --records_;
  bytes_ -= held.bytes;
  auto of_signer = bytes_of_.find(held.signer);
  of_signer->second -= held.bytes;
  if (of_signer->second == 0) bytes_of_.erase(of_signer);
}

void HeldRecords::expire_under(std::vector<Held>& under, base::UnixMs now) {
  std::erase_if(under, [&](Held& held) {
    if (held.expiry > now) return false;
    remove(held);
    return true;
  });
}

void HeldRecords::expire(base::UnixMs now) {
  for (auto it = by_uri_.begin(); it != by_uri_.end();) {
    expire_under(it->second, now);
    it = it->second.empty() ? by_uri_.erase(it) : std::next(it);
  }
}

}  // namespace causeway::overlay
