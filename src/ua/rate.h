// So many in every second, counted from the first one in it.
#pragma once

#include "base/time.h"

namespace causeway::ua {

class Rate {
 public:
  explicit Rate(int most) : most_(most) {}
  bool takes_one(base::Instant now) {
    if (now - since_ >= std::chrono::seconds(1)) {
      since_ = now;
      count_ = 0;
    }
    return count_++ < most_;
  }

 private:
  const int most_;
  int count_ = 0;
  base::Instant since_{};
};

}  // namespace causeway::ua
