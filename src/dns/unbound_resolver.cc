// Resolver on libunbound. Its queries run on a thread of its own; results wait behind a descriptor that
// the loop watches, so everything here runs on the loop.
#include <algorithm>
#include <cctype>
#include <unordered_map>
#include <unordered_set>

#include <unbound.h>

#include "base/encoding.h"

#include "base/limits.h"
#include "base/log.h"
#include "dns/rdata.h"
#include "dns/resolver.h"

namespace causeway::dns {

namespace {

constexpr const char* kLog = "dns";
constexpr int kClassIn = 1;
enum Type : int { kA = 1, kAaaa = 28, kSrv = 33, kNaptr = 35 };

using Answer = base::Result<std::vector<base::Bytes>>;  // the data of each record
using OnAnswer = std::function<void(const Answer&)>;

const char* type_name(int type) {
  return type == kA ? "A" : type == kAaaa ? "AAAA" : type == kSrv ? "SRV" : "NAPTR";
}

class UnboundResolver final : public Resolver {
 public:
  UnboundResolver(base::Loop& loop, base::Metrics& metrics, ub_ctx* context, base::Duration max_ttl)
      : loop_(loop),
        context_(context),
        max_ttl_(max_ttl),
        watch_(loop.watch(ub_fd(context))),
        silent_(
            metrics.counter("dns_queries_unanswered_total", "queries that no name server answered in time")),
        left_out_(
            metrics.counter("dns_records_left_out_total", "records of answers with too many, not looked at")),
        forgotten_(metrics.counter("dns_answers_forgotten_total",
                                   "answers that were still good, forgotten to make room for others")) {
    wait();
  }

  ~UnboundResolver() override {
    watch_.reset();
    for (Query* query : queries_) {
      ub_cancel(context_, query->id);
      delete query;
    }
    ub_ctx_delete(context_);
  }

  void naptr(const std::string& name, OnRecords<Naptr> done) override {
    ask(name, kNaptr, [this, done = std::move(done)](const Answer& a) {
      done(decoded<Naptr>(a, decode_naptr, left_out_));
    });
  }
  void srv(const std::string& name, OnRecords<Srv> done) override {
    ask(name, kSrv,
        [this, done = std::move(done)](const Answer& a) { done(decoded<Srv>(a, decode_srv, left_out_)); });
  }
  // IPv4 first: where a host has both, the older family is the one that more SIP networks route.
  void addresses(const std::string& name, bool ipv4, bool ipv6, OnRecords<net::Ip> done) override {
    auto sixth = [this, name, ipv6, done = std::move(done)](base::Result<std::vector<net::Ip>> fourth) {
      if (!ipv6) return done(std::move(fourth));
      ask(name, kAaaa, [this, done, fourth = std::move(fourth)](const Answer& a) {
        auto all = decoded<net::Ip>(a, decode_aaaa, left_out_);
        if (!all) return done(fourth && !fourth->empty() ? fourth : std::unexpected(all.error()));
        if (fourth) all->insert(all->begin(), fourth->begin(), fourth->end());
        if (!fourth && all->empty()) return done(fourth);
        done(std::move(all));
      });
    };
    if (!ipv4) return sixth(std::vector<net::Ip>());
    ask(name, kA, [this, sixth = std::move(sixth)](const Answer& a) {
      sixth(decoded<net::Ip>(a, decode_a, left_out_));
    });
  }

 private:
  struct Query {
    Query(UnboundResolver& in, std::string about, int kind, OnAnswer then)
        : resolver(in),
          name(std::move(about)),
          type(kind),
          done(std::move(then)),
          timer(in.loop_.timers(), [this] { expire(); }) {}
    void expire() {
      ++resolver.silent_;
      resolver.warn_of_silence(name);
      ub_cancel(resolver.context_, id);
      resolver.finish(
          *this,
          base::fail("{} {}: no name server answered within {} s; check dns.servers or /etc/resolv.conf",
                     name, type_name(type), limits::kPatience / std::chrono::seconds(1)),
          base::Duration(0));
    }
    UnboundResolver& resolver;
    std::string name;
    int type;
    OnAnswer done;
    base::Timer timer;
    int id = 0;
  };
  struct Cached {
    base::Instant until;
    std::shared_ptr<const Answer> answer;
  };

  template <class T>
  static base::Result<std::vector<T>> decoded(const Answer& answer, std::optional<T> (*decode)(Rdata),
                                              base::Counter& left_out) {
    if (!answer) return std::unexpected(answer.error());
    std::vector<T> records;
    for (const base::Bytes& data : *answer) {
      if (records.size() == limits::kMaxRecords) {
        ++left_out;
        continue;
      }
      if (auto record = decode(data)) records.push_back(std::move(*record));
    }
    return records;
  }

  void ask(std::string name, int type, OnAnswer done) {
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (auto at = cache_.find(key(name, type)); at != cache_.end()) {
      if (at->second.until > loop_.now()) {
        auto kept = at->second.answer;
        return done(*kept);
      }
      cache_.erase(at);
    }
    auto* query = new Query(*this, std::move(name), type, std::move(done));
    queries_.insert(query);
    int error = ub_resolve_async(context_, query->name.c_str(), type, kClassIn, query,
                                 &UnboundResolver::on_result, &query->id);
    if (error != 0)
      return finish(*query, base::fail("{} {}: {}", query->name, type_name(type), ub_strerror(error)),
                    base::Duration(0));
    query->timer.start(limits::kPatience);
  }

