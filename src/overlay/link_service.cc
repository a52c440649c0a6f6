#include "overlay/link_service.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "identity/bundle.h"
#include "overlay/public_links.h"

namespace causeway::overlay {
namespace {

using What = LinkQuestion::What;

// A member that keeps its link alive pings every PublicLinks::kPing; after this long it is gone.
constexpr base::Duration kSilence = 4 * PublicLinks::kPing;
// One message of news is given up after this long, and with it the link.
constexpr base::Duration kNewsPatience = std::chrono::seconds(5);

struct ServiceMetrics {
  base::Counter &attached, &gets, &puts, &listens, &news, &checks, &reachable;
  base::Counter &malformed, &invalid, &not_own, &too_many_gets, &too_many_puts, &too_many_listens,
      &too_many_checks, &too_much_news, &not_public;

  static base::Counter& refused(base::Metrics& m, std::string_view reason) {
    return m.counter(fmt::format("overlay_link_refused_total{{reason=\"{}\"}}", reason),
                     "what members that are no nodes have asked for in vain");
  }
  static base::Counter& served(base::Metrics& m, std::string_view what) {
    return m.counter(fmt::format("overlay_link_served_total{{what=\"{}\"}}", what),
                     "what was done for members that are no nodes");
  }
  explicit ServiceMetrics(base::Metrics& m)
      : attached(served(m, "attach")),
        gets(served(m, "get")),
        puts(served(m, "put")),
        listens(served(m, "listen")),
        news(served(m, "news")),
        checks(served(m, "check")),
        reachable(m.counter("overlay_link_checks_reachable_total", "members that could be called back")),
        malformed(refused(m, "malformed")),
        invalid(refused(m, "invalid")),
        not_own(refused(m, "not_own")),
        too_many_gets(refused(m, "gets")),
        too_many_puts(refused(m, "puts")),
        too_many_listens(refused(m, "listens")),
        too_many_checks(refused(m, "checks")),
        too_much_news(refused(m, "news")),
        not_public(refused(m, "not_public")) {}
};

// So many a second, and a few seconds' worth at once.
class Allowance {
 public:
  bool take(base::Instant now) {
    constexpr std::int64_t kFull = std::int64_t{limits::kMaxLinkPuts} * limits::kLinkPutBurst * 1000;
    credit_ = std::min(kFull, credit_ + (now - at_).count() * limits::kMaxLinkPuts);
    at_ = now;
    if (credit_ < 1000) return false;
    credit_ -= 1000;
    return true;
  }

 private:
  base::Instant at_{};
  std::int64_t credit_ = 0;  // thousandths; full at first, since at_ is long ago
};

}  // namespace

struct LinkService::Impl {
  // What one link has under way.
  struct Client {
    identity::PeerId peer;
    sip::Flow flow;
    std::map<std::uint64_t, Overlay::ListenId> listening;  // its numbers
    std::size_t gets = 0;
    Allowance puts;
    std::unordered_map<std::string, base::UnixMs> kept;  // what was put, by URI; until when
    std::deque<std::pair<std::uint64_t, base::Bytes>> news;
    bool telling = false;
  };

  // A connection to a member that has asked whether it can be reached.
  struct Check final : net::StreamHandler {
    Check(Impl& impl, sip::ServerTransaction& transaction, std::string text, const net::Address& at)
        : owner(impl),
          asking(transaction),
          request(std::move(text)),
          seen(at),
          patience(impl.timers(), [this] { owner.checked(*this, false); }) {}
    void on_connected() override { owner.checked(*this, true); }
    void on_bytes(std::span<const char>) override {}
    void on_closed(const net::StreamClosed&) override { owner.checked(*this, false); }
    Impl& owner;
    sip::ServerTransaction& asking;
    std::string request;
    net::Address seen;
    std::unique_ptr<net::Stream> stream;
    base::Timer patience;
  };

  explicit Impl(Parts p) : parts(p), metrics(p.asker.parts().metrics) {}
  ~Impl() {
    for (auto& [number, client] : clients) leave(client);
  }

