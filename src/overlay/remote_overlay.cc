#include "overlay/remote_overlay.h"

#include <algorithm>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/limits.h"
#include "overlay/check_memory.h"
#include "overlay/record_set.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;
using What = LinkQuestion::What;

// Once one public peer has found something, how long the other is waited for.
constexpr base::Duration kSecondAnswer = 300ms;
// Beyond the patience of the question: its way there and back.
constexpr base::Duration kTravel = 500ms;
constexpr base::Duration kAnswerPatience = 5s;
// For a link, when there is none: another public peer is dialled as soon as the last one is lost.
constexpr base::Duration kLinkPatience = 1500ms;
// What a public peer had no room for is said again.
constexpr base::Duration kBusyPause = 1s;
// Questions to one public peer that wait for their answers, apart from lookups.
constexpr int kWindow = 8;
// Other public peers are looked for under sip:D.
constexpr base::Duration kLookAround = 60s;
constexpr base::Duration kSweep = 30s;

struct RemoteMetrics {
  base::Counter &puts, &gets, &ignored, &differing, &refused;
  explicit RemoteMetrics(base::Metrics& m)
      : puts(m.counter("overlay_puts_total", "records put by this peer")),
        gets(m.counter("overlay_gets_total", "lookups in the overlay")),
        ignored(m.counter("overlay_read_ignored_total", "values read that break the one rule")),
        differing(m.counter("overlay_remote_differing_total",
                            "lookups in which a public peer did not say all that another one knew")),
        refused(m.counter("overlay_remote_refused_total", "questions that a public peer has refused")) {}
};

class RemoteOverlay final : public Engine, private PublicLinks::User {
 public:
  RemoteOverlay(base::Loop& loop, base::Metrics& metrics, RecordChecker& checker, PublicLinks& links)
      : loop_(loop),
        checker_(checker),
        checks_(checker),
        links_(links),
        metrics_(metrics),
        look_around_(loop.timers(), [this] { look_around(); }),
        sweep_(loop.timers(), [this] { sweep(); }) {
    links_.add_user(*this);
    sweep_.start(kSweep);
  }
  ~RemoteOverlay() override { links_.remove_user(*this); }

  void put(const Record& record) override;
  void get(std::string_view uri, base::Duration patience, OnRecord on_record, OnDone on_done) override;
  ListenId listen(std::string_view uri, std::function<void(const Record&)> on_record) override;
  void unlisten(ListenId id) override;
  bool alone() const override { return stations_.empty(); }
  void inspect(std::string_view uri, base::Duration patience,
               std::function<void(std::vector<Found>)> done) override;
  Health health() const override {
    Health health{.engine = "public peers", .good_nodes = stations_.size(), .known_nodes = stations_.size()};
    health.connected = !stations_.empty();
    return health;
  }

 private:
  // What is to be said to one public peer.
  struct Item {
    What what;
    std::uint64_t id;  // listen, unlisten
    std::string uri;   // put: whose latest version; listen
  };
  struct Station {
    explicit Station(base::Timers& timers, std::function<void()> on_calm)
        : calm(timers, std::move(on_calm)) {}
    PublicLinks::Link link;
    std::deque<Item> outbox;
    int waiting = 0;
    base::Timer calm;  // it is busy
  };
  struct Subscription {
    std::string uri;
    RecordSet known;
    std::map<ListenId, std::function<void(const Record&)>> listeners;
  };
  struct Lookup {
    Lookup(base::Timers& timers, std::function<void()> on_late) : patience(timers, std::move(on_late)) {}
    std::string uri;
    RecordSet found;
    OnRecord on_record;
    OnDone on_done;
    base::Duration wanted{};  // the patience of who asks
    base::Timer patience;
    std::size_t pending = 0;
    bool asked = false;             // somebody
    std::vector<std::size_t> said;  // records in each answer
  };

  void on_link_up(const PublicLinks::Link& link) override;
  void on_link_down(const PublicLinks::Link& link) override;
  void on_news(const PublicLinks::Link& link, const LinkQuestion& news) override;

