#include "overlay/opendht_overlay.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "overlay/bootstrap.h"
#include "overlay/check_memory.h"
#include "overlay/dht_node.h"
#include "overlay/held_records.h"
#include "overlay/node_file.h"
#include "overlay/record_set.h"
#include "overlay/sealed_socket.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;

// Value types: one for each kind of record, since holders keep values by type.
constexpr std::uint16_t kTypeBase = 0xca00;
constexpr Kind kKinds[] = {Kind::user, Kind::service, Kind::peer};
std::uint16_t type_of(Kind kind) {
  return static_cast<std::uint16_t>(kTypeBase + static_cast<unsigned>(kind));
}

// How often expired records are let go.
constexpr base::Duration kSweep = 30s;
// How often it is looked whether there is company, while there is some.
constexpr base::Duration kStatusEvery = 200ms;

DhtKey key_of(std::string_view uri) {
  identity::Sha256 hash = identity::sha256(base::as_bytes(uri));
  DhtKey key;
  std::copy_n(hash.begin(), key.size(), key.begin());
  return key;
}

// Never 0, which the library takes for "none".
std::uint64_t value_id(std::span<const std::uint8_t> encoded) {
  identity::Sha256 hash = identity::sha256(encoded);
  std::uint64_t id;
  std::memcpy(&id, hash.data(), sizeof id);
  return id ? id : 1;
}

std::uint32_t network_of(std::string_view domain) {
  identity::Sha256 hash = identity::sha256(base::as_bytes(domain));
  std::uint32_t id;
  std::memcpy(&id, hash.data(), sizeof id);
  return id ? id : 1;  // 0 is the library's public network
}

struct OverlayMetrics {
  base::Counter &puts, &gets, &gets_late, &stored, &ignored, &held, &held_bytes, &nodes;
  base::Counter &other_type, &malformed, &too_long, &wrong_key, &invalid, &old, &full, &edit;

  static base::Counter& refused(base::Metrics& m, std::string_view reason) {
    return m.counter(fmt::format("overlay_store_refused_total{{reason=\"{}\"}}", reason),
                     "values that members asked this peer to hold and that it refused");
  }
  explicit OverlayMetrics(base::Metrics& m)
      : puts(m.counter("overlay_puts_total", "records put by this peer")),
        gets(m.counter("overlay_gets_total", "lookups in the overlay")),
        gets_late(m.counter("overlay_gets_out_of_patience_total", "lookups ended by their time limit")),
        stored(m.counter("overlay_stored_total", "records taken to hold for the overlay")),
        ignored(m.counter("overlay_read_ignored_total", "values read that break the one rule")),
        held(m.counter("overlay_held_records", "records held now")),
        held_bytes(m.counter("overlay_held_bytes", "bytes of records held now")),
        nodes(m.counter("overlay_nodes", "other members known now")),
        other_type(refused(m, "other_type")),
        malformed(refused(m, "malformed")),
        too_long(refused(m, "too_long")),
        wrong_key(refused(m, "wrong_key")),
        invalid(refused(m, "invalid")),
        old(refused(m, "old")),
        full(refused(m, "full")),
        edit(refused(m, "edit")) {}
};

}  // namespace

class OpenDhtOverlay final : public Engine {
 public:
  OpenDhtOverlay(base::Loop& loop, net::Network& network, base::Random& random, base::Metrics& metrics,
                 RecordChecker& checker, OpenDhtConfig config);
  ~OpenDhtOverlay() override;
  base::Status start();

  void put(const Record& record) override;
  void get(std::string_view uri, base::Duration patience, OnRecord on_record, OnDone on_done) override;
  ListenId listen(std::string_view uri, std::function<void(const Record&)> on_record) override;
  void unlisten(ListenId id) override;
  bool alone() const override { return !connected_ && !bootstrap_->trying(); }
  void inspect(std::string_view uri, base::Duration patience,
               std::function<void(std::vector<Found>)> done) override;
  Health health() const override;

