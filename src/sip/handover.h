// Between the workers of one peer: what came to one of them and is another's.
//
// A worker has its own sockets on the same ports as the others. The kernel gives what comes from one remote
// address and port, and a connection with all that comes on it, to one worker. So a request and its
// retransmissions, ACK and CANCEL meet at one; but the response of a phone may come to another worker than
// the one that has sent the request. Its branch names that one (branch.h). A stream is named by its flow
// (flow.h: worker_of).
//
//   received     a message that came on `flow`, as it came: a response to that worker's request, or a
//   REGISTER for a
//                user whose bindings that worker keeps
//   send         bytes for a stream of that worker
//   closed       a stream of the sender's, on which that worker has sent, has ended
//   unreachable  ICMP said so of flow.remote; the kernel tells it to whom the responses would have come
//
// Everything that a turn has for a worker goes at its end, in one batch (base/mailbox.h). Bytes are copied,
// since Buffers belong to a thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/mailbox.h"
#include "base/metrics.h"
#include "sip/flow.h"

namespace causeway::sip {

struct Parcel {
  enum class What : std::uint8_t { received, send, closed, unreachable };
  What what = What::received;
  std::uint8_t from = 0;  // worker
  Flow flow;
  std::string_view bytes;
};

// Parcels in a row, with their bytes. A Batch of base::Mailbox.
class Parcels {
 public:
  bool empty() const { return entries_.empty(); }
  void clear();
  std::size_t bytes() const { return bytes_.size() + entries_.size() * sizeof(Entry); }
  void append(Parcels& other);
  void add(const Parcel& parcel);
  // Calls `f(const Parcel&)` for each, in the order in which they were added.
  template <class F>
  void for_each(F&& f) const {
    for (const Entry& entry : entries_)
      f(Parcel{entry.what, entry.from, entry.flow, {bytes_.data() + entry.begin, entry.size}});
  }

 private:
  struct Entry {
    Flow flow;
    std::size_t begin;
    std::uint32_t size;
    Parcel::What what;
    std::uint8_t from;
  };
  std::vector<Entry> entries_;
  std::vector<char> bytes_;
};

class Handover;

// What the workers of a peer find each other by. All of them join before any runs, and none runs any more
// when the first one leaves; it outlives them.
class WorkerGroup {
 public:
  explicit WorkerGroup(unsigned workers) : workers_(workers) {}
  unsigned size() const { return static_cast<unsigned>(workers_.size()); }

 private:
  friend class Handover;
  std::vector<Handover*> workers_;
};

// One worker's end of it.
class Handover {
 public:
  using Take = std::function<void(const Parcel&)>;
  // `take` gets what the others have for this worker.
  Handover(WorkerGroup& group, unsigned worker, base::Loop& loop, base::Metrics& metrics, Take take);
  ~Handover();
  Handover(const Handover&) = delete;
  Handover& operator=(const Handover&) = delete;

  unsigned worker() const { return worker_; }
  unsigned workers() const { return group_.size(); }
  bool is_foreign(const Flow& flow) const {
    return net::is_stream(flow.transport) && worker_of(flow) != worker_;
  }

  // A response whose top Via has this branch: false if it is this worker's own, or nobody's.
  bool pass_response(const Flow& flow, std::string_view bytes, std::string_view branch);
  void pass_request(unsigned to, const Flow& flow, std::string_view bytes);
  // To the owner of a foreign stream. If that has ended, `closed` comes back.
  void send(const Flow& flow, std::string_view bytes);
  void tell_unreachable(const net::Address& to);

  // A foreign stream is open. (It may end before the next send reaches it.)
  bool is_open(const Flow& flow) const;
  // Own streams: opened and ended; one on which another worker has sent; one on which it wanted to, in vain.
  void opened(const Flow& flow);
  void closed(const Flow& flow);
  void note_sender(const Flow& flow, unsigned worker);
  void tell_closed(const Flow& flow, unsigned worker);

  // Locks that were found taken, since the start: at the mailbox, and at the table of open streams.
  std::uint64_t waits() const { return mailbox_.waits() + streams_mutex_.waits(); }

 private:
  void add(unsigned to, const Parcel& parcel);
  void deliver();

  WorkerGroup& group_;
  const unsigned worker_;
  base::Loop& loop_;
  std::vector<Parcels> outgoing_;  // by worker
  std::unordered_map<std::uint64_t, std::uint64_t>
      senders_;  // own stream -> bits of the workers that send on it
  base::Mailbox<Parcels> mailbox_;
  mutable base::CountedMutex streams_mutex_;
  std::unordered_set<std::uint64_t> streams_;  // own, open; guarded by streams_mutex_
  base::Counter& responses_;
  base::Counter& requests_;
  base::Counter& sends_;
  base::Counter& batches_;
  base::Counter& refused_;
};

}  // namespace causeway::sip