  void say(Item item);
  void pump(Station& station);
  void send(Station& station, std::vector<Item> items);
  void said(std::uint64_t connection, std::vector<Item> items, const base::Result<LinkAnswer>& answer);
  const Record* check(EncodedRecord encoded, std::string_view uri);
  void ask(std::uint64_t id, Lookup& lookup, const PublicLinks::Link& link);
  void answered(std::uint64_t id, const base::Result<LinkAnswer>& answer);
  bool found(std::uint64_t id, const Record& record);
  void finish(std::uint64_t id);
  void hear(std::uint64_t subscription, const Record& record);
  void look_around();
  void sweep();

  base::Loop& loop_;
  RecordChecker& checker_;
  CheckMemory checks_;
  PublicLinks& links_;
  RemoteMetrics metrics_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Station>> stations_;  // by connection
  std::unordered_map<std::string, Record> own_;                           // the latest put, by URI
  std::map<std::uint64_t, Subscription> subscriptions_;
  std::unordered_map<std::string, std::uint64_t> by_uri_;  // subscriptions
  std::unordered_map<ListenId, std::uint64_t> listening_;  // to subscriptions
  std::unordered_map<std::uint64_t, std::unique_ptr<Lookup>> lookups_;
  std::uint64_t last_id_ = 0;
  base::Timer look_around_, sweep_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

// ---- what is said

void RemoteOverlay::put(const Record& record) {
  ++metrics_.puts;
  const auto [at, first] = own_.try_emplace(record.uri, record);
  if (!first) {
    if (!newer_version(record, at->second)) return;
    at->second = record;
  }
  say({What::put, 0, record.uri});
  if (const auto known = by_uri_.find(record.uri); known != by_uri_.end())
    loop_.post([this, id = known->second, record, here = std::weak_ptr(alive_)] {
      if (!here.expired()) hear(id, record);
    });
}

void RemoteOverlay::say(Item item) {
  for (auto& [connection, station] : stations_) {
    station->outbox.push_back(item);
    pump(*station);
  }
}

void RemoteOverlay::pump(Station& station) {
  while (station.waiting < kWindow && !station.outbox.empty() && !station.calm.pending()) {
    std::vector<Item> items;
    do {
      items.push_back(std::move(station.outbox.front()));
      station.outbox.pop_front();
    } while (items.front().what == What::put && items.size() < limits::kMaxLinkRecords &&
             !station.outbox.empty() && station.outbox.front().what == What::put);
    send(station, std::move(items));
  }
}

void RemoteOverlay::send(Station& station, std::vector<Item> items) {
  LinkQuestion question{
      .what = items.front().what, .id = items.front().id, .uri = items.front().uri, .records = {}};
  for (const Item& item : items)
    if (const auto own = own_.find(item.uri); item.what == What::put && own != own_.end())
      question.records.push_back(own->second.encoded);
  if (question.what == What::put && question.records.empty()) return;
  // Nobody listens any more.
  if (question.what == What::listen && !subscriptions_.contains(question.id)) return;
  ++station.waiting;
  const std::uint64_t connection = station.link.flow.connection;
  links_.asker().ask(station.link.flow, question, kAnswerPatience,
                     [this, connection, items = std::move(items),
                      here = std::weak_ptr(alive_)](const base::Result<LinkAnswer>& answer) {
                       if (!here.expired()) said(connection, items, answer);
                     });
}

void RemoteOverlay::said(std::uint64_t connection, std::vector<Item> items,
                         const base::Result<LinkAnswer>& answer) {
  const auto known = stations_.find(connection);
  if (known == stations_.end()) return;
  Station& station = *known->second;
  --station.waiting;
  const bool again = !answer || answer->verdict == LinkVerdict::busy;
  if (answer && answer->verdict != LinkVerdict::ok) ++metrics_.refused;
  if (again) {
    station.outbox.insert(station.outbox.begin(), std::make_move_iterator(items.begin()),
                          std::make_move_iterator(items.end()));
    station.calm.start(kBusyPause);
    return;
  }
  pump(station);
}

// ---- links

void RemoteOverlay::on_link_up(const PublicLinks::Link& link) {
  const std::uint64_t connection = link.flow.connection;
  auto station = std::make_unique<Station>(loop_.timers(), [this, connection] {
    if (const auto known = stations_.find(connection); known != stations_.end()) pump(*known->second);
  });
  station->link = link;
  for (const auto& [uri, record] : own_) station->outbox.push_back({What::put, 0, uri});
  for (const auto& [id, subscription] : subscriptions_)
    station->outbox.push_back({What::listen, id, subscription.uri});
  Station& added = *station;
  stations_[connection] = std::move(station);
  pump(added);
  for (auto& [id, lookup] : lookups_)
    if (!lookup->asked) ask(id, *lookup, link);
  if (!look_around_.pending()) look_around_.start(base::Duration::zero());
}

void RemoteOverlay::on_link_down(const PublicLinks::Link& link) { stations_.erase(link.flow.connection); }

void RemoteOverlay::look_around() {
  look_around_.start(kLookAround);
  get("sip:" + checker_.domain(), limits::kLookupPatience, nullptr,
      [this](const std::vector<Record>& records) {
        for (const Record& record : newest_per_signer(records, loop_.unix_now()))
          if (auto body = decode_service(record.body)) links_.learn({body->peer, body->links});
      });
}

void RemoteOverlay::sweep() {
  sweep_.start(kSweep);
  const base::UnixMs now = loop_.unix_now();
  std::erase_if(own_, [now](const auto& own) { return own.second.expiry <= now; });
  for (auto& [id, subscription] : subscriptions_) subscription.known.drop_expired(now);
}

// ---- lookups

const Record* RemoteOverlay::check(EncodedRecord encoded, std::string_view uri) {
  const Record* record = checks_.check(encoded, loop_.unix_now());
  if (record && record->uri == uri) return record;
  ++metrics_.ignored;
  return nullptr;
}

void RemoteOverlay::get(std::string_view uri, base::Duration patience, OnRecord on_record, OnDone on_done) {
  ++metrics_.gets;
  const std::uint64_t id = ++last_id_;
  auto lookup = std::make_unique<Lookup>(loop_.timers(), [this, id] { finish(id); });
  lookup->uri = uri;
  lookup->on_record = std::move(on_record);
  lookup->on_done = std::move(on_done);
  lookup->wanted = patience;
  lookup->patience.start(kLinkPatience);
  Lookup& asked = *lookup;
  lookups_.emplace(id, std::move(lookup));
  for (const auto& [connection, station] : stations_) ask(id, asked, station->link);
  const auto own = own_.find(asked.uri);
  if (own == own_.end() || own->second.expiry <= loop_.unix_now()) return;
  if (found(id, Record(own->second)) && alone()) finish(id);
}

void RemoteOverlay::ask(std::uint64_t id, Lookup& lookup, const PublicLinks::Link& link) {
  lookup.asked = true;
  ++lookup.pending;
  lookup.patience.start(lookup.wanted + kTravel);
  links_.asker().ask(link.flow,
                     {.what = What::get, .uri = lookup.uri, .patience = lookup.wanted, .records = {}},
                     lookup.wanted + kTravel,
                     [this, id, here = std::weak_ptr(alive_)](const base::Result<LinkAnswer>& answer) {
                       if (!here.expired()) answered(id, answer);
                     });
}

// False: the lookup has ended.
bool RemoteOverlay::found(std::uint64_t id, const Record& record) {
  const auto known = lookups_.find(id);
  if (known == lookups_.end()) return false;
  if (!known->second->found.add(record) || !known->second->on_record) return true;
  const auto here = std::weak_ptr(alive_);
  const OnRecord tell = known->second->on_record;
  const bool more = tell(record);
  if (here.expired()) return false;
  if (!more) finish(id);
  return lookups_.contains(id);
}

void RemoteOverlay::answered(std::uint64_t id, const base::Result<LinkAnswer>& answer) {
  const auto known = lookups_.find(id);
  if (known == lookups_.end()) return;
  Lookup& lookup = *known->second;
  --lookup.pending;
  if (answer && answer->verdict == LinkVerdict::ok) {
    std::vector<Record> good;
    for (const EncodedRecord encoded : answer->records)
      if (const Record* record = check(encoded, lookup.uri)) good.push_back(*record);
    lookup.said.push_back(good.size());
    for (const Record& record : good)
      if (!found(id, record)) return;
  } else if (answer) {
    ++metrics_.refused;
  }
  if (lookup.pending == 0) return finish(id);
  if (lookup.found.has_live(loop_.unix_now())) lookup.patience.start(kSecondAnswer);
}

void RemoteOverlay::finish(std::uint64_t id) {
  auto known = lookups_.extract(id);
  if (known.empty()) return;
  Lookup& lookup = *known.mapped();
  lookup.patience.stop();
  if (std::ranges::adjacent_find(lookup.said, std::ranges::not_equal_to{}) != lookup.said.end())
    ++metrics_.differing;
  lookup.on_done(lookup.found.all());
}

void RemoteOverlay::inspect(std::string_view uri, base::Duration patience,
                            std::function<void(std::vector<Found>)> done) {
  std::vector<std::string> holders;
  for (const auto& [connection, station] : stations_)
    holders.push_back(station->link.peer.text() + " at " + station->link.flow.remote.text());
  get(uri, patience, nullptr,
      [done = std::move(done), holders = std::move(holders)](const std::vector<Record>& records) {
        std::vector<Found> all;
        for (const Record& record : records) all.push_back({record.encoded, record, holders});
        done(std::move(all));
      });
}

// ---- listening

Overlay::ListenId RemoteOverlay::listen(std::string_view uri, std::function<void(const Record&)> on_record) {
  const ListenId listener = ++last_id_;
  const auto [at, first] = by_uri_.try_emplace(std::string(uri), ++last_id_);
  const std::uint64_t id = at->second;
  Subscription& subscription = subscriptions_[id];
  listening_[listener] = id;
  if (first) {
    subscription.uri = uri;
    if (const auto own = own_.find(subscription.uri); own != own_.end()) subscription.known.add(own->second);
    say({What::listen, id, subscription.uri});
  }
  subscription.listeners.emplace(listener, on_record);
  loop_.post([this, listener, records = subscription.known.all(), here = std::weak_ptr(alive_),
              tell = std::move(on_record)] {
    for (const Record& record : records) {
      if (here.expired() || !listening_.contains(listener)) return;
      tell(record);
    }
  });
  return listener;
}

void RemoteOverlay::unlisten(ListenId listener) {
  const auto listening = listening_.extract(listener);
  if (listening.empty()) return;
  const std::uint64_t id = listening.mapped();
  const auto known = subscriptions_.find(id);
  known->second.listeners.erase(listener);
  if (!known->second.listeners.empty()) return;
  by_uri_.erase(known->second.uri);
  subscriptions_.erase(known);
  say({What::unlisten, id, {}});
}

void RemoteOverlay::on_news(const PublicLinks::Link&, const LinkQuestion& news) {
  for (const EncodedRecord encoded : news.records) {
    const auto known = subscriptions_.find(news.id);
    if (known == subscriptions_.end()) return;
    if (const Record* record = check(encoded, known->second.uri)) hear(news.id, Record(*record));
  }
}

void RemoteOverlay::hear(std::uint64_t id, const Record& record) {
  const auto known = subscriptions_.find(id);
  if (known == subscriptions_.end() || !known->second.known.add(record)) return;
  const auto here = std::weak_ptr(alive_);
  const auto listeners = known->second.listeners;  // they may unlisten
  for (const auto& [listener, tell] : listeners) {
    if (here.expired() || !listening_.contains(listener)) return;
    tell(record);
  }
}

}  // namespace

std::unique_ptr<Engine> make_remote_overlay(base::Loop& loop, base::Metrics& metrics, RecordChecker& checker,
                                            PublicLinks& links) {
  return std::make_unique<RemoteOverlay>(loop, metrics, checker, links);
}

}  // namespace causeway::overlay
