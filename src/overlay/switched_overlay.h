// The overlay of a peer that has first to find out whether it can be reached (peer/reachability.h): until
// then what is asked of it waits, then it is asked of the engine that fits, a node or public peers. It may be
// given another one later; who listens does not notice, who has put puts again.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/loop.h"
#include "overlay/overlay.h"

namespace causeway::overlay {

class SwitchedOverlay final : public Engine {
 public:
  explicit SwitchedOverlay(base::Loop& loop) : before_goes_(loop.timers(), [this] { before_.reset(); }) {}

  void become(std::unique_ptr<Engine> engine);
  bool decided() const { return engine_ != nullptr; }

  void put(const Record& record) override;
  void get(std::string_view uri, base::Duration patience, OnRecord on_record, OnDone on_done) override;
  ListenId listen(std::string_view uri, std::function<void(const Record&)> on_record) override;
  void unlisten(ListenId id) override;
  bool alone() const override { return engine_ && engine_->alone(); }
  void inspect(std::string_view uri, base::Duration patience,
               std::function<void(std::vector<Found>)> done) override;
  Health health() const override;

 private:
  struct Listener {
    std::string uri;
    std::function<void(const Record&)> on_record;
    ListenId at_engine = 0;
  };
  std::vector<base::Task> waiting_;  // until it is decided
  std::unordered_map<ListenId, Listener> listeners_;
  ListenId last_id_ = 0;
  std::unique_ptr<Engine> before_;  // while it may still owe answers
  base::Timer before_goes_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace causeway::overlay
