#include "sip/source_limit.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>

namespace causeway::sip {

namespace {

constexpr std::int32_t kOne = 1000;  // an answer, in thousandths
constexpr std::int64_t kProofWorth = 10 * kOne;
// An hour is far within the 49 days after which the clock of the table begins anew.
constexpr auto kProvenMs = static_cast<std::uint32_t>(limits::kProvenFor.count());
constexpr auto kBurstMs = static_cast<std::int64_t>(limits::kStrangerBurst.count());
constexpr std::int64_t kMostBudget = std::int64_t{limits::kMaxStrangerCredit} * kOne;

}  // namespace

SourceLimit::SourceLimit(base::Loop& loop, base::Metrics& metrics)
    : loop_(loop),
      start_(loop.now()),
      answered_(metrics.counter("sip_stranger_answers_total",
                                "answers of this peer, over UDP, to who had proved nothing")),
      limited_(metrics.counter("sip_stranger_unanswered_total{reason=\"rate\"}",
                               "answers not given: too many to one source that had proved nothing")),
      too_long_(metrics.counter("sip_stranger_unanswered_total{reason=\"length\"}",
                                "answers not given: longer than twice the request")),
      proofs_(metrics.counter("sip_stranger_proofs_total",
                              "signs that an answer has arrived where a datagram said it came from")) {}

void SourceLimit::configure(const Config& config) { config_ = config; }

bool SourceLimit::proven_at(const Place& place, std::uint32_t now) const {
  return place.proven != 0 && now - place.proven < kProvenMs;
}

// Thousandths of an answer for each millisecond: answers for each second.
std::int64_t SourceLimit::rate(const Place& place, std::uint32_t now) const {
  return std::int64_t{config_.rate} * (proven_at(place, now) ? limits::kProvenFactor : 1);
}

std::int64_t SourceLimit::burst(const Place& place, std::uint32_t now) const {
  return std::clamp<std::int64_t>(rate(place, now) * kBurstMs, kOne, kMostBudget);
}

// Grows with time as far as the burst, and beyond it by arrived() alone.
std::int64_t SourceLimit::budget(const Place& place, std::uint32_t now) const {
  const std::int64_t most = burst(place, now);
  if (place.budget >= most) return place.budget;
  return std::min(place.budget + std::int64_t{now - place.at} * rate(place, now), most);
}

// What would be forgotten with it: how far it is from a source of which nothing is known.
std::int64_t SourceLimit::worth(const Place& place, std::uint32_t now) const {
  if (place.source == 0) return -1;
  return std::abs(budget(place, now) - burst({}, now)) + (proven_at(place, now) ? kProofWorth : 0);
}

std::size_t SourceLimit::row_of(std::uint64_t source) const {
  char bytes[sizeof source];
  std::memcpy(bytes, &source, sizeof source);
  const auto hash = base::SipHash(config_.secret).add({bytes, sizeof bytes}).value();
  return hash % (places_.size() / kPlaces) * kPlaces;
}

SourceLimit::Place& SourceLimit::place_of(const net::Ip& ip, std::uint32_t now) {
  if (places_.empty()) places_.resize(limits::kStrangerSources);
  const std::uint64_t source = ip.source();
  const auto row = std::span(places_).subspan(row_of(source), kPlaces);
  auto place = std::ranges::find(row, source, &Place::source);
  if (place != row.end()) {
    place->budget = static_cast<std::int32_t>(budget(*place, now));
    place->at = now;
    return *place;
  }
  place = std::ranges::min_element(row, {}, [&](const Place& p) { return worth(p, now); });
  *place = {source, static_cast<std::int32_t>(burst({}, now)), now, 0};
  return *place;
}

bool SourceLimit::take(const net::Ip& source) {
  if (config_.rate != 0) {
    Place& place = place_of(source, clock());
    if (place.budget < kOne) {
      ++limited_;
      return false;
    }
    place.budget -= kOne;
  }
  ++answered_;
  return true;
}

void SourceLimit::arrived(const net::Ip& source) {
  ++proofs_;
  if (config_.rate == 0) return;
  const std::uint32_t now = clock();
  Place& place = place_of(source, now);
  place.proven = now;
  if (place.budget < kMostBudget) place.budget += 2 * kOne;
}

bool SourceLimit::is_proven(const net::Ip& ip) const {
  if (places_.empty()) return false;
  const std::uint64_t source = ip.source();
  const auto row = std::span(places_).subspan(row_of(source), kPlaces);
  const auto place = std::ranges::find(row, source, &Place::source);
  return place != row.end() && proven_at(*place, clock());
}

}  // namespace causeway::sip