  base::Timers& timers() { return parts.asker.parts().loop.timers(); }
  base::Instant now() const { return parts.asker.parts().loop.now(); }
  base::UnixMs unix_now() const { return parts.asker.parts().loop.unix_now(); }
  sip::TransportLayer& transport() { return parts.asker.parts().transport; }

  struct Work {
    sip::ServerTransaction& transaction;
    const sip::Message& request;
    const sip::Flow& flow;
    const LinkQuestion& question;
    identity::PeerId peer;
  };

  void answer(const Work& work, LinkVerdict verdict) {
    parts.asker.answer(work.transaction, work.request,
                       {.verdict = verdict, .seen = work.flow.remote, .records = {}});
  }
  LinkVerdict refuse(base::Counter& why, LinkVerdict verdict) {
    ++why;
    return verdict;
  }

  struct Getting {
    std::uint64_t number;  // tells it from a later one in the same block
    sip::ServerTransaction* transaction;
    std::string request;
    sip::Flow flow;
  };
  using Gets = std::unordered_map<const sip::ServerTransaction*, Getting>;

  void serve(const Work& work);
  Client& client_of(const Work& work);
  LinkVerdict attach(const Work& work);
  LinkVerdict put(const Work& work);
  bool may_keep(Client& client, const Record& record) const;
  LinkVerdict listen(const Work& work);
  LinkVerdict unlisten(const Work& work);
  void get(const Work& work);
  void got(const sip::ServerTransaction* asking, std::uint64_t number, const std::vector<Record>& records);
  void forget_get(Gets::iterator get);
  void check(const Work& work);
  void checked(Check& check, bool reachable);
  bool may_check(const net::Ip& source);
  void hear(std::uint64_t connection, std::uint64_t id, const Record& record);
  void tell(std::uint64_t connection, Client& client);
  void leave(Client& client);
  void closed(const sip::Flow& flow);

