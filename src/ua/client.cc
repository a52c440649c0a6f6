#include "ua/client.h"

#include <fmt/format.h>

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

Client::Client(sip::TransportLayer& transport, sip::TransactionLayer& transactions, base::Random& random,
               base::Metrics& metrics, Line& line)
    : transport_(transport),
      transactions_(transactions),
      random_(random),
      line_(line),
      challenges_refused_(metrics.counter(
          "ua_challenges_refused_total", "challenges that no password of ours is for, or that refused it")) {}

Client::~Client() = default;

std::uint64_t Client::send(Outgoing request, Requester& requester) {
  auto entry = std::make_unique<Entry>();
  entry->id = ++last_id_;
  entry->request = std::move(request);
  entry->requester = &requester;
  if (!transmit(*entry)) return 0;
  entries_.emplace(entry->id, std::move(entry));
  return last_id_;
}

bool Client::transmit(Entry& entry) {
  const auto flow = line_.flow();
  if (!flow) return false;
  const Outgoing& request = entry.request;
  const auto method = sip::method_name(request.method);
  entry.flow = *flow;
  entry.credentials = line_.digest().lines(method, request.uri);
  if (request.digest && request.digest != &line_.digest())
    for (auto& line : request.digest->lines(method, request.uri))
      entry.credentials.push_back(std::move(line));
  sip::ClientTransaction& transaction = transactions_.open_client(request.method, method, *flow, *this);
  transaction.context = &entry;
  if (entry.transaction) entry.transaction->context = nullptr;  // what still comes of it is over
  entry.transaction = &transaction;
  transactions_.start(transaction,
                      write(entry, request, request.next_cseq(), *flow, transaction.branch().view()));
  return true;
}

base::Buffer Client::write(const Entry& entry, const Outgoing& request, std::uint32_t cseq,
                           const sip::Flow& flow, std::string_view branch) {
  std::vector<sip::ExtraHeader> extra;
  for (const auto& [name, value] : request.headers) extra.push_back({name, value});
  for (const auto& [name, value] : entry.credentials) extra.push_back({name, value});
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

void Client::cancel(std::uint64_t id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  found->second->cancelled = true;
  if (found->second->transaction) transactions_.cancel(*found->second->transaction);
}

void Client::forget(std::uint64_t id) {
  const auto found = entries_.find(id);
  if (found != entries_.end()) found->second->requester = nullptr;
}

base::Buffer Client::make_ack(std::uint64_t invite, const Outgoing& ack, std::uint32_t cseq) {
  const auto found = entries_.find(invite);
  const auto flow = line_.flow();
  if (found == entries_.end() || !flow) return {};
  return write(*found->second, ack, cseq, *flow, "z9hG4bK" + random_.token(16));
}

void Client::send_ack(const base::Buffer& ack) {
  if (const auto flow = line_.flow(); flow && ack) transport_.send(*flow, ack);
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

// 17.1.4 and RFC 5626 4.5: the flow is gone, not the other side.
bool Client::retry_elsewhere(Entry& entry, sip::ClientFailure why) {
  if (entry.transaction->has_provisional() && why == sip::ClientFailure::timeout) return false;
  line_.failed(entry.flow);
  if (entry.cancelled || ++entry.flows >= limits::kMaxFlowTries) return false;
  const auto next = line_.flow();
  const bool same = next && !net::is_stream(next->transport) && *next == entry.flow;
  return next && !same && transmit(entry);
}

void Client::on_response(sip::ClientTransaction& transaction, const sip::Message& response) {
  if (!transaction.context) return;
  Entry& entry = *static_cast<Entry*>(transaction.context);
  const int status = response.status();
  if (entry.requester && !entry.answered && (status == 401 || status == 407) &&
      answers_challenge(entry, response))
    return;
  entry.answered = entry.answered || status >= 200;
  if (entry.requester) entry.requester->on_response(entry.id, response);
}

void Client::on_failure(sip::ClientTransaction& transaction, sip::ClientFailure why) {
  if (!transaction.context) return;
  Entry& entry = *static_cast<Entry*>(transaction.context);
  if (!entry.requester) return line_.failed(entry.flow);
  if (retry_elsewhere(entry, why)) return;
  entry.answered = true;
  const std::string where = net::Endpoint{entry.flow.transport, entry.flow.remote}.text();
  if (why == sip::ClientFailure::timeout)
    return entry.requester->on_failure(
        entry.id, {fmt::format("an answer from {}", where), "none in 32 s",
                   "check that the server runs, and that nothing between drops its packets"});
  entry.requester->on_failure(
      entry.id, {fmt::format("{} to take a request", where), "nothing listens there, or the connection ended",
                 "check the address and that the server runs"});
}

void Client::on_gone(sip::ClientTransaction& transaction) {
  if (!transaction.context) return;
  Entry& entry = *static_cast<Entry*>(transaction.context);
  const auto found = entries_.find(entry.id);
  auto gone = std::move(found->second);
  entries_.erase(found);
  if (gone->requester) gone->requester->on_done(gone->id);
}

}  // namespace causeway::ua
