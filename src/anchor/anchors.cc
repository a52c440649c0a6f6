#include "anchor/anchors.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "sip/rewrite.h"

namespace causeway::anchor {

namespace {

using proxy::Crossing;
using sip::HeaderName;
using sip::Message;
using sip::Method;

base::Buffer with_body(const Message& message, std::string_view body) {
  if (!message.has(HeaderName::content_length)) {  // a datagram: Rewrite gives it the one that it has now
    const auto bytes = sip::Rewrite(message).build();
    Message whole;
    return bytes && whole.parse(bytes.view()) ? with_body(whole, body) : base::Buffer();
  }
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), body.size()).ptr;
  sip::Rewrite edit(message);
  for (auto* f = message.first(HeaderName::content_length); f; f = message.next(*f))
    edit.replace(message.value(*f), {digits.data(), end});
  edit.replace(message.body(), body);
  return edit.build();
}

// Others may take them a moment later, but not so many.
bool are_descriptors_free(std::size_t wanted) {
  std::vector<net::Descriptor> taken;
  while (taken.size() < wanted) {
    taken.emplace_back(::eventfd(0, EFD_CLOEXEC));
    if (!taken.back()) return false;
  }
  return true;
}

}  // namespace

// What a transaction holds of a call.
class Anchors::Leg final : public proxy::PhoneLeg {
 public:
  Leg(std::weak_ptr<Anchors> anchors, Id id) : anchors_(std::move(anchors)), id_(id) {}
  ~Leg() override {
    if (const auto anchors = anchors_.lock()) anchors->release(id_);
  }
  base::Buffer response(const Message& response, Crossing crossing) override {
    const auto anchors = anchors_.lock();
    return anchors ? anchors->respond(id_, response, crossing) : base::Buffer();
  }

 private:
  const std::weak_ptr<Anchors> anchors_;
  const Id id_;
};

Anchors::Metrics::Metrics(base::Metrics& m)
    : begun(m.counter("anchor_calls_total", "calls whose media this peer has stood in the path of")),
      now(m.counter("anchor_calls", "such calls now")),
      silent(m.counter("anchor_silent_total", "such calls that ended because nothing came from either side")),
      calls(m.counter("anchor_refused_total{reason=\"calls\"}",
                      "requests of or to phones with media = \"anchor\" refused: too many calls")),
      of_user(m.counter("anchor_refused_total{reason=\"calls of user\"}",
                        "the same: too many calls of one user")),
      ports(m.counter("anchor_refused_total{reason=\"ports\"}", "the same: no port for the phone's media")),
      descriptors(m.counter("anchor_refused_total{reason=\"descriptors\"}",
                            "the same: this process may not open so many more files (ulimit -n)")),
      description(m.counter("anchor_refused_total{reason=\"description\"}",
                            "the same: an offer without audio that can be carried")),
      no_path(m.counter("anchor_refused_total{reason=\"no path\"}",
                        "the same: this machine has no address for media")),
      no_call(
          m.counter("anchor_refused_total{reason=\"no call\"}",
                    "the same: an offer within a call that this peer does not know, or that has ended while "
                    "the offer waited")),
      addresses(m.counter("anchor_addresses_refused_total",
                          "addresses and candidates for media that nothing is sent to: loopback, link-local, "
                          "and without ICE this machine's own")) {}

Anchors::Anchors(AnchorConfig config)
    : config_(std::move(config)), destinations_(config_.allowed, metrics_.addresses) {}
Anchors::~Anchors() { stop(); }

void Anchors::stop() {
  std::unique_ptr<ua::MediaThread> thread;
  {
    const Lock lock(mutex_);
    stopped_ = true;
    while (!places_.empty()) end(places_.begin()->first);
    thread = std::move(thread_);
  }
  // It runs what has been posted; that may want the lock.
}

std::size_t Anchors::calls() const {
  const Lock lock(mutex_);
  return places_.size();
}

