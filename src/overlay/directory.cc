#include "overlay/directory.h"
#include "base/limits.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/log.h"
#include "overlay/record_set.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kGather = 50ms;  // from the first offer found to the answer
constexpr base::Duration kNegative = 2s;  // how long "nobody" is believed
// Listening tells what is new, but may miss it after a time in which no other member was there.
constexpr base::Duration kSearchAgain = 10s;
constexpr base::Duration kKeep = 120s;  // a list that nobody asks for is kept fresh this long
constexpr std::uint32_t kUnknownCapacity = 100;

// Free capacity: the chance to come first is in proportion to it. A full peer keeps a small chance,
// since its load may be old news.
double weight_of(const ServiceBody& body) {
  double capacity = body.capacity ? body.capacity : kUnknownCapacity;
  double free = capacity - body.load;
  return std::max(free, capacity / 100);
}

// Whether readers should hear of it before the next refresh.
bool is_news(const ServiceBody& body, const ServiceBody& than) {
  ServiceBody with_its_load = body;
  with_its_load.load = than.load;
  const std::uint32_t change = std::max(body.load, than.load) - std::min(body.load, than.load);
  return with_its_load != than || (change > 0 && change >= body.capacity / 20);
}

// Where STUN can be asked: an address of each family.
RoundTrips::Place place_of(const ServiceBody& body) {
  RoundTrips::Place place;
  for (const net::Endpoint& endpoint : body.endpoints)
    if (endpoint.transport == net::Transport::udp && std::ranges::none_of(place, [&](const auto& at) {
          return at.ip.is_v4() == endpoint.address.ip.is_v4();
        }))
      place.push_back(endpoint.address);
  return place;
}

}  // namespace

std::vector<Near> nearest_first(std::vector<Near> in_order) {
  std::vector<base::Duration> times;
  for (const Near& one : in_order) times.push_back(one.round_trip);
  std::ranges::sort(times);
  // Each time to the shortest of those that count as equal to it.
  std::map<base::Duration, base::Duration> shortest;
  for (base::Duration from{}; const base::Duration time : times) {
    if (shortest.empty() || time > from + std::max<base::Duration>(5ms, from / 4)) from = time;
    shortest[time] = from;
  }
  std::ranges::stable_sort(in_order, {}, [&](const Near& one) { return shortest[one.round_trip]; });
  return in_order;
}

struct Directory::Impl {
  using Done = std::function<void(std::vector<ServiceBody>)>;

  struct Offer {
    ServiceBody body;
    std::optional<ServiceBody> published;
    std::unique_ptr<base::Timer> refresh;
  };
  struct Version {
    base::UnixMs sequence = 0;
    base::Instant when{};
  };
  struct List {
    List(base::Timers& timers, std::function<void()> on_gathered, std::function<void()> on_idle)
        : gather(timers, std::move(on_gathered)), idle(timers, std::move(on_idle)) {}
    RecordSet records;
    bool searching = false;
    std::vector<Done> waiting;
    base::Timer gather, idle;
    base::Instant looked_up{}, used{};
    Overlay::ListenId listening = 0;
  };

  Impl(base::Loop& the_loop, Overlay& the_overlay, const Signer& the_signer, base::Random& the_random,
       base::Metrics& metrics)
      : loop(the_loop),
        overlay(the_overlay),
        signer(the_signer),
        random(the_random),
        published(
            metrics.counter("overlay_services_published_total", "service records put, refreshes included")),
        lookups(metrics.counter("overlay_service_lookups_total", "service lists asked of the overlay")),
        failures(
            metrics.counter("overlay_service_failures_total", "service peers that could not be reached")) {}

  ~Impl() {
    for (auto& [uri, list] : lists)
      if (list->listening) overlay.unlisten(list->listening);
  }

  // ---- providers

