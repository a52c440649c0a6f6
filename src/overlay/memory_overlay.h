// An overlay in memory, for tests of what stands above: a world that holds the records, and members
// that put, get and listen.
//
//   MemoryOverlayWorld world(loop, "p2psip.org", authority.key(), metrics, 25ms);
//   auto first = world.join();
//   auto second = world.join();
//
// A put reaches the world after `delay`, an answer comes `delay` after the question. Without a delay,
// or if a member is alone, a get is answered at once. Listeners are always called in a later turn.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "overlay/overlay.h"
#include "overlay/record_set.h"

namespace causeway::overlay {

class MemoryOverlay;

class MemoryOverlayWorld {
 public:
  MemoryOverlayWorld(base::Loop& loop, std::string domain, identity::PublicKey authority,
                     base::Metrics& metrics, base::Duration delay = base::Duration::zero());
  ~MemoryOverlayWorld();  // after all members
  MemoryOverlayWorld(const MemoryOverlayWorld&) = delete;
  MemoryOverlayWorld& operator=(const MemoryOverlayWorld&) = delete;

  std::unique_ptr<Engine> join();

  // Puts these bytes under the URI as a hostile holder would: unchecked. Readers must ignore them.
  void plant(std::string uri, base::Bytes encoded);

 private:
  friend class MemoryOverlay;
  void store(const Record& record);
  std::vector<Record> under(std::string_view uri);

  base::Loop& loop_;
  RecordChecker checker_;
  base::Duration delay_;
  std::map<std::string, RecordSet, std::less<>> records_;
  std::multimap<std::string, base::Bytes, std::less<>> planted_;
  std::vector<MemoryOverlay*> members_;
  base::Counter& refused_;
};

}  // namespace causeway::overlay