 private:
  // One get under way. `fresh` is what has come from within the library and is not yet told.
  struct Lookup {
    Lookup(base::Timers& timers, std::function<void()> on_late) : patience(timers, std::move(on_late)) {}
    std::string uri;
    RecordSet found;
    std::deque<Record> fresh;
    OnRecord on_record;
    OnDone on_done;
    base::Timer patience;
    bool asked = false, done = false;
  };
  using LookupPtr = std::shared_ptr<Lookup>;

  struct Inspection {
    Inspection(base::Timers& timers, std::function<void()> on_late) : patience(timers, std::move(on_late)) {}
    std::string uri;
    std::set<base::Bytes> values;
    std::vector<std::string> nodes;
    std::function<void(std::vector<Found>)> on_done;
    base::Timer patience;
  };
  using InspectionPtr = std::shared_ptr<Inspection>;

  struct Listener {
    std::string uri;
    std::function<void(const Record&)> on_record;
    RecordSet known;
    DhtNode::Token token = 0;
  };

  // What this peer has put, for itself and for those that ask it to (link_service.h). `id` is 0 until it was
  // sent.
  struct Own {
    Record record;
    std::uint64_t id = 0;
  };

  // Holding.
  bool store(const DhtKey& key, const DhtValue& value, DhtNode::Empty empty);

  // Reading.
  const Record* read(const DhtValue& value, std::string_view uri);
  std::vector<Record> own_records(std::string_view uri) const;
  void ask(const LookupPtr& lookup);
  void found(const LookupPtr& lookup, const Record& record);
  void tell(const LookupPtr& lookup);
  void finish(const LookupPtr& lookup);
  void finish(const InspectionPtr& inspection);
  void start_listening(ListenId id, Listener& listener);
  void hear(ListenId id, const Record& record);

  // Company.
  void after_library();
  void look_around();
  void joined();
  void nobody_there();
  void random_lookup();
  void republish();
  void send(Own& own);
  void sweep();
  void save_nodes();
  bool is_self(const net::Address& address) const;

  // Runs `task` outside the library, in order, in this turn or the next.
  void later(base::Task task);
  void deliver();

  base::Loop& loop_;
  net::Network& network_;
  base::Random& random_;
  RecordChecker& checker_;
  OpenDhtConfig config_;
  OverlayMetrics metrics_;
  base::Metrics& registry_;
  CheckMemory checks_;
  HeldRecords held_;
  SealedSocket socket_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();

  struct UriHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view uri) const { return std::hash<std::string_view>{}(uri); }
  };
  std::unordered_map<std::string, std::vector<Own>, UriHash, std::equal_to<>> own_;  // one of each signer
  std::unordered_map<ListenId, Listener> listeners_;
  std::unordered_multimap<std::string, ListenId> listening_to_;  // by URI
  ListenId last_listener_ = 0;
  std::set<LookupPtr> lookups_;
  std::set<InspectionPtr> inspections_;
  std::deque<base::Task> deliveries_;
  bool delivering_ = false;

  DhtNode::Status status_;
  base::Instant status_at_{};
  bool connected_ = false;
  int lookups_left_ = 0;
  std::deque<std::string> to_republish_;
  base::Timer lookup_timer_, republish_timer_, sweep_timer_, save_timer_;
  std::unique_ptr<Bootstrap> bootstrap_;
  std::unique_ptr<DhtNode> node_;  // goes first: it calls back
};

OpenDhtOverlay::OpenDhtOverlay(base::Loop& loop, net::Network& network, base::Random& random,
                               base::Metrics& metrics, RecordChecker& checker, OpenDhtConfig config)
    : loop_(loop),
      network_(network),
      random_(random),
      checker_(checker),
      config_(std::move(config)),
      metrics_(metrics),
      registry_(metrics),
      checks_(checker),
      held_(config_.most_stored),
      socket_(loop, random, metrics, config_.network_key),
      lookup_timer_(loop.timers(), [this] { random_lookup(); }),
      republish_timer_(loop.timers(), [this] { republish(); }),
      sweep_timer_(loop.timers(), [this] { sweep(); }),
      save_timer_(loop.timers(), [this] { save_nodes(); }) {}

OpenDhtOverlay::~OpenDhtOverlay() {
  if (node_) save_nodes();
  alive_.reset();
  node_.reset();
  socket_.close();
}

