// What users share fairly: allocations, and bytes a second, each and all together.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/time.h"

namespace causeway::relay {

// Bytes that may pass: a second's worth at once. A rate of 0 is no bound.
class ByteRate {
 public:
  explicit ByteRate(std::int64_t per_second) : per_second_(static_cast<double>(per_second)) {}
  bool take(std::size_t bytes, base::Instant now) {
    if (per_second_ == 0) return true;
    used_ = std::max(0.0, used_ - std::chrono::duration<double>(now - filled_).count() * per_second_);
    filled_ = now;
    if (used_ + static_cast<double>(bytes) > per_second_) return false;
    used_ += static_cast<double>(bytes);
    return true;
  }

 private:
  double per_second_, used_ = 0;
  base::Instant filled_{};
};

struct QuotaLimits {
  std::int64_t allocations = 10'000, user_allocations = 32;
  std::int64_t bytes_per_second = 0, user_bytes_per_second = 0;  // 0: no bound
};

class Quota {
  struct Account {
    ByteRate rate;
    std::int64_t allocations = 0;
  };
  using User = std::pair<const std::string, Account>;

 public:
  // One allocation, or reserved port, of a user for as long as this lives. Must go before the Quota.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept { swap(other); }
    Share& operator=(Share&& other) noexcept {
      swap(other);
      return *this;
    }
    ~Share() {
      if (quota_) quota_->give_back(*user_);
    }
    explicit operator bool() const { return quota_ != nullptr; }
    std::string_view user() const { return user_->first; }
    // Bytes that are to be relayed for this user.
    bool take(std::size_t bytes, base::Instant now) {
      return user_->second.rate.take(bytes, now) && quota_->all_.take(bytes, now);
    }

   private:
    friend class Quota;
    Share(Quota& quota, User& user) : quota_(&quota), user_(&user) {}
    void swap(Share& other) {
      std::swap(quota_, other.quota_);
      std::swap(user_, other.user_);
    }
    Quota* quota_ = nullptr;
    User* user_ = nullptr;
  };

  explicit Quota(const QuotaLimits& limits) : limits_(limits), all_(limits.bytes_per_second) {}

  // False if the user, or the relay, has no more.
  Share take(const std::string& user) {
    if (full()) return {};
    auto [at, is_new] = users_.try_emplace(user, Account{ByteRate(limits_.user_bytes_per_second)});
    if (at->second.allocations >= limits_.user_allocations) return {};
    ++at->second.allocations;
    ++used_;
    return Share(*this, *at);
  }

  bool full() const { return used_ >= limits_.allocations; }
  std::int64_t used() const { return used_; }
  std::size_t users() const { return users_.size(); }

 private:
  void give_back(User& user) {
    --used_;
    if (--user.second.allocations == 0) users_.erase(user.first);
  }
  QuotaLimits limits_;
  std::int64_t used_ = 0;
  std::unordered_map<std::string, Account> users_;
  ByteRate all_;
};

}  // namespace causeway::relay
