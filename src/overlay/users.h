// Where users are. Lookups are cached, and kept fresh by listening, for as long as the user is being
// called (kKeepAfterCall); a user nobody calls costs nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/limits.h"
#include "base/loop.h"
#include "overlay/overlay.h"

namespace causeway::overlay {

struct UserLookup {
  bool refused = false;               // too many others are being looked up: nothing is known
  bool known = false;                 // some record stands there, or stood (tombstone): 480 rather than 404
  std::vector<UserContact> contacts;  // by q, highest first
};

class Users {
 public:
  static constexpr base::Duration kKeepAfterCall = std::chrono::seconds(120);

  // `most`: users remembered.
  Users(base::Loop& loop, Overlay& overlay, base::Metrics& metrics,
        std::size_t most = limits::kMaxCachedUsers);
  ~Users();
  // `aor` in normal form. Calls `done` exactly once; at once if cached, or if the overlay is alone.
  // The first contact that comes answers a lookup that would otherwise wait; `done` gets what was
  // there within kGather of it.
  void find(std::string_view aor, std::function<void(const UserLookup&)> done);
  // What was put by this peer itself is seen at once.
  void learned(const Record& record);
  void forget(std::string_view aor);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::overlay