  static void on_result(void* mine, int error, ub_result* result) {
    auto& query = *static_cast<Query*>(mine);
    query.resolver.read_result(query, error, result);
    ub_resolve_free(result);
  }

  void read_result(Query& query, int error, const ub_result* result) {
    if (error != 0)
      return finish(query, base::fail("{} {}: {}", query.name, type_name(query.type), ub_strerror(error)),
                    base::Duration(0));
    if (result->bogus)
      return finish(query,
                    base::fail("{} {}: refused by DNSSEC: {}", query.name, type_name(query.type),
                               result->why_bogus ? result->why_bogus : "bogus"),
                    base::Duration(0));
    constexpr int kNoError = 0, kNxDomain = 3;
    if (result->rcode != kNoError && result->rcode != kNxDomain)
      return finish(query,
                    base::fail("{} {}: the name server answered with code {}", query.name,
                               type_name(query.type), result->rcode),
                    base::Duration(0));
    std::vector<base::Bytes> records;
    if (result->havedata)
      for (int i = 0; result->data[i]; ++i) {
        auto* data = reinterpret_cast<const std::uint8_t*>(result->data[i]);
        records.emplace_back(data, data + result->len[i]);
      }
    base::Duration life =
        records.empty() ? limits::kNegative
                        : std::min<base::Duration>(max_ttl_, std::chrono::seconds(std::max(result->ttl, 0)));
    finish(query, std::move(records), life);
  }

  // Once a minute: lookups are as many as calls.
  void warn_of_silence(const std::string& name) {
    if (warned_ && loop_.now() - *warned_ < std::chrono::minutes(1)) return;
    warned_ = loop_.now();
    base::log::warn(kLog, "no name server answers (asked for {}); calls to other domains fail until one does",
                    name);
  }

  void finish(Query& query, Answer answer, base::Duration life) {
    queries_.erase(&query);
    std::unique_ptr<Query> ends(&query);
    query.timer.stop();
    if (life.count() > 0) {
      if (cache_.size() >= limits::kMaxCached) make_room();
      cache_[key(query.name, query.type)] = {loop_.now() + life, std::make_shared<const Answer>(answer)};
    }
    query.done(answer);
  }

  // What has expired; if that is little, all: asking again costs a thread hop each.
  void make_room() {
    std::erase_if(cache_, [now = loop_.now()](const auto& entry) { return entry.second.until <= now; });
    if (cache_.size() < limits::kMaxCached / 2) return;
    forgotten_.add(cache_.size());
    cache_.clear();
  }

  void wait() {
    watch_->wait(base::Ready::read, [this] {
      ub_process(context_);
      wait();
    });
  }

  static std::string key(const std::string& name, int type) { return name + '/' + std::to_string(type); }

  base::Loop& loop_;
  ub_ctx* context_;
  base::Duration max_ttl_;
  std::unique_ptr<base::Loop::Watch> watch_;
  std::unordered_set<Query*> queries_;
  std::optional<base::Instant> warned_;
  std::unordered_map<std::string, Cached> cache_;
  base::Counter &silent_, &left_out_, &forgotten_;
};

int set_option(ub_ctx* context, const char* name, const std::string& value) {
  return ub_ctx_set_option(context, name, value.c_str());
}

base::Status configure(ub_ctx* context, const ResolverConfig& config) {
  // Local name servers are common (systemd-resolved, a test's), and a server that was down is tried again
  // soon.
  set_option(context, "do-not-query-localhost:", "no");
  set_option(context, "infra-keep-probing:", "yes");
  set_option(context, "infra-host-ttl:", "10");
  set_option(context, "cache-max-ttl:", std::to_string(config.max_ttl_seconds));
  set_option(context, "cache-max-negative-ttl:", std::to_string(limits::kNegative / std::chrono::seconds(1)));
  // Private networks use the private reverse zones, which libunbound would answer by itself.
  set_option(context, "unblock-lan-zones:", "yes");
  set_option(context, "module-config:", config.dnssec ? "validator iterator" : "iterator");
  if (config.dnssec)
    if (int error = ub_ctx_add_ta_autr(context, "/usr/share/dns/root.key"); error != 0)
      return base::fail("dns.dnssec: /usr/share/dns/root.key: {}; install the package dns-root-data",
                        ub_strerror(error));
  for (const std::string& server : config.servers)
    if (int error = ub_ctx_set_fwd(context, server.c_str()); error != 0)
      return base::fail("dns.servers: '{}': expected an address such as 192.0.2.53 or 192.0.2.53@5353: {}",
                        server, ub_strerror(error));
  if (config.servers.empty())
    if (int error = ub_ctx_resolvconf(context, nullptr); error != 0)
      base::log::warn(kLog, "/etc/resolv.conf: {}; asking the root servers directly", ub_strerror(error));
  ub_ctx_hosts(context, nullptr);
  // The same for test. (RFC 6761 6.2); this one ends what may be set.
  ub_ctx_zone_remove(context, "test.");
  ub_ctx_async(context, 1);
  return {};
}

}  // namespace

base::Result<std::unique_ptr<Resolver>> make_unbound_resolver(base::Loop& loop, base::Metrics& metrics,
                                                              const ResolverConfig& config) {
  ub_ctx* context = ub_ctx_create();
  if (!context) return base::fail("libunbound: cannot make a context: out of memory");
  if (auto fine = configure(context, config); !fine) {
    ub_ctx_delete(context);
    return std::unexpected(fine.error());
  }
  return std::make_unique<UnboundResolver>(loop, metrics, context,
                                           std::chrono::seconds(config.max_ttl_seconds));
}

}  // namespace causeway::dns