std::vector<base::Metrics::Row> Anchors::counters() {
  std::vector<base::Metrics::Row> rows;
  ua::MediaThread* thread;
  {
    const Lock lock(mutex_);
    metrics_.now.set(places_.size());
    rows.assign(counters_.rows().begin(), counters_.rows().end());
    thread = thread_.get();
  }
  const auto add = [&] {
    rows.insert(rows.end(), media_counters_.rows().begin(), media_counters_.rows().end());
  };
  thread ? thread->run(add) : add();
  return rows;
}

// ---- requests

Anchors::Answer Anchors::take(const Message& request, Crossing crossing, std::string_view user,
                              const net::Ip& phone, const Local& at) {
  const Lock lock(mutex_);
  if (stopped_) return {};
  Id id = find(request, crossing, user);
  if (request.method() == Method::bye) {
    if (Place* known = place(id); known && known->call->ends_with(tags_of(request, crossing))) end(id);
    return {};
  }
  if (!id && request.method() != Method::invite) {
    // Begun before this peer was started, say. As it is it would name what the other side cannot reach.
    const bool offers = request.method() != Method::ack && !sdp_of(request).empty();
    return offers ? refuse(488, "Not a call through this peer; INVITE makes it one", metrics_.no_call)
                  : Answer{};
  }
  if (!id) {
    Answer opened = open(request, user, phone, at);
    if (opened.is == Answer::Is::refused) return opened;
    id = opened.id;
  } else if (crossing == Crossing::from_phone) {
    place(id)->call->bridge().move_phone(phone);
  }
  return judge(id, request, crossing);
}

Anchors::Answer Anchors::take_again(Id id, const Message& request, Crossing crossing) {
  const Lock lock(mutex_);
  Place* at = place(id);
  if (!at) return refuse(481, "The call has ended meanwhile", metrics_.no_call);
  --at->legs;  // what kept it until now
  return judge(id, request, crossing);
}

Anchors::Answer Anchors::judge(Id id, const Message& request, Crossing crossing) {
  Place& at = *place(id);
  Answer answer;
  auto result = at.call->take(request, crossing);
  switch (result.is) {
    case Call::Result::Is::waits:
      answer.is = Answer::Is::waits;
      answer.id = id;
      answer.gather = !std::exchange(at.gathers, true);
      return answer;
    case Call::Result::Is::refused:
    case Call::Result::Is::no_way:
      answer = result.is == Call::Result::Is::no_way ? refuse(503, result.text, metrics_.no_path)
                                                     : refuse(488, result.text, metrics_.description);
      if (at.is_over()) end(id);
      return answer;
    case Call::Result::Is::changed:
      answer.request = with_body(request, result.text);
      break;
    case Call::Result::Is::as_it_is:
      break;
  }
  ++at.legs;
  answer.leg = std::make_shared<Leg>(weak_from_this(), id);
  return answer;
}

Anchors::Answer Anchors::refuse(int status, std::string_view reason, base::Counter& counter) {
  ++counter;
  Answer answer;
  answer.is = Answer::Is::refused;
  answer.status = status;
  answer.reason = reason;
  // It becomes a reason phrase, and may bear what others have written.
  for (char& c : answer.reason)
    if (c < ' ' || c > '~') c = ' ';
  return answer;
}

// Sockets are opened, and nothing is gathered yet.
Anchors::Answer Anchors::open(const Message& request, std::string_view user, const net::Ip& phone,
                              const Local& at) {
  if (places_.size() >= config_.most_calls)
    return refuse(503, "Too many calls through this peer", metrics_.calls);
  const auto of_user =
      std::ranges::count_if(places_, [&](const auto& one) { return one.second.call->user() == user; });
  if (static_cast<std::size_t>(of_user) >= config_.most_of_user)
    return refuse(503, "Too many calls of this user", metrics_.of_user);
  if (!are_descriptors_free(limits::kFreeDescriptors))
    return refuse(503, "Too many open files", metrics_.descriptors);
  auto ports = open_ports(at(), config_.ports, random_);
  if (!ports) return refuse(503, ports.error().message, metrics_.ports);
  if (!thread_) thread_ = std::make_unique<ua::MediaThread>();
  const Id id = ++last_;
  auto bridge = std::make_shared<Bridge>(
      *thread_, media_metrics_,
      Bridge::User{[this, id](std::optional<ua::LocalMedia> local) { gathered(id, std::move(local)); },
                   [this, id](bool there) { set_way(id, there); }, [this, id] { silent(id); }},
      config_.patience);
  net::Address told = ports->address;
  if (config_.advertise && config_.advertise->is_v4() == told.ip.is_v4()) told.ip = *config_.advertise;
  bridge->open(std::move(*ports), phone);
  std::string call_id(request.call_id());
  by_call_id_.emplace(call_id, id);
  const auto identity = ua::DtlsIdentity::of_process();
  places_[id].call = std::make_unique<Call>(std::string(user), std::move(call_id), told, random_.u64() >> 2,
                                            identity ? (*identity)->fingerprint() : std::string(),
                                            std::move(bridge), destinations_);
  ++metrics_.begun;
  Answer answer;
  answer.id = id;
  return answer;
}

