#include "overlay/users.h"
#include "base/limits.h"

#include <algorithm>
#include <utility>

#include "overlay/record_set.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;

// From the first record found to the answer: a phone of the same user registered elsewhere is seen too.
constexpr base::Duration kGather = 50ms;
// How long "not found" is believed.
constexpr base::Duration kNegative = 3s;
// How often entries that nobody asks for any more are looked for.
constexpr base::Duration kSweep = 10s;

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
};

}  // namespace

struct Users::Impl {
  using Done = std::function<void(const UserLookup&)>;

  struct Entry {
    Entry(base::Timers& timers, std::function<void()> on_gathered) : gather(timers, std::move(on_gathered)) {}
    std::string aor;
    RecordSet records;
    UserLookup answer;  // of `records`, while `answer_until` is ahead
    base::UnixMs answer_until = 0;
    bool searching = false;  // a get is under way
    std::vector<Done> waiting;
    base::Timer gather;
    base::Instant looked_up{}, used{};
    Overlay::ListenId listening = 0;
  };
  using EntryPtr = std::shared_ptr<Entry>;

  Impl(base::Loop& the_loop, Overlay& the_overlay, base::Metrics& metrics, std::size_t how_many)
      : loop(the_loop),
        overlay(the_overlay),
        sweep(loop.timers(), [this] { forget_unused(); }),
        most(how_many),
        cached(
            metrics.counter("overlay_user_lookups_total{result=\"cached\"}", "lookups of users, by result")),
        found(metrics.counter("overlay_user_lookups_total{result=\"found\"}", "lookups of users, by result")),
        unknown(
            metrics.counter("overlay_user_lookups_total{result=\"unknown\"}", "lookups of users, by result")),
        refused(
            metrics.counter("overlay_user_lookups_total{result=\"refused\"}", "lookups of users, by result")),
        forgotten(metrics.counter("overlay_users_forgotten_total",
                                  "users forgotten while they were being called, to make room for others")) {}

  ~Impl() {
    for (auto& [aor, entry] : entries) stop_listening(*entry);
  }

  void find(std::string_view aor, Done done) {
    EntryPtr entry = entry_of(aor);
    entry->used = loop.now();
    if (usable(*entry)) {
      ++cached;
      return done(entry->answer);
    }
    if (!entry->searching && *searches >= limits::kMaxUserLookups) {
      ++refused;
      return done({.refused = true});
    }
    entry->waiting.push_back(std::move(done));
    if (!entry->searching) search(entry);
  }

  // Whether the cached answer can be given as it stands; computes it anew where it is out of date. An
  // answer without contacts is believed for kNegative only: a registration may have been missed.
  bool usable(Entry& entry) {
    if (entry.looked_up == base::Instant{}) return false;
    base::UnixMs now = loop.unix_now();
    if (now >= entry.answer_until) compute(entry, now);
    return !entry.answer.contacts.empty() || loop.now() - entry.looked_up < kNegative;
  }

  void compute(Entry& entry, base::UnixMs now) {
    entry.answer.known = entry.answer.known || !entry.records.empty();
    entry.answer.contacts = contacts_of(entry.records.all(), now);
    entry.answer_until = now + std::chrono::milliseconds(kKeepAfterCall).count();
    for (const UserContact& contact : entry.answer.contacts)
      entry.answer_until = std::min(entry.answer_until, contact.expiry);
  }

  void search(const EntryPtr& entry) {
    entry->searching = true;
    ++*searches;
    std::weak_ptr<Entry> weak = entry;
    auto on_record = [this, weak](const Record& record) {
      auto e = weak.lock();
      if (!e) return false;
      add(*e, record);
      bool waited_for = !e->waiting.empty() && !overlay.alone();
      if (waited_for && !e->gather.pending() && e->records.has_live(loop.unix_now()))
        e->gather.start(kGather);
      return true;
    };
    auto on_done = [this, weak, count = searches](const std::vector<Record>& records) {
      --*count;
      auto e = weak.lock();
      if (!e) return;
      e->searching = false;
      for (const Record& record : records) e->records.add(record);
      answer(e);
    };
    overlay.get(entry->aor, limits::kLookupPatience, std::move(on_record), std::move(on_done));
  }