  void offer(std::string uri, ServiceBody body) {
    Offer& mine = offers[uri];
    mine.body = std::move(body);
    if (!mine.refresh)
      mine.refresh = std::make_unique<base::Timer>(loop.timers(), [this, uri] { publish(uri); });
    if (mine.published && !is_news(mine.body, *mine.published)) return;
    const auto last = versions.find(uri);
    const base::Duration age = last == versions.end() ? kPause : loop.now() - last->second.when;
    if (age >= kPause) return publish(uri);
    mine.refresh->start(kPause - age);
  }

  void publish(const std::string& uri) {
    auto it = offers.find(uri);
    if (it == offers.end()) return;
    it->second.published = it->second.body;
    put(uri, encode(it->second.body));
    it->second.refresh->start(kRefresh);
  }

  void withdraw(std::string_view uri) {
    auto it = offers.find(uri);
    if (it == offers.end()) return;
    std::string name = it->first;
    offers.erase(it);
    put(name, {});
  }

  void put(const std::string& uri, base::Bytes body) {
    // Two changes within a millisecond are still two versions.
    base::UnixMs now = loop.unix_now();
    Version& version = versions[uri];
    version = {std::max(now, version.sequence + 1), loop.now()};
    Record record = signer.sign(Kind::service, uri, version.sequence,
                                now + std::chrono::milliseconds(kLife).count(), std::move(body));
    ++published;
    overlay.put(record);
    if (auto it = lists.find(uri); it != lists.end()) it->second->records.add(record);
  }

  // ---- users

  void find(std::string_view uri, Done done) {
    List& list = list_of(uri);
    list.used = loop.now();
    base::UnixMs now = loop.unix_now();
    bool looked_up = list.looked_up != base::Instant{};
    base::Duration age = loop.now() - list.looked_up;
    bool some = list.records.has_live(now);
    if (looked_up && (some || age < kNegative)) {
      if (some && age > kSearchAgain && !list.searching) search(std::string(uri), list);  // in the background
      return done(ordered(list));
    }
    list.waiting.push_back(std::move(done));
    if (!list.searching) search(std::string(uri), list);
  }

  List& list_of(std::string_view uri) {
    if (auto it = lists.find(uri); it != lists.end()) return *it->second;
    std::string name(uri);
    auto list = std::make_unique<List>(
        loop.timers(), [this, name] { answer(name); }, [this, name] { drop_if_idle(name); });
    List& made = *list;
    lists.emplace(name, std::move(list));
    made.idle.start(kKeep);
    made.listening = overlay.listen(name, [this, name](const Record& record) { heard(name, record); });
    return made;
  }

  void search(std::string uri, List& list) {
    ++lookups;
    list.searching = true;
    auto alive = std::weak_ptr(alive_);
    overlay.get(
        uri, limits::kLookupPatience,
        [this, alive, uri](const Record& record) {
          if (alive.expired()) return false;
          heard(uri, record);
          return true;
        },
        [this, alive, uri](const std::vector<Record>& records) {
          if (alive.expired()) return;
          auto it = lists.find(uri);
          if (it == lists.end()) return;
          it->second->searching = false;
          for (const Record& record : records) it->second->records.add(record);
          answer(uri);
        });
  }

  void heard(const std::string& uri, const Record& record) {
    auto it = lists.find(uri);
    if (it == lists.end()) return;
    List& list = *it->second;
    if (!list.records.add(record)) return;
    if (!list.waiting.empty() && !list.gather.pending() && list.records.has_live(loop.unix_now()))
      list.gather.start(kGather);
  }

  void answer(const std::string& uri) {
    auto it = lists.find(uri);
    if (it == lists.end()) return;
    List& list = *it->second;
    list.gather.stop();
    list.looked_up = loop.now();
    list.records.drop_expired(loop.unix_now());
    auto waiting = std::exchange(list.waiting, {});
    std::vector<std::vector<ServiceBody>> orders;  // first, since a caller may change the list
    for (std::size_t i = 0; i < waiting.size(); ++i) orders.push_back(ordered(list));
    for (std::size_t i = 0; i < waiting.size(); ++i) waiting[i](std::move(orders[i]));
  }