base::Status OpenDhtOverlay::start() {
  if (auto opened = socket_.open(network_, config_.listen); !opened) return opened;
  Bootstrap::Config company{.bootstrap = {}, .saved = {}, .jitter = config_.jitter};
  for (const net::Address& address : config_.bootstrap)
    if (!is_self(address)) company.bootstrap.push_back(address);
  if (!config_.nodes_file.empty()) {
    auto saved = read_nodes(config_.nodes_file);
    if (!saved)
      base::log::warn("overlay", "{}", saved.error().message);
    else
      for (const SavedNode& node : *saved) company.saved.push_back(node.address);
  }
  DhtNode::Config node{.peer = config_.peer,
                       .network = network_of(config_.domain),
                       .types = {},
                       .refused_types = config_.refused_types};
  for (Kind kind : kKinds) node.types.push_back({type_of(kind), max_life(kind)});
  DhtNode::Hooks hooks{.store = [this](const DhtKey& key, const DhtValue& value,
                                       DhtNode::Empty empty) { return store(key, value, std::move(empty)); },
                       .refused_type = [this] { ++metrics_.other_type; },
                       .refused_edit = [this] { ++metrics_.edit; },
                       .after = [this] { after_library(); }};
  bootstrap_ = std::make_unique<Bootstrap>(
      loop_, random_, registry_, std::move(company), [this](const net::Address& to) { node_->ping(to); },
      [this] { nobody_there(); });
  node_ = std::make_unique<DhtNode>(loop_, socket_, node, std::move(hooks));
  bootstrap_->start();
  sweep_timer_.start(kSweep);
  if (!config_.nodes_file.empty()) save_timer_.start(config_.save_every);
  return {};
}

// A bundle's bootstrap addresses may well include this peer.
bool OpenDhtOverlay::is_self(const net::Address& address) const {
  auto local = socket_.local(address.ip.is_v4());
  return local && local->port == address.port &&
         (local->ip == address.ip ||
          (local->ip.is_unspecified() && network_.source_ip_for(address.ip) == address.ip));
}

// ---- holding

bool OpenDhtOverlay::store(const DhtKey& key, const DhtValue& value, DhtNode::Empty empty) {
  auto refuse = [](base::Counter& counter) {
    ++counter;
    return false;
  };
  if (!value.plain || value.data.empty()) return refuse(metrics_.malformed);
  if (value.data.size() > limits::kMaxRecord) return refuse(metrics_.too_long);
  if (value.id != value_id(value.data)) return refuse(metrics_.malformed);
  base::UnixMs now = loop_.unix_now();
  const Record* record = checks_.check(value.data, now);
  if (!record) return refuse(metrics_.invalid);
  if (value.type != type_of(record->kind)) return refuse(metrics_.malformed);
  if (key != key_of(record->uri)) return refuse(metrics_.wrong_key);
  switch (held_.add(*record, std::move(empty), now)) {
    case HeldRecords::Answer::old:
      return refuse(metrics_.old);
    case HeldRecords::Answer::full:
      return refuse(metrics_.full);
    case HeldRecords::Answer::known:
      return true;
    case HeldRecords::Answer::stored:
      break;
  }
  ++metrics_.stored;
  return true;
}

void OpenDhtOverlay::sweep() {
  base::UnixMs now = loop_.unix_now();
  held_.expire(now);
  for (auto& [uri, under] : own_)
    std::erase_if(under, [now](const Own& own) { return own.record.expiry <= now; });
  std::erase_if(own_, [](const auto& under) { return under.second.empty(); });
  metrics_.held.set(held_.records());
  metrics_.held_bytes.set(held_.bytes());
  sweep_timer_.start(kSweep);
}

// ---- writing

void OpenDhtOverlay::put(const Record& record) {
  ++metrics_.puts;
  auto& under = own_[record.uri];
  auto own = std::ranges::find(under, record.signer(), [](const Own& o) { return o.record.signer(); });
  if (own == under.end()) {
    own = under.insert(own, Own{record});
  } else {
    if (!newer_version(record, own->record)) return;
    if (own->id) node_->cancel_put(key_of(record.uri), own->id);
    *own = {record, 0};
  }
  if (connected_) send(*own);
  const auto [first, last] = listening_to_.equal_range(record.uri);
  for (auto at = first; at != last; ++at) hear(at->second, record);
}