  Parts parts;
  ServiceMetrics metrics;
  LinkRequests* links = nullptr;
  bool is_public = false;
  std::unordered_map<std::uint64_t, Client> clients;  // by connection
  std::size_t listeners = 0;                          // of all
  Gets getting;
  std::uint64_t last_get = 0;
  std::map<const sip::ServerTransaction*, std::unique_ptr<Check>> checks;
  std::map<std::uint64_t, base::Instant> checked_at;  // by source
  std::shared_ptr<int> alive = std::make_shared<int>();
};

LinkService::Impl::Client& LinkService::Impl::client_of(const Work& work) {
  auto [at, first] = clients.try_emplace(work.flow.connection);
  if (first) {
    at->second.peer = work.peer;
    at->second.flow = work.flow;
  }
  return at->second;
}

void LinkService::Impl::serve(const Work& work) {
  if (!is_public) return answer(work, refuse(metrics.not_public, LinkVerdict::not_public));
  switch (work.question.what) {
    case What::attach:
      return answer(work, attach(work));
    case What::check:
      return check(work);
    case What::get:
      return get(work);
    case What::put:
      return answer(work, put(work));
    case What::listen:
      return answer(work, listen(work));
    case What::unlisten:
      return answer(work, unlisten(work));
    case What::news:
      return answer(work, refuse(metrics.malformed, LinkVerdict::no));
  }
}

LinkVerdict LinkService::Impl::attach(const Work& work) {
  client_of(work);
  ++metrics.attached;
  transport().expect(work.flow, kSilence);
  // The one before is dead, whether its end has been heard of or not: what waits on it fails now.
  if (const auto before = parts.attached.attach(work.peer, work.flow))
    transport().close(*before, "the member has come over another link");
  return LinkVerdict::ok;
}

LinkVerdict LinkService::Impl::put(const Work& work) {
  Client& client = client_of(work);
  LinkVerdict verdict = LinkVerdict::ok;
  for (const EncodedRecord encoded : work.question.records) {
    if (!client.puts.take(now())) return refuse(metrics.too_many_puts, LinkVerdict::busy);
    const auto record = parts.checker.check(encoded, {}, unix_now());
    if (!record) {
      base::log::debug("overlay", "a record put over a peer link is refused: {}", record.error().message);
      verdict = refuse(metrics.invalid, LinkVerdict::no);
    } else if (record->signer() != work.peer) {
      verdict = refuse(metrics.not_own, LinkVerdict::no);
    } else if (!may_keep(client, *record)) {
      return refuse(metrics.too_many_puts, LinkVerdict::busy);
    } else {
      ++metrics.puts;
      parts.overlay.put(*record);
    }
  }
  return verdict;
}

bool LinkService::Impl::may_keep(Client& client, const Record& record) const {
  if (client.kept.size() >= limits::kMaxLinkKept && !client.kept.contains(record.uri)) {
    std::erase_if(client.kept, [now = unix_now()](const auto& kept) { return kept.second <= now; });
    if (client.kept.size() >= limits::kMaxLinkKept) return false;
  }
  client.kept[record.uri] = record.expiry;
  return true;
}

LinkVerdict LinkService::Impl::listen(const Work& work) {
  Client& client = client_of(work);
  const std::uint64_t id = work.question.id, connection = work.flow.connection;
  if (client.listening.contains(id)) return LinkVerdict::ok;
  if (client.listening.size() >= limits::kMaxLinkListens || listeners >= limits::kMaxAllLinkListens)
    return refuse(metrics.too_many_listens, LinkVerdict::busy);
  ++metrics.listens;
  ++listeners;
  client.listening[id] = parts.overlay.listen(
      work.question.uri, [this, connection, id](const Record& record) { hear(connection, id, record); });
  return LinkVerdict::ok;
}

LinkVerdict LinkService::Impl::unlisten(const Work& work) {
  Client& client = client_of(work);
  const auto known = client.listening.find(work.question.id);
  if (known == client.listening.end()) return LinkVerdict::ok;
  parts.overlay.unlisten(known->second);
  client.listening.erase(known);
  --listeners;
  return LinkVerdict::ok;
}

void LinkService::Impl::get(const Work& work) {
  Client& client = client_of(work);
  if (client.gets >= limits::kMaxLinkGets)
    return answer(work, refuse(metrics.too_many_gets, LinkVerdict::busy));
  ++metrics.gets;
  ++client.gets;
  const std::uint64_t number = ++last_get;
  const sip::ServerTransaction* asking = &work.transaction;
  getting.insert_or_assign(asking,
                           Getting{number, &work.transaction, std::string(work.request.bytes()), work.flow});
  parts.overlay.get(work.question.uri, work.question.patience, nullptr,
                    [this, asking, number, here = std::weak_ptr(alive)](const std::vector<Record>& records) {
                      if (!here.expired()) got(asking, number, records);
                    });
}

void LinkService::Impl::got(const sip::ServerTransaction* asking, std::uint64_t number,
                            const std::vector<Record>& records) {
  const auto known = getting.find(asking);
  if (known == getting.end() || known->second.number != number) return;
  const Getting get = std::move(known->second);
  forget_get(known);
  sip::Message request;
  if (!request.parse(get.request)) return;
  LinkAnswer answer{.verdict = LinkVerdict::ok, .seen = get.flow.remote, .records = {}};
  for (const Record& record : records)
    if (answer.records.size() < limits::kMaxLinkRecords) answer.records.push_back(record.encoded);
  parts.asker.answer(*get.transaction, request, answer);
}

void LinkService::Impl::forget_get(Gets::iterator get) {
  const auto client = clients.find(get->second.flow.connection);
  if (client != clients.end()) --client->second.gets;
  getting.erase(get);
}

// ---- news

void LinkService::Impl::hear(std::uint64_t connection, std::uint64_t id, const Record& record) {
  const auto known = clients.find(connection);
  if (known == clients.end()) return;
  Client& client = known->second;
  if (client.news.size() >= limits::kMaxLinkNews) {  // it learns the rest when it asks
    ++metrics.too_much_news;
    return;
  }
  client.news.emplace_back(id, record.encoded);
  if (!client.telling) tell(connection, client);
}

// One message at a time, with as much as there is for one listener.
void LinkService::Impl::tell(std::uint64_t connection, Client& client) {
  client.telling = false;
  if (client.news.empty()) return;
  LinkQuestion question{.what = What::news, .id = client.news.front().first, .uri = {}, .records = {}};
  std::vector<base::Bytes> sent;
  while (!client.news.empty() && client.news.front().first == question.id &&
         sent.size() < limits::kMaxLinkRecords) {
    sent.push_back(std::move(client.news.front().second));
    client.news.pop_front();
  }
  for (const base::Bytes& record : sent) question.records.push_back(record);
  client.telling = true;
  ++metrics.news;
  parts.asker.ask(client.flow, question, kNewsPatience,
                  [this, connection, here = std::weak_ptr(alive)](const base::Result<LinkAnswer>& answer) {
                    if (here.expired()) return;
                    const auto known = clients.find(connection);
                    if (known == clients.end()) return;
                    if (!answer) return transport().close(known->second.flow, "news was not taken");
                    tell(connection, known->second);
                  });
}

// ---- checks

bool LinkService::Impl::may_check(const net::Ip& source) {
  std::erase_if(checked_at, [this](const auto& at) { return now() - at.second >= limits::kCheckPause; });
  if (checks.size() >= limits::kMaxChecks || checked_at.size() >= 16 * limits::kMaxChecks) return false;
  return checked_at.try_emplace(source.source(), now()).second;
}

void LinkService::Impl::check(const Work& work) {
  if (!may_check(work.flow.remote.ip))
    return answer(work, refuse(metrics.too_many_checks, LinkVerdict::busy));
  ++metrics.checks;
  auto check =
      std::make_unique<Check>(*this, work.transaction, std::string(work.request.bytes()), work.flow.remote);
  Check& begun = *check;
  checks[&work.transaction] = std::move(check);
  begun.patience.start(limits::kCheckPatience);
  begun.stream =
      parts.network.connect({work.flow.remote.ip, work.question.port},
                            {parts.member_tls, identity::peer_host(work.peer, parts.asker.domain())}, begun);
}

// Its own certificate has been shown there, or not.
void LinkService::Impl::checked(Check& check, bool reachable) {
  auto known = checks.extract(&check.asking);
  if (known.empty()) return;
  if (reachable) ++metrics.reachable;
  sip::Message request;
  if (!request.parse(check.request)) return;
  parts.asker.answer(
      check.asking, request,
      {.verdict = reachable ? LinkVerdict::ok : LinkVerdict::no, .seen = check.seen, .records = {}});
}

// ---- the end of links

void LinkService::Impl::leave(Client& client) {
  for (const auto& [theirs, ours] : client.listening) parts.overlay.unlisten(ours);
  listeners -= client.listening.size();
  client.listening.clear();
  parts.attached.detach(client.peer, client.flow);
}

void LinkService::Impl::closed(const sip::Flow& flow) {
  const auto known = clients.find(flow.connection);
  if (known == clients.end()) return;
  leave(known->second);
  clients.erase(known);
}

LinkService::LinkService(Parts parts) : impl_(std::make_unique<Impl>(parts)) {}
LinkService::~LinkService() = default;

void LinkService::set_public(bool is_public) { impl_->is_public = is_public; }
void LinkService::set_links(LinkRequests* links) { impl_->links = links; }
std::size_t LinkService::clients() const { return impl_->clients.size(); }

void LinkService::on_link_request(sip::ServerTransaction& transaction, const sip::Message& request,
                                  const sip::Flow& flow) {
  const auto question = decode_link_question(base::as_bytes(request.body()));
  const auto peer = identity::peer_of_host(impl_->transport().member_name(flow), impl_->parts.asker.domain());
  if (question && question->what == What::news && impl_->links)
    return impl_->links->on_link_request(transaction, request, flow);
  if (!question || !peer) {
    ++impl_->metrics.malformed;
    return impl_->parts.asker.parts().transactions.answer(transaction, request, 400, "Bad question", "link");
  }
  impl_->serve({transaction, request, flow, *question, *peer});
}

void LinkService::on_link_closed(const sip::Flow& flow) {
  impl_->closed(flow);
  if (impl_->links) impl_->links->on_link_closed(flow);
}

void LinkService::on_link_gone(const sip::ServerTransaction& transaction) {
  if (const auto get = impl_->getting.find(&transaction); get != impl_->getting.end()) impl_->forget_get(get);
  impl_->checks.erase(&transaction);
}

}  // namespace causeway::overlay
