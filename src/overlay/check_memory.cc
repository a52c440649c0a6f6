#include "overlay/check_memory.h"

#include <algorithm>

#include "base/limits.h"
#include "base/log.h"

namespace causeway::overlay {
namespace {

constexpr base::UnixMs kRememberRefusal = 5000;

}  // namespace

const Record* CheckMemory::check(std::span<const std::uint8_t> encoded, base::UnixMs now) {
  identity::Sha256 digest = identity::sha256(encoded);
  std::string hash(base::as_text(digest));
  if (auto it = by_hash_.find(hash); it != by_hash_.end()) {
    recent_.splice(recent_.begin(), recent_, it->second);
    if (now < it->second->until) return it->second->record.get();
    by_hash_.erase(it);
    recent_.pop_front();
  }
  Entry entry{std::move(hash), nullptr, now + kRememberRefusal};
  auto checked = checker_.check(encoded, {}, now);
  if (checked) {
    auto credential_end = static_cast<base::UnixMs>(checked->credential.not_after) * 1000;
    entry.until = std::min(checked->expiry, credential_end);
    entry.record = std::make_unique<Record>(std::move(*checked));
  } else {
    base::log::debug("overlay", "a record is refused: {}", checked.error().message);
  }
  if (recent_.size() >= limits::kMaxRememberedChecks) {
    by_hash_.erase(recent_.back().hash);
    recent_.pop_back();
  }
  recent_.push_front(std::move(entry));
  by_hash_.emplace(recent_.front().hash, recent_.begin());
  return recent_.front().record.get();
}

}  // namespace causeway::overlay