void OpenDhtOverlay::send(Own& own) {
  const Record& record = own.record;
  own.id = value_id(record.encoded);
  auto empty = node_->put(key_of(record.uri), {type_of(record.kind), own.id, true, record.encoded});
  held_.add(record, std::move(empty), loop_.unix_now());
}

// ---- reading

// The record in a value if it is valid under this URI. An empty value is what a holder keeps of a
// version that was replaced.
const Record* OpenDhtOverlay::read(const DhtValue& value, std::string_view uri) {
  if (value.data.empty()) return nullptr;
  const Record* record = nullptr;
  if (value.plain && value.data.size() <= limits::kMaxRecord)
    record = checks_.check(value.data, loop_.unix_now());
  if (record && record->uri == uri) return record;
  ++metrics_.ignored;
  return nullptr;
}

std::vector<Record> OpenDhtOverlay::own_records(std::string_view uri) const {
  std::vector<Record> found;
  if (auto it = own_.find(uri); it != own_.end())
    for (const Own& own : it->second)
      if (own.record.expiry > loop_.unix_now()) found.push_back(own.record);
  return found;
}

void OpenDhtOverlay::get(std::string_view uri, base::Duration patience, OnRecord on_record, OnDone on_done) {
  ++metrics_.gets;
  auto slot = std::make_shared<std::weak_ptr<Lookup>>();
  auto lookup = std::make_shared<Lookup>(loop_.timers(), [this, slot] {
    ++metrics_.gets_late;
    if (auto late = slot->lock()) finish(late);
  });
  *slot = lookup;
  lookup->uri = uri;
  lookup->on_record = std::move(on_record);
  lookup->on_done = std::move(on_done);
  lookups_.insert(lookup);
  auto alive = std::weak_ptr(alive_);
  const auto own = own_records(uri);
  for (const Record& record : own) found(lookup, record);
  if (!own.empty()) tell(lookup);
  if (alive.expired() || lookup->done) return;
  if (alone()) return finish(lookup);
  lookup->patience.start(patience);
  if (connected_) ask(lookup);
}

void OpenDhtOverlay::ask(const LookupPtr& lookup) {
  lookup->asked = true;
  std::weak_ptr<Lookup> weak = lookup;
  auto alive = std::weak_ptr(alive_);
  node_->get(
      key_of(lookup->uri),
      [this, alive, weak](std::span<const DhtValue> values) {
        auto open = weak.lock();
        if (alive.expired() || !open || open->done) return;
        for (const DhtValue& value : values)
          if (const Record* record = read(value, open->uri)) found(open, *record);
        if (!open->fresh.empty())
          later([this, weak] {
            if (auto told = weak.lock()) tell(told);
          });
      },
      [this, alive, weak](const std::vector<std::string>&) {
        if (alive.expired()) return;
        later([this, weak] {
          if (auto over = weak.lock()) finish(over);
        });
      });
}

void OpenDhtOverlay::found(const LookupPtr& lookup, const Record& record) {
  if (lookup->found.add(record)) lookup->fresh.push_back(record);
}

void OpenDhtOverlay::tell(const LookupPtr& lookup) {
  auto alive = std::weak_ptr(alive_);
  while (!lookup->done && !lookup->fresh.empty()) {
    Record record = std::move(lookup->fresh.front());
    lookup->fresh.pop_front();
    bool more = !lookup->on_record || lookup->on_record(record);
    if (alive.expired()) return;
    if (!more) {
      lookup->fresh.clear();
      return finish(lookup);
    }
  }
}

void OpenDhtOverlay::finish(const LookupPtr& lookup) {
  auto alive = std::weak_ptr(alive_);
  tell(lookup);
  if (alive.expired() || std::exchange(lookup->done, true)) return;
  lookup->patience.stop();
  LookupPtr kept = lookup;
  lookups_.erase(kept);
  kept->on_done(kept->found.all());
}