  void drop_if_idle(const std::string& uri) {
    auto it = lists.find(uri);
    if (it == lists.end()) return;
    List& list = *it->second;
    if (!list.waiting.empty() || list.searching || loop.now() - list.used < kKeep)
      return list.idle.start(kKeep);
    if (list.listening) overlay.unlisten(list.listening);
    // Not from within its own timer.
    auto gone = std::make_shared<std::unique_ptr<List>>(std::move(it->second));
    lists.erase(it);
    loop.post([gone] { gone->reset(); });
  }

  // A weighted shuffle (each peer draws an exponential time at the rate of its weight; the earliest
  // comes first), then those that failed lately, the oldest failure first.
  std::vector<ServiceBody> ordered(const List& list) {
    struct Candidate {
      base::Instant failed_until;
      double draw;
      ServiceBody body;
    };
    std::erase_if(failed_until, [this](const auto& pair) { return pair.second <= loop.now(); });
    std::vector<Candidate> candidates;
    for (const Record& record : newest_per_signer(list.records.all(), loop.unix_now())) {
      auto body = decode_service(record.body);
      if (record.kind != Kind::service || !body) continue;
      auto failed = failed_until.find(body->peer);
      double uniform = (static_cast<double>(random.u64() >> 11) + 1) * 0x1p-53;  // (0, 1]
      candidates.push_back({failed == failed_until.end() ? base::Instant{} : failed->second,
                            -std::log(uniform) / weight_of(*body), std::move(*body)});
    }
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
      return std::pair(a.failed_until, a.draw) < std::pair(b.failed_until, b.draw);
    });
    std::vector<ServiceBody> result;
    for (Candidate& candidate : candidates) result.push_back(std::move(candidate.body));
    return result;
  }

  void find_near(std::string_view uri, RoundTrips& round_trips, std::size_t most,
                 std::function<void(std::vector<Near>)> done) {
    find(uri, [&round_trips, most, done = std::move(done)](std::vector<ServiceBody> found) {
      found.resize(std::min(found.size(), limits::kMaxMeasured));
      std::vector<RoundTrips::Place> places;
      for (const ServiceBody& body : found) places.push_back(place_of(body));
      round_trips.measure(std::move(places), most, [found, most, done](const RoundTrips::Times& times) {
        std::vector<Near> answered;
        for (std::size_t i = 0; i < found.size(); ++i)
          if (times[i]) answered.push_back({found[i], *times[i]});
        answered = nearest_first(std::move(answered));
        if (answered.size() > most) answered.resize(most);
        done(std::move(answered));
      });
    });
  }

  void failed(const identity::PeerId& peer) {
    ++failures;
    failed_until[peer] = loop.now() + kFailurePenalty;
  }

  base::Loop& loop;
  Overlay& overlay;
  const Signer& signer;
  base::Random& random;
  std::map<std::string, Offer, std::less<>> offers;
  std::map<std::string, Version, std::less<>> versions;
  std::map<std::string, std::unique_ptr<List>, std::less<>> lists;
  std::map<identity::PeerId, base::Instant> failed_until;
  base::Counter &published, &lookups, &failures;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

Directory::Directory(base::Loop& loop, Overlay& overlay, const Signer& signer, base::Random& random,
                     base::Metrics& metrics)
    : impl_(std::make_unique<Impl>(loop, overlay, signer, random, metrics)) {}
Directory::~Directory() = default;
void Directory::offer(std::string uri, ServiceBody body) { impl_->offer(std::move(uri), std::move(body)); }
void Directory::withdraw(std::string_view uri) { impl_->withdraw(uri); }
void Directory::find(std::string_view uri, std::function<void(std::vector<ServiceBody>)> done) {
  impl_->find(uri, std::move(done));
}
void Directory::find_near(std::string_view uri, RoundTrips& round_trips, std::size_t most,
                          std::function<void(std::vector<Near>)> done) {
  impl_->find_near(uri, round_trips, most, std::move(done));
}
void Directory::failed(const identity::PeerId& peer) { impl_->failed(peer); }

}  // namespace causeway::overlay
