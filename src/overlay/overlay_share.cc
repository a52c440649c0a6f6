#include "overlay/overlay_share.h"

#include <atomic>
#include <mutex>
#include <utility>

namespace causeway::overlay {

// How what comes of a client's questions gets back to it. The engine's thread holds one for each client.
class ReturnPath {
 public:
  ReturnPath(base::Loop& loop, OverlayClient& client) : loop_(&loop), client_(&client) {}

  // The engine's thread: `task` gets the client, on the client's thread, if it is still there.
  void send(std::function<void(OverlayClient&)> task, std::shared_ptr<ReturnPath> self) {
    const std::lock_guard lock(mutex_);
    if (!loop_) return;
    loop_->post_from_any_thread([self = std::move(self), task = std::move(task)] {
      if (self->client_) task(*self->client_);
    });
  }
  // The client's thread.
  bool is_open() const { return client_ != nullptr; }
  void close() {
    client_ = nullptr;
    const std::lock_guard lock(mutex_);
    loop_ = nullptr;
  }

  static void found(OverlayClient& c, OverlayClient::Id id, const Record& r) { c.found(id, r); }
  static void done(OverlayClient& c, OverlayClient::Id id, std::vector<Record> r) {
    c.done(id, std::move(r));
  }
  static void heard(OverlayClient& c, OverlayClient::Id id, const Record& r) { c.heard(id, r); }
  static void learned(OverlayClient& c, const Record& r) {
    if (c.on_put_) c.on_put_(r);
  }

  std::map<OverlayClient::Id, Overlay::ListenId>
      listening;  // the engine's thread; the client's ids to the engine's

 private:
  std::mutex mutex_;
  base::Loop* loop_;       // guarded by mutex_
  OverlayClient* client_;  // the client's thread
};

// What share, clients and tasks under way have in common. All but `alone` belongs to the engine's thread.
class OverlayDoor {
 public:
  OverlayDoor(base::Loop& loop, Overlay& served)
      : engine_loop(loop), alone(served.alone()), engine(&served) {}

  // Any thread: `task` runs on the engine's, unless the share has gone by then.
  static void ask(const std::shared_ptr<OverlayDoor>& door, std::function<void(OverlayDoor&)> task) {
    door->engine_loop.post_from_any_thread([door, task = std::move(task)] {
      if (door->engine) task(*door);
    });
  }

  void put(const Record& record, const ReturnPath* from) {
    engine->put(record);
    if (from && on_put) on_put(record);
    std::shared_ptr<const Record> shared;
    for (const auto& path : clients) {
      if (path.get() == from) continue;
      if (!shared) shared = std::make_shared<const Record>(record);
      path->send([shared](OverlayClient& client) { ReturnPath::learned(client, *shared); }, path);
    }
  }