void OpenDhtOverlay::inspect(std::string_view uri, base::Duration patience,
                             std::function<void(std::vector<Found>)> done) {
  auto slot = std::make_shared<std::weak_ptr<Inspection>>();
  auto inspection = std::make_shared<Inspection>(loop_.timers(), [this, slot] {
    if (auto late = slot->lock()) finish(late);
  });
  *slot = inspection;
  inspection->uri = uri;
  inspection->on_done = std::move(done);
  inspections_.insert(inspection);
  for (Record& own : own_records(uri)) inspection->values.insert(std::move(own.encoded));
  if (!connected_) return finish(inspection);
  inspection->patience.start(patience);
  std::weak_ptr<Inspection> weak = inspection;
  auto alive = std::weak_ptr(alive_);
  node_->get(
      key_of(uri),
      [alive, weak](std::span<const DhtValue> values) {
        auto open = weak.lock();
        if (alive.expired() || !open) return;
        for (const DhtValue& value : values)
          if (!value.data.empty() && value.data.size() <= limits::kMaxRecord)
            open->values.insert(base::Bytes(value.data.begin(), value.data.end()));
      },
      [this, alive, weak](std::vector<std::string> nodes) {
        auto open = weak.lock();
        if (alive.expired() || !open) return;
        open->nodes = std::move(nodes);
        later([this, weak] {
          if (auto over = weak.lock()) finish(over);
        });
      });
}

void OpenDhtOverlay::finish(const InspectionPtr& inspection) {
  InspectionPtr kept = inspection;
  if (inspections_.erase(kept) == 0) return;
  kept->patience.stop();
  std::vector<Found> found;
  const auto own = own_records(kept->uri);
  for (const base::Bytes& encoded : kept->values) {
    std::vector<std::string> holders = kept->nodes;
    if (std::ranges::find(own, encoded, &Record::encoded) != own.end()) holders.push_back("this peer");
    found.push_back({encoded, checker_.check(encoded, kept->uri, loop_.unix_now()), std::move(holders)});
  }
  kept->on_done(std::move(found));
}

// ---- listening

Overlay::ListenId OpenDhtOverlay::listen(std::string_view uri, std::function<void(const Record&)> on_record) {
  ListenId id = ++last_listener_;
  Listener& listener = listeners_[id];
  listener.uri = uri;
  listener.on_record = std::move(on_record);
  listening_to_.emplace(listener.uri, id);
  for (const Record& own : own_records(uri)) hear(id, own);
  if (connected_) start_listening(id, listener);
  return id;
}

void OpenDhtOverlay::start_listening(ListenId id, Listener& listener) {
  auto alive = std::weak_ptr(alive_);
  auto on_values = [this, alive, id](std::span<const DhtValue> values) {
    if (alive.expired()) return;
    auto it = listeners_.find(id);
    if (it == listeners_.end()) return;
    for (const DhtValue& value : values)
      if (const Record* record = read(value, it->second.uri)) hear(id, *record);
  };
  DhtKey key = key_of(listener.uri);
  // After a time without company: a lookup wakes up a listening that the library has put to sleep.
  if (listener.token)
    node_->get(key, on_values, [](const auto&) {});
  else
    listener.token = node_->listen(key, on_values);
}

void OpenDhtOverlay::hear(ListenId id, const Record& record) {
  auto it = listeners_.find(id);
  if (it == listeners_.end() || !it->second.known.add(record)) return;
  later([this, id, record] {
    auto told = listeners_.find(id);
    if (told == listeners_.end()) return;
    auto on_record = told->second.on_record;  // it may unlisten
    on_record(record);
  });
}

void OpenDhtOverlay::unlisten(ListenId id) {
  auto it = listeners_.find(id);
  if (it == listeners_.end()) return;
  if (it->second.token) node_->unlisten(key_of(it->second.uri), it->second.token);
  const auto [first, last] = listening_to_.equal_range(it->second.uri);
  listening_to_.erase(std::find_if(first, last, [id](const auto& pair) { return pair.second == id; }));
  listeners_.erase(it);
}

// ---- company

void OpenDhtOverlay::after_library() {
  if (!connected_ || loop_.now() - status_at_ >= kStatusEvery) look_around();
  deliver();
}

