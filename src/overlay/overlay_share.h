// One overlay for several threads: the engine stays on its own, every other thread has a client.
//
//   OverlayShare share(loop, engine);            on the engine's thread, and used there as the overlay
//   OverlayClient client(share.door(), loop);    on another thread, with that thread's loop
//
// A client's questions and puts go to the engine's loop as tasks; what comes of them comes back to its own
// loop the same way. So a get is never answered at once, not even alone(), which mirrors the engine's as of
// the end of its last turn.
//
// What one thread puts, all others learn at once (set_on_put), as its own Users do (Users::learned).
//
// A client may go before the share or after it; then nothing comes any more. The engine's loop must outlive
// both.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "overlay/overlay.h"

namespace causeway::overlay {

class OverlayDoor;
class ReturnPath;

class OverlayShare final : public Overlay {
 public:
  OverlayShare(base::Loop& loop, Overlay& engine);
  ~OverlayShare() override;
  // What clients are made with, on any thread.
  std::shared_ptr<OverlayDoor> door() const { return door_; }
  // Called with what other threads have put.
  void set_on_put(std::function<void(const Record&)> on_put);

  void put(const Record& record) override;
  void get(std::string_view uri, base::Duration patience, OnRecord on_record, OnDone on_done) override;
  ListenId listen(std::string_view uri, std::function<void(const Record&)> on_record) override;
  void unlisten(ListenId id) override;
  bool alone() const override;

 private:
  base::Loop& loop_;
  Overlay& engine_;
  std::shared_ptr<OverlayDoor> door_;
};

class OverlayClient final : public Overlay {
 public:
  OverlayClient(std::shared_ptr<OverlayDoor> door, base::Loop& loop);
  ~OverlayClient() override;
  // Called with what other threads have put.
  void set_on_put(std::function<void(const Record&)> on_put) { on_put_ = std::move(on_put); }

  void put(const Record& record) override;
  void get(std::string_view uri, base::Duration patience, OnRecord on_record, OnDone on_done) override;
  ListenId listen(std::string_view uri, std::function<void(const Record&)> on_record) override;
  void unlisten(ListenId id) override;
  bool alone() const override;

 private:
  friend class ReturnPath;
  using Id = std::uint64_t;
  struct Lookup {
    OnRecord on_record;
    OnDone on_done;
    std::vector<Record> found;
  };
  void found(Id id, const Record& record);
  void done(Id id, std::vector<Record> records);
  void heard(Id id, const Record& record);

  std::shared_ptr<OverlayDoor> door_;
  std::shared_ptr<ReturnPath> path_;
  std::function<void(const Record&)> on_put_;
  Id last_id_ = 0;
  std::map<Id, Lookup> lookups_;
  std::map<Id, std::function<void(const Record&)>> listeners_;
};

}  // namespace causeway::overlay