  base::Loop& engine_loop;
  std::atomic<bool> alone;
  Overlay* engine;  // null when the share has gone
  std::function<void(const Record&)> on_put;
  std::vector<std::shared_ptr<ReturnPath>> clients;
};

// ---- the engine's thread

OverlayShare::OverlayShare(base::Loop& loop, Overlay& engine)
    : loop_(loop), engine_(engine), door_(std::make_shared<OverlayDoor>(loop, engine)) {
  loop_.at_end_of_turn(this, [this] { door_->alone.store(engine_.alone(), std::memory_order_relaxed); });
}

OverlayShare::~OverlayShare() {
  loop_.forget_end_of_turn(this);
  for (const auto& path : door_->clients)
    for (const auto& [theirs, ours] : path->listening) engine_.unlisten(ours);
  door_->clients.clear();
  door_->engine = nullptr;
}

void OverlayShare::set_on_put(std::function<void(const Record&)> on_put) {
  door_->on_put = std::move(on_put);
}
void OverlayShare::put(const Record& record) { door_->put(record, nullptr); }
void OverlayShare::get(std::string_view uri, base::Duration patience, OnRecord on_record, OnDone on_done) {
  engine_.get(uri, patience, std::move(on_record), std::move(on_done));
}
Overlay::ListenId OverlayShare::listen(std::string_view uri, std::function<void(const Record&)> on_record) {
  return engine_.listen(uri, std::move(on_record));
}
void OverlayShare::unlisten(ListenId id) { engine_.unlisten(id); }
bool OverlayShare::alone() const { return engine_.alone(); }

// ---- a client's thread

OverlayClient::OverlayClient(std::shared_ptr<OverlayDoor> door, base::Loop& loop)
    : door_(std::move(door)), path_(std::make_shared<ReturnPath>(loop, *this)) {
  OverlayDoor::ask(door_, [path = path_](OverlayDoor& d) { d.clients.push_back(path); });
}

OverlayClient::~OverlayClient() {
  path_->close();
  OverlayDoor::ask(door_, [path = path_](OverlayDoor& d) {
    for (const auto& [theirs, ours] : path->listening) d.engine->unlisten(ours);
    std::erase(d.clients, path);
  });
}

bool OverlayClient::alone() const { return door_->alone.load(std::memory_order_relaxed); }

void OverlayClient::put(const Record& record) {
  OverlayDoor::ask(door_, [path = path_, record](OverlayDoor& d) { d.put(record, path.get()); });
}

void OverlayClient::get(std::string_view uri, base::Duration patience, OnRecord on_record, OnDone on_done) {
  const Id id = ++last_id_;
  const bool each = static_cast<bool>(on_record);
  lookups_.emplace(id, Lookup{std::move(on_record), std::move(on_done), {}});
  OverlayDoor::ask(door_, [path = path_, id, each, uri = std::string(uri), patience](OverlayDoor& d) {
    OnRecord pass;
    if (each)
      pass = [path, id](const Record& record) {
        path->send([id, record](OverlayClient& client) { ReturnPath::found(client, id, record); }, path);
        return true;
      };
    d.engine->get(uri, patience, std::move(pass), [path, id](std::vector<Record> records) {
      path->send([id, records = std::move(records)](
                     OverlayClient& client) { ReturnPath::done(client, id, records); },
                 path);
    });
  });
}

void OverlayClient::found(Id id, const Record& record) {
  const auto lookup = lookups_.find(id);
  if (lookup == lookups_.end()) return;
  lookup->second.found.push_back(record);
  const auto path = path_;
  const auto on_record = lookup->second.on_record;  // it may destroy this client
  if (on_record(record) || !path->is_open()) return;
  auto all = std::move(lookups_.at(id).found);
  done(id, std::move(all));
}

void OverlayClient::done(Id id, std::vector<Record> records) {
  auto lookup = lookups_.extract(id);
  if (!lookup.empty()) lookup.mapped().on_done(std::move(records));
}

Overlay::ListenId OverlayClient::listen(std::string_view uri, std::function<void(const Record&)> on_record) {
  const Id id = ++last_id_;
  listeners_.emplace(id, std::move(on_record));
  OverlayDoor::ask(door_, [path = path_, id, uri = std::string(uri)](OverlayDoor& d) {
    path->listening[id] = d.engine->listen(uri, [path, id](const Record& record) {
      path->send([id, record](OverlayClient& client) { ReturnPath::heard(client, id, record); }, path);
    });
  });
  return id;
}

void OverlayClient::unlisten(ListenId id) {
  if (listeners_.erase(id) == 0) return;
  OverlayDoor::ask(door_, [path = path_, id](OverlayDoor& d) {
    const auto known = path->listening.find(id);
    if (known == path->listening.end()) return;
    d.engine->unlisten(known->second);
    path->listening.erase(known);
  });
}

void OverlayClient::heard(Id id, const Record& record) {
  const auto listener = listeners_.find(id);
  if (listener == listeners_.end()) return;
  const auto on_record = listener->second;  // it may unlisten
  on_record(record);
}

}  // namespace causeway::overlay