  void add(Entry& entry, const Record& record) {
    if (entry.records.add(record)) entry.answer_until = 0;
  }

  void answer(const EntryPtr& entry) {
    entry->gather.stop();
    entry->looked_up = loop.now();
    compute(*entry, loop.unix_now());
    if (entry->answer.known && !entry->listening) listen(entry);
    ++(entry->answer.known ? found : unknown);
    auto waiting = std::exchange(entry->waiting, {});
    UserLookup result = entry->answer;  // a caller may change the entry
    for (Done& done : waiting) done(result);
  }

  void listen(const EntryPtr& entry) {
    std::weak_ptr<Entry> weak = entry;
    entry->listening = overlay.listen(entry->aor, [this, weak](const Record& record) {
      if (auto e = weak.lock()) add(*e, record);
    });
  }

  void stop_listening(Entry& entry) {
    if (entry.listening) overlay.unlisten(std::exchange(entry.listening, 0));
  }

  EntryPtr entry_of(std::string_view aor) {
    if (auto it = entries.find(aor); it != entries.end()) return it->second;
    if (entries.size() >= most) make_room();
    auto slot = std::make_shared<std::weak_ptr<Entry>>();
    auto entry = std::make_shared<Entry>(loop.timers(), [this, slot] {
      if (auto e = slot->lock()) answer(e);
    });
    *slot = entry;
    entry->aor = std::string(aor);
    entries.emplace(entry->aor, entry);
    if (!sweep.pending()) sweep.start(kSweep);
    return entry;
  }

  bool unused(const Entry& entry) const {
    if (!entry.waiting.empty() || entry.searching) return false;
    return loop.now() - entry.used >= (entry.answer.known ? kKeepAfterCall : kNegative);
  }

  void forget_unused() {
    std::erase_if(entries, [this](const auto& pair) {
      if (!unused(*pair.second)) return false;
      stop_listening(*pair.second);
      return true;
    });
    if (!entries.empty()) sweep.start(kSweep);
  }

  void make_room() {
    forget_unused();
    for (auto it = entries.begin(); entries.size() >= most && it != entries.end();) {
      if (!it->second->waiting.empty()) {
        ++it;
        continue;
      }
      ++forgotten;
      stop_listening(*it->second);
      it = entries.erase(it);
    }
  }

  void learned(const Record& record) {
    auto it = entries.find(record.uri);
    if (it == entries.end()) return;
    EntryPtr entry = it->second;
    add(*entry, record);
  }

  void forget(std::string_view aor) {
    auto it = entries.find(aor);
    if (it == entries.end()) return;
    it->second->looked_up = {};  // the records stay: an old one must not come back
  }

  base::Loop& loop;
  Overlay& overlay;
  std::unordered_map<std::string, EntryPtr, Hash, std::equal_to<>> entries;
  base::Timer sweep;
  const std::size_t most;
  std::shared_ptr<std::size_t> searches = std::make_shared<std::size_t>(0);  // under way; outlives us
  base::Counter &cached, &found, &unknown, &refused, &forgotten;
};

Users::Users(base::Loop& loop, Overlay& overlay, base::Metrics& metrics, std::size_t most)
    : impl_(std::make_unique<Impl>(loop, overlay, metrics, most)) {}
Users::~Users() = default;
void Users::find(std::string_view aor, std::function<void(const UserLookup&)> done) {
  impl_->find(aor, std::move(done));
}
void Users::learned(const Record& record) { impl_->learned(record); }
void Users::forget(std::string_view aor) { impl_->forget(aor); }

}  // namespace causeway::overlay
