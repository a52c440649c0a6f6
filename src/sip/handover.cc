#include "sip/handover.h"

#include <algorithm>

#include "base/limits.h"
#include "sip/branch.h"

namespace causeway::sip {

void Parcels::clear() {
  entries_.clear();
  bytes_.clear();
}

void Parcels::append(Parcels& other) {
  const std::size_t offset = bytes_.size();
  bytes_.insert(bytes_.end(), other.bytes_.begin(), other.bytes_.end());
  const std::size_t first = entries_.size();
  entries_.insert(entries_.end(), other.entries_.begin(), other.entries_.end());
  for (std::size_t i = first; i < entries_.size(); ++i) entries_[i].begin += offset;
}

void Parcels::add(const Parcel& parcel) {
  entries_.push_back({parcel.flow, bytes_.size(), static_cast<std::uint32_t>(parcel.bytes.size()),
                      parcel.what, parcel.from});
  bytes_.insert(bytes_.end(), parcel.bytes.begin(), parcel.bytes.end());
}

Handover::Handover(WorkerGroup& group, unsigned worker, base::Loop& loop, base::Metrics& metrics, Take take)
    : group_(group),
      worker_(worker),
      loop_(loop),
      outgoing_(group.size()),
      mailbox_(loop, limits::kMaxHandedOver,
               [take = std::move(take)](const Parcels& batch) { batch.for_each(take); }),
      responses_(metrics.counter("worker_handed_over_total{what=\"response\"}",
                                 "responses that came to another worker than their transaction's")),
      requests_(metrics.counter("worker_handed_over_total{what=\"register\"}",
                                "REGISTERs for users of another worker")),
      sends_(metrics.counter("worker_handed_over_total{what=\"send\"}",
                             "messages for a connection of another worker")),
      batches_(metrics.counter("worker_batches_total", "batches left for other workers: one lock each")),
      refused_(metrics.counter("worker_batches_refused_total",
                               "batches dropped because the other worker does not keep up")) {
  group_.workers_[worker_] = this;
  loop_.at_end_of_turn(this, [this] { deliver(); });
}

Handover::~Handover() {
  loop_.forget_end_of_turn(this);
  group_.workers_[worker_] = nullptr;
}

void Handover::add(unsigned to, const Parcel& parcel) { outgoing_[to].add(parcel); }

void Handover::deliver() {
  for (unsigned to = 0; to < outgoing_.size(); ++to) {
    if (outgoing_[to].empty() || !group_.workers_[to]) continue;
    ++batches_;
    if (!group_.workers_[to]->mailbox_.leave(outgoing_[to])) ++refused_;
  }
}

bool Handover::pass_response(const Flow& flow, std::string_view bytes, std::string_view branch) {
  const auto read = read_branch(branch);
  if (!read || read->worker == worker_ || read->worker >= outgoing_.size()) return false;
  ++responses_;
  add(read->worker, {Parcel::What::received, static_cast<std::uint8_t>(worker_), flow, bytes});
  return true;
}

void Handover::pass_request(unsigned to, const Flow& flow, std::string_view bytes) {
  ++requests_;
  add(to, {Parcel::What::received, static_cast<std::uint8_t>(worker_), flow, bytes});
}

void Handover::send(const Flow& flow, std::string_view bytes) {
  const unsigned to = worker_of(flow);
  if (to >= outgoing_.size()) return;
  ++sends_;
  add(to, {Parcel::What::send, static_cast<std::uint8_t>(worker_), flow, bytes});
}

void Handover::tell_unreachable(const net::Address& to) {
  Parcel parcel{Parcel::What::unreachable, static_cast<std::uint8_t>(worker_), {}, {}};
  parcel.flow.remote = to;
  for (unsigned other = 0; other < outgoing_.size(); ++other)
    if (other != worker_) add(other, parcel);
}

bool Handover::is_open(const Flow& flow) const {
  const unsigned owner = worker_of(flow);
  if (owner >= group_.size() || !group_.workers_[owner]) return false;
  const Handover& other = *group_.workers_[owner];
  const std::lock_guard lock(other.streams_mutex_);
  return other.streams_.contains(flow.connection);
}

void Handover::opened(const Flow& flow) {
  const std::lock_guard lock(streams_mutex_);
  streams_.insert(flow.connection);
}

void Handover::closed(const Flow& flow) {
  {
    const std::lock_guard lock(streams_mutex_);
    streams_.erase(flow.connection);
  }
  const auto known = senders_.find(flow.connection);
  if (known == senders_.end()) return;
  for (unsigned other = 0; other < outgoing_.size(); ++other)
    if (known->second >> other & 1) tell_closed(flow, other);
  senders_.erase(known);
}

void Handover::note_sender(const Flow& flow, unsigned worker) {
  senders_[flow.connection] |= std::uint64_t{1} << worker;
}

void Handover::tell_closed(const Flow& flow, unsigned worker) {
  add(worker, {Parcel::What::closed, static_cast<std::uint8_t>(worker_), flow, {}});
}

}  // namespace causeway::sip
