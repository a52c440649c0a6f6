#include "overlay/memory_overlay.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace causeway::overlay {

class MemoryOverlay final : public Engine {
 public:
  explicit MemoryOverlay(MemoryOverlayWorld& world) : world_(world) { world_.members_.push_back(this); }
  ~MemoryOverlay() override { std::erase(world_.members_, this); }

  void put(const Record& record) override {
    if (immediate()) return world_.store(record);
    after(world_.delay_, [this, record] { world_.store(record); });
  }

  void get(std::string_view uri, base::Duration patience, OnRecord on_record, OnDone on_done) override {
    auto answer = [this, key = std::string(uri), on_record = std::move(on_record),
                   on_done = std::move(on_done)] {
      auto alive = std::weak_ptr(alive_);
      std::vector<Record> seen;
      for (const Record& record : world_.under(key)) {
        seen.push_back(record);
        if (on_record && !on_record(record)) break;
        if (alive.expired()) return;
      }
      on_done(std::move(seen));
    };
    if (immediate()) return answer();
    after(std::min(world_.delay_, patience), std::move(answer));
  }

  ListenId listen(std::string_view uri, std::function<void(const Record&)> on_record) override {
    ListenId id = ++last_listen_;
    listeners_.emplace(id, Listener{std::string(uri), std::move(on_record)});
    after(world_.delay_, [this, id] {
      auto it = listeners_.find(id);
      if (it == listeners_.end()) return;
      for (const Record& record : world_.under(it->second.uri)) tell(id, record);
    });
    return id;
  }

  void unlisten(ListenId id) override { listeners_.erase(id); }
  bool alone() const override { return world_.members_.size() == 1; }

  void inspect(std::string_view uri, base::Duration, std::function<void(std::vector<Found>)> done) override {
    std::vector<Found> found;
    base::UnixMs now = world_.loop_.unix_now();
    auto add = [&](const base::Bytes& encoded) {
      found.push_back({encoded, world_.checker_.check(encoded, uri, now), {"memory"}});
    };
    if (auto it = world_.records_.find(uri); it != world_.records_.end())
      for (const Record& record : it->second.all()) add(record.encoded);
    auto [from, to] = world_.planted_.equal_range(uri);
    for (auto it = from; it != to; ++it) add(it->second);
    after(world_.delay_,
          [done = std::move(done), found = std::move(found)]() mutable { done(std::move(found)); });
  }

  Health health() const override {
    Health health{.engine = "memory",
                  .good_nodes = world_.members_.size() - 1,
                  .known_nodes = world_.members_.size() - 1,
                  .connected = true};
    for (const auto& [uri, set] : world_.records_)
      for (const Record& record : set.all()) {
        ++health.stored_records;
        health.stored_bytes += record.encoded.size();
      }
    return health;
  }

  // Called by the world when a record came to stand somewhere.
  void stored(const Record& record) {
    for (const auto& [id, listener] : listeners_)
      if (listener.uri == record.uri) after(world_.delay_, [this, id, record] { tell(id, record); });
  }

 private:
  struct Listener {
    std::string uri;
    std::function<void(const Record&)> on_record;
  };

  bool immediate() const { return alone() || world_.delay_ == base::Duration::zero(); }

  void tell(ListenId id, const Record& record) {
    auto it = listeners_.find(id);
    if (it == listeners_.end()) return;
    auto on_record = it->second.on_record;  // it may unlisten
    on_record(record);
  }

  // Runs `task` later, unless this member is gone by then.
  void after(base::Duration delay, base::Task task) {
    if (delay == base::Duration::zero()) return post(std::move(task));
    std::uint64_t id = ++last_timer_;
    auto timer = std::make_unique<base::Timer>(world_.loop_.timers(), [this, id, task = std::move(task)] {
      post([this, id] { timers_.erase(id); });  // not while it runs
      task();
    });
    timer->start(delay);
    timers_.emplace(id, std::move(timer));
  }

  void post(base::Task task) {
    world_.loop_.post([alive = std::weak_ptr(alive_), task = std::move(task)] {
      if (!alive.expired()) task();
    });
  }

  MemoryOverlayWorld& world_;
  ListenId last_listen_ = 0;
  std::map<ListenId, Listener> listeners_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
  std::uint64_t last_timer_ = 0;
  std::map<std::uint64_t, std::unique_ptr<base::Timer>> timers_;
};

MemoryOverlayWorld::MemoryOverlayWorld(base::Loop& loop, std::string domain, identity::PublicKey authority,
                                       base::Metrics& metrics, base::Duration delay)
    : loop_(loop),
      checker_(std::move(domain), std::move(authority), metrics),
      delay_(delay),
      refused_(metrics.counter("overlay_store_refused_total{reason=\"invalid\"}",
                               "records that members asked to store and that break the one rule")) {}

MemoryOverlayWorld::~MemoryOverlayWorld() = default;

std::unique_ptr<Engine> MemoryOverlayWorld::join() { return std::make_unique<MemoryOverlay>(*this); }

void MemoryOverlayWorld::plant(std::string uri, base::Bytes encoded) {
  planted_.emplace(std::move(uri), std::move(encoded));
}

void MemoryOverlayWorld::store(const Record& record) {
  auto checked = checker_.check(record.encoded, record.uri, loop_.unix_now());
  if (!checked) {
    ++refused_;
    base::log::debug("overlay", "a record under {} is refused: {}", record.uri, checked.error().message);
    return;
  }
  RecordSet& set = records_[checked->uri];
  set.drop_expired(loop_.unix_now());
  if (!set.add(*checked)) return;
  for (MemoryOverlay* member : members_) member->stored(*checked);
}

std::vector<Record> MemoryOverlayWorld::under(std::string_view uri) {
  base::UnixMs now = loop_.unix_now();
  RecordSet found;
  if (auto it = records_.find(uri); it != records_.end()) {
    it->second.drop_expired(now);
    found = it->second;
  }
  auto [from, to] = planted_.equal_range(uri);
  for (auto it = from; it != to; ++it)
    if (auto checked = checker_.check(it->second, uri, now)) found.add(*checked);
  return found.all();
}

}  // namespace causeway::overlay
