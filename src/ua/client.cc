#include "ua/client.h"

#include <fmt/format.h>

#include "base/limits.h"
#include "sip/make_request.h"
#include "ua/limits.h"

namespace causeway::ua {

namespace {

constexpr std::string_view kUserAgent = "Causeway/" CAUSEWAY_VERSION;

std::string_view advice(int status) {
  switch (status) {
    case 401:
    case 407:
      return "check user name and password";
    case 403:
      return "this account may not do that";
    case 404:
    case 604:
      return "check the address";
    case 408:
    case 480:
    case 486:
    case 600:
      return "try again later";
    case 488:
    case 606:
      return "offer other codecs or keying (--codec, --dtls)";
    case 503:
      return "the server is overloaded or has no way there; try again later";
    default:
      return "";
  }
}

}  // namespace

Trouble trouble_of(const sip::Message& response, std::string expected) {
  return {std::move(expected), fmt::format("{} {}", response.status(), response.reason()),
          std::string(advice(response.status()))};
}

struct Client::WrittenAck {
  base::Buffer bytes;             // once its way is known
  std::optional<sip::Flow> flow;  // none: the line's own
  bool wanted = false;
};

Client::Client(base::Loop& loop, sip::TransportLayer& transport, sip::TransactionLayer& transactions,
               base::Random& random, base::Metrics& metrics, Line& line)
    : loop_(loop),
      transport_(transport),
      transactions_(transactions),
      random_(random),
      line_(line),
      challenges_refused_(metrics.counter("ua_challenges_refused_total",
                                          "challenges that no password of ours is for, or that refused it")),
      failovers_(
          metrics.counter("ua_failovers_total",
                          "requests sent to another server because one was silent, gone or overloaded")),
      widened_(metrics.counter("ua_requests_widened_total",
                               "requests over a stream because they are too long for UDP")),
      narrowed_(metrics.counter("ua_requests_narrowed_total",
                                "such requests over UDP after all: their server takes no streams")) {}

Client::~Client() = default;

Client::Entry* Client::find(std::uint64_t id) {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.get();
}

std::uint64_t Client::send(Outgoing request, Requester& requester) {
  const std::uint64_t id = ++last_id_;
  auto made = std::make_unique<Entry>(loop_.timers(), [this, id] { lose_patience(id); });
  Entry& entry = *made;
  entry.id = id;
  entry.request = std::move(request);
  entry.requester = &requester;
  entries_.emplace(id, std::move(made));
  if (entry.request.next_hop.empty())
    on_located(id, {});
  else
    line_.locate(entry.request.next_hop, [this, alive = std::weak_ptr(alive_), id](Places places) {
      if (!alive.expired()) on_located(id, std::move(places));
    });
  entry.sending = false;
  if (!entry.unsent) return id;
  entries_.erase(id);
  return 0;
}

void Client::on_located(std::uint64_t id, Places places) {
  Entry* entry = find(id);
  if (!entry) return;
  entry->places = std::move(places);
  entry->unsent = !transmit(*entry);
  if (!entry->unsent || entry->sending) return;
  const auto gone = std::move(entries_.extract(id).mapped());
  if (!gone->requester) return;
  gone->requester->on_failure(id, {"a way to the other side", "none", "check the network"});
  if (gone->requester) gone->requester->on_done(id);
}

std::optional<sip::Flow> Client::way_of(Entry& entry) {
  for (; entry.place < entry.places.size(); ++entry.place)
    if (auto flow = transport_.flow_to(entry.places[entry.place])) return flow;
  if (entry.request.flow && transport_.alive(*entry.request.flow)) return entry.request.flow;
  return line_.flow();
}

// Those who are not our server get none before they have asked.
Headers Client::credentials_for(const Entry& entry, std::string_view method) const {
  const Outgoing& request = entry.request;
  if (entry.place < entry.places.size() && entry.challenges == 0) return {};
  Headers credentials = line_.digest().lines(method, request.uri);
  if (request.digest && request.digest != &line_.digest())
    for (auto& line : request.digest->lines(method, request.uri)) credentials.push_back(std::move(line));
  return credentials;
}

namespace {

// A proxy answers these at once, be it by a 100. To others it says nothing before the other side does (RFC
// 4320), so that its silence tells nothing.
bool is_answered_at_once(sip::Method method) {
  return method == sip::Method::invite || method == sip::Method::register_;
}

}  // namespace

sip::ClientTransaction& Client::open(const Entry& entry, const sip::Flow& flow) {
  const sip::Method method = entry.request.method;
  return transactions_.open_client(method, sip::method_name(method), flow, *this);
}

// RFC 3261 18.1.1, to a server that has not refused it.
std::optional<sip::Flow> Client::wide_way(const sip::Flow& udp) {
  const auto refused = without_streams_.find(udp.remote);
  if (refused != without_streams_.end() && loop_.now() - refused->second < limits::kStreamRefused)
    return std::nullopt;
  return transport_.flow_to(line_.stream_to(udp.remote));
}

bool Client::transmit(Entry& entry) {
  const auto flow = way_of(entry);
  if (!flow) return false;
  const Outgoing& request = entry.request;
  const auto method = sip::method_name(request.method);
  entry.flow = *flow;
  entry.credentials = credentials_for(entry, method);
  entry.widened = false;
  const std::uint32_t cseq = request.next_cseq();
  sip::ClientTransaction* transaction = &open(entry, *flow);
  auto bytes = write(entry.credentials, request, cseq, *flow, transaction->branch().view());
  if (!net::is_stream(flow->transport) && bytes.size() > sip::limits::kMaxUdpRequest)
    if (const auto stream = wide_way(*flow)) {
      ++widened_;
      entry.widened = true;
      transactions_.discard(*transaction);
      transaction = &open(entry, *stream);
      bytes = write(entry.credentials, request, cseq, *stream, transaction->branch().view());
    }
  replace_transaction(entry, *transaction);
  const bool more = entry.place < entry.places.size() ? entry.has_more_places() : line_.has_another();
  if (more && is_answered_at_once(request.method) && entry.flows + 1 < limits::kMaxFlowTries)
    entry.patience.start(limits::kServerPatience);
  transactions_.start(*transaction, std::move(bytes));
  return true;
}

// What still comes of the one before is over, but for an INVITE's 2xx.
void Client::replace_transaction(Entry& entry, sip::ClientTransaction& by) {
  if (entry.transaction && by.method() != sip::Method::invite)
    entry.transaction->context = nullptr;
  else
    ++entry.transactions;
  by.context = &entry;
  entry.transaction = &by;
}

base::Buffer Client::write(const Headers& credentials, const Outgoing& request, std::uint32_t cseq,
                           const sip::Flow& flow, std::string_view branch) {
  std::vector<sip::ExtraHeader> extra;
  for (const auto& [name, value] : request.headers) extra.push_back({name, value});
  for (const auto& [name, value] : credentials) extra.push_back({name, value});
  extra.push_back({"User-Agent", kUserAgent});
  if (!request.body.empty()) extra.push_back({"Content-Type", "application/sdp"});
  return sip::make_request({.method = sip::method_name(request.method),
                            .uri = request.uri,
                            .from = request.from,
                            .to = request.to,
                            .call_id = request.call_id,
                            .cseq = cseq,
                            .routes = request.routes,
                            .extra = extra,
                            .body = request.body},
                           sip::via_value(flow, transport_.sent_by(flow), branch));
}

std::optional<sip::Flow> Client::flow_of(std::uint64_t id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? std::nullopt : std::optional(found->second->flow);
}

void Client::cancel(std::uint64_t id) {
  Entry* entry = find(id);
  if (!entry) return;
  entry->cancelled = true;
  if (entry->transaction) transactions_.cancel(*entry->transaction);
}

void Client::forget(std::uint64_t id) {
  if (Entry* entry = find(id)) entry->requester = nullptr;
}

Client::Ack Client::make_ack(std::uint64_t invite, Outgoing request, std::uint32_t cseq) {
  const Entry* entry = find(invite);
  if (!entry) return {};
  auto ack = std::make_shared<WrittenAck>();
  const bool known_there = !entry->places.empty();
  const auto located = [this, alive = std::weak_ptr(alive_), ack, request, cseq, known_there,
                        credentials = entry->credentials](const Places& places) {
    if (alive.expired()) return;
    for (std::size_t i = 0; i < places.size() && !ack->flow; ++i) ack->flow = transport_.flow_to(places[i]);
    const auto flow = ack->flow ? ack->flow : line_.flow();
    if (!flow) return;
    ack->bytes = write(ack->flow && !known_there ? Headers{} : credentials, request, cseq, *flow,
                       "z9hG4bK" + random_.token(16));
    if (ack->wanted) send_ack(ack);
  };
  if (request.next_hop.empty())
    located({});
  else
    line_.locate(request.next_hop, located);
  return ack;
}

void Client::send_ack(const Ack& ack) {
  if (!ack) return;
  ack->wanted = true;
  const auto flow = ack->flow ? ack->flow : line_.flow();
  if (flow && ack->bytes) transport_.send(*flow, ack->bytes);
}

bool Client::answers_challenge(Entry& entry, const sip::Message& response) {
  if (entry.cancelled || entry.challenges >= limits::kMaxChallenges) return false;
  using Verdict = sip::DigestClient::Verdict;
  auto verdict = line_.digest().challenged(response, entry.attempt,
                                           entry.request.own_registrar && !entry.request.digest);
  if (verdict != Verdict::answered && entry.request.digest)
    verdict = entry.request.digest->challenged(response, entry.other_attempt, entry.request.own_registrar);
  if (verdict != Verdict::answered) {
    ++challenges_refused_;
    return false;
  }
  ++entry.challenges;
  return transmit(entry);
}

// 17.1.4, RFC 5626 4.5, RFC 3263 4.3: the flow is gone, or its server; not the other side.
bool Client::retry_elsewhere(Entry& entry) {
  if (entry.place < entry.places.size())
    ++entry.place;
  else
    line_.failed(entry.flow);
  if (entry.request.flow == entry.flow) entry.request.flow.reset();
  if (entry.cancelled || ++entry.flows >= limits::kMaxFlowTries) return false;
  const auto next = way_of(entry);
  if (!next || *next == entry.flow) return false;
  entry.attempt = entry.other_attempt = {};  // another server may ask once more
  if (!transmit(entry)) return false;
  ++failovers_;
  return true;
}

// 18.1.1: a server that refuses streams gets it over UDP.
bool Client::retry_narrow(Entry& entry) {
  if (!std::exchange(entry.widened, false) || entry.transaction->has_provisional()) return false;
  if (without_streams_.size() >= limits::kMaxStreamsRefused) without_streams_.clear();
  const auto udp = way_of(entry);
  if (!udp || net::is_stream(udp->transport)) return false;
  without_streams_[udp->remote] = loop_.now();
  ++narrowed_;
  return !entry.cancelled && transmit(entry);
}

// A server that has not said anything yet; the others are not kept waiting (RFC 3263 4.3 would have it wait
// for 32 seconds).
void Client::lose_patience(std::uint64_t id) {
  Entry* entry = find(id);
  if (!entry || entry->answered || !entry->requester || entry->transaction->has_provisional()) return;
  sip::ClientTransaction& silent = *entry->transaction;
  if (retry_elsewhere(*entry)) transactions_.cancel(silent);
}

// An INVITE that was sent anew may yet be answered: every 2xx wants its ACK, and a BYE if it is one too many
// (13.2.2.4). Whoever has the new one need not ring on.
void Client::take_late(Entry& entry, const sip::Message& response) {
  if (response.status() / 100 != 2) return;
  entry.answered = true;
  cancel(entry.id);
  if (entry.requester) entry.requester->on_response(entry.id, response);
}

void Client::on_response(sip::ClientTransaction& transaction, const sip::Message& response) {
  if (!transaction.context) return;
  Entry& entry = *static_cast<Entry*>(transaction.context);
  if (&transaction != entry.transaction) return take_late(entry, response);
  const int status = response.status();
  if (entry.requester && !entry.answered && (status == 401 || status == 407) &&
      answers_challenge(entry, response))
    return;
  if (entry.requester && !entry.answered && status == 503 && retry_elsewhere(entry)) return;
  entry.answered = entry.answered || status >= 200;
  if (entry.requester) entry.requester->on_response(entry.id, response);
}

void Client::on_failure(sip::ClientTransaction& transaction, sip::ClientFailure why) {
  if (!transaction.context) return;
  Entry& entry = *static_cast<Entry*>(transaction.context);
  if (&transaction != entry.transaction) return;
  const bool silent = why == sip::ClientFailure::timeout;
  if (!silent && retry_narrow(entry)) return;
  const bool tells = !silent || (!transaction.has_provisional() && is_answered_at_once(transaction.method()));
  if (tells && retry_elsewhere(entry)) return;
  entry.answered = true;
  if (!entry.requester) return;
  const sip::Flow& by = transaction.flow();
  const std::string where = net::Endpoint{by.transport, by.remote}.text();
  if (silent)
    return entry.requester->on_failure(
        entry.id, {fmt::format("an answer from {}", where), "none in 32 s",
                   "check that the server runs, and that nothing between drops its packets"});
  entry.requester->on_failure(
      entry.id,
      {fmt::format("{} to take a request", where), "nothing listens there, or the connection ended",
       "check the address, that the server runs, and over TLS that its certificate is for its domain"});
}

void Client::on_gone(sip::ClientTransaction& transaction) {
  if (!transaction.context) return;
  Entry& entry = *static_cast<Entry*>(transaction.context);
  if (&transaction == entry.transaction) entry.transaction = nullptr;
  if (--entry.transactions > 0) return;
  const auto found = entries_.find(entry.id);
  auto gone = std::move(found->second);
  entries_.erase(found);
  if (gone->requester) gone->requester->on_done(gone->id);
}

}  // namespace causeway::ua