void OpenDhtOverlay::look_around() {
  status_ = node_->status();
  status_at_ = loop_.now();
  metrics_.nodes.set(status_.known);
  bool some = status_.known > 0;
  if (some == connected_) return;
  connected_ = some;
  bootstrap_->connected(some);
  if (some) return joined();
  base::log::warn("overlay", "no other member answers any more");
}

void OpenDhtOverlay::joined() {
  base::log::info("overlay", "joined: {} other members known so far", status_.known);
  node_->get(
      config_.peer.bytes(), [](const auto&) {}, [](const auto&) {});
  lookups_left_ = config_.random_lookups;
  random_lookup();
  for (auto& [id, listener] : listeners_) start_listening(id, listener);
  to_republish_.clear();
  for (const auto& [uri, own] : own_) to_republish_.push_back(uri);
  republish();
  for (const LookupPtr& lookup : std::vector(lookups_.begin(), lookups_.end()))
    if (!lookup->asked) ask(lookup);
}

void OpenDhtOverlay::nobody_there() {
  for (const LookupPtr& lookup : std::vector(lookups_.begin(), lookups_.end()))
    if (!lookup->asked)
      later([this, weak = std::weak_ptr(lookup)] {
        if (auto over = weak.lock()) finish(over);
      });
}

void OpenDhtOverlay::random_lookup() {
  if (lookups_left_ <= 0 || !connected_) return;
  --lookups_left_;
  DhtKey key;
  random_.fill(key);
  node_->get(
      key, [](const auto&) {}, [](const auto&) {});
  auto step = 2 * config_.lookup_spread.count() / std::max(config_.random_lookups, 1);
  lookup_timer_.start(base::Duration(random_.below(static_cast<std::uint64_t>(step) + 1)));
}

void OpenDhtOverlay::republish() {
  for (std::size_t i = 0; i < limits::kRepublishBatch && !to_republish_.empty() && connected_; ++i) {
    auto it = own_.find(to_republish_.front());
    to_republish_.pop_front();
    if (it == own_.end()) continue;
    for (Own& own : it->second) send(own);
  }
  if (!to_republish_.empty() && connected_) republish_timer_.start(limits::kRepublishStep);
}

void OpenDhtOverlay::save_nodes() {
  if (config_.nodes_file.empty()) return;
  save_timer_.start(config_.save_every);
  std::vector<SavedNode> nodes = node_->nodes();
  if (nodes.empty()) return;  // what was known before is better than nothing
  if (nodes.size() > limits::kMaxSavedNodes) nodes.resize(limits::kMaxSavedNodes);
  if (auto written = identity::write_private_file(config_.nodes_file, nodes_text(nodes)); !written)
    base::log::warn("overlay", "known members are not saved: {}", written.error().message);
}

Engine::Health OpenDhtOverlay::health() const {
  DhtNode::Status status = node_->status();
  return {.engine = "opendht",
          .good_nodes = status.good,
          .known_nodes = status.known,
          .stored_records = held_.records(),
          .stored_bytes = held_.bytes(),
          .connected = status.known > 0};
}

// ---- outside the library

void OpenDhtOverlay::later(base::Task task) {
  if (deliveries_.empty())
    loop_.post([this, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) deliver();
    });
  deliveries_.push_back(std::move(task));
}

void OpenDhtOverlay::deliver() {
  if (std::exchange(delivering_, true)) return;
  auto alive = std::weak_ptr(alive_);
  while (!deliveries_.empty()) {
    base::Task task = std::move(deliveries_.front());
    deliveries_.pop_front();
    task();
    if (alive.expired()) return;
  }
  delivering_ = false;
}

base::Result<std::unique_ptr<Engine>> make_opendht_overlay(base::Loop& loop, net::Network& network,
                                                           base::Random& random, base::Metrics& metrics,
                                                           RecordChecker& checker, OpenDhtConfig config) {
  auto overlay = std::make_unique<OpenDhtOverlay>(loop, network, random, metrics, checker, std::move(config));
  if (auto started = overlay->start(); !started) return std::unexpected(started.error());
  return overlay;
}

}  // namespace causeway::overlay