// A request that begins a dialogue with a phone is another call for each phone that it forks to.
Anchors::Id Anchors::find(const Message& request, Crossing crossing, std::string_view user) {
  const std::string_view tag = tags_of(request, crossing).phone;
  const auto [first, last] = by_call_id_.equal_range(std::string(request.call_id()));
  const auto found =
      std::find_if(first, last, [&](const auto& one) { return place(one.second)->call->is_of(user, tag); });
  return found == last ? 0 : found->second;
}

Anchors::Place* Anchors::place(Id id) {
  const auto found = places_.find(id);
  return found == places_.end() ? nullptr : &found->second;
}

void Anchors::end(Id id) {
  Place& at = *place(id);
  wake(at);
  at.call->bridge().close();
  const auto [first, last] = by_call_id_.equal_range(at.call->id());
  by_call_id_.erase(std::find_if(first, last, [&](const auto& one) { return one.second == id; }));
  places_.erase(id);
}

// ---- what comes later

void Anchors::wait(Id id, base::Loop& loop, base::Task again) {
  const Lock lock(mutex_);
  if (stopped_) return;
  Place* at = place(id);
  if (!at) return loop.post_from_any_thread(std::move(again));  // it has just ended
  at->waiters.push_back({&loop, std::move(again)});
  if (at->call->is_ready()) wake(*at);
}

void Anchors::gather(Id id, std::vector<ua::RelayServer> relays) {
  const Lock lock(mutex_);
  Place* at = place(id);
  if (!at) return;
  at->call->bridge().gather({.relays = std::move(relays),
                             .stun = {},
                             .local_addresses = config_.local_addresses,
                             .controlling = at->call->is_controlling(),
                             .rtcp_port = at->call->wants_rtcp_port(),
                             .tunnels = nullptr});
}

// On the media thread: which ends before any of the loops does.
void Anchors::gathered(Id id, std::optional<ua::LocalMedia> local) {
  const Lock lock(mutex_);
  Place* at = place(id);
  if (!at) return;
  at->call->gathered(std::move(local));
  wake(*at);
}

void Anchors::set_way(Id id, bool there) {
  const Lock lock(mutex_);
  if (Place* at = place(id)) at->call->set_way(there);
}

// Each of those who waited keeps the call until he has taken his request again.
void Anchors::wake(Place& at) {
  at.legs += at.waiters.size();
  for (Place::Waiter& waiter : std::exchange(at.waiters, {}))
    if (!stopped_) waiter.loop->post_from_any_thread(std::move(waiter.again));
}

void Anchors::silent(Id id) {
  const Lock lock(mutex_);
  if (!place(id)) return;
  ++metrics_.silent;
  end(id);
}

base::Buffer Anchors::respond(Id id, const Message& response, Crossing crossing) {
  const Lock lock(mutex_);
  Place* at = place(id);
  if (!at) return {};
  const auto result = at->call->take(response, crossing);
  return result.is == Call::Result::Is::changed ? with_body(response, result.text) : base::Buffer();
}

void Anchors::release(Id id) {
  const Lock lock(mutex_);
  Place* at = place(id);
  if (!at) return;
  --at->legs;
  if (at->is_over()) end(id);
}

}  // namespace causeway::anchor
