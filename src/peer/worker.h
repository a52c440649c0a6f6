// A worker: one thread's share of a peer, from the sockets to the proxy. It handles what the kernel gives its
// sockets, with transactions, timers and caches of its own.
//
// Worker 0 runs on the peer's own thread, beside the overlay's engine, and announces the peer (peer.h). The
// others, if peer.workers asks for them, have threads of their own (worker_threads.h). What they have in
// common is in Commons, and each part of it says how it is shared:
//
//   sip::WorkerGroup           messages and streams of other workers are handed over
//   registrar::BindingShelves  a user's bindings are kept by one worker, and read by all
//   overlay::OverlayShare      the engine's thread is asked, and answers
//   overlay::Attached          which links lead to members that cannot be reached
//   seats                      everything rare: a task for another worker's thread
//
// and in Plan: anchor::Anchors, calls whose media goes through this peer, under a lock of its own.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "anchor/door.h"
#include "base/siphash.h"
#include "dns/locator.h"
#include "identity/bundle.h"
#include "overlay/attached.h"
#include "overlay/directory.h"
#include "overlay/link_service.h"
#include "overlay/users.h"
#include "peer/config.h"
#include "peer/ground.h"
#include "peer/report.h"
#include "peer/setup.h"
#include "peer/trace.h"
#include "proxy/proxy.h"
#include "registrar/registrar.h"
#include "registrar/shared_bindings.h"
#include "sip/handover.h"
#include "sip/transaction.h"

namespace causeway::peer {

class Worker;

// What a peer's workers are made from. They only read it.
struct Plan {
  Config config;
  identity::Bundle bundle;
  std::set<identity::Role> roles;
  std::shared_ptr<const identity::Accounts> accounts;
  std::uint64_t loop_seed;
  base::SipHash::Key stranger_secret;  // sip/source_limit.h
  std::shared_ptr<anchor::Anchors> anchors;
  // Any worker's thread: relays near this peer for a user, with tokens; answers in that one's loop.
  std::function<void(std::string_view user, base::Loop& loop, anchor::Door::Parts::Relays done)> relays;
};

class Commons : public std::enable_shared_from_this<Commons> {
 public:
  Commons(unsigned workers, base::Random& random)
      : group(workers), shelves(workers, random.u64()), seats_(workers) {}

  sip::WorkerGroup group;
  registrar::BindingShelves shelves;
  overlay::Attached attached;

  // On a worker's own thread: it is there, or gone (null).
  void seat(unsigned number, base::Loop& loop, Worker* worker) { seats_[number] = {&loop, worker}; }
  // Any worker's thread, while all are there: `task` runs on the other's, if it still is.
  void post(unsigned to, std::function<void(Worker&)> task);
  void post_to_others(unsigned from, const std::function<void(Worker&)>& task);

 private:
  struct Seat {
    base::Loop* loop = nullptr;
    Worker* worker = nullptr;  // its own thread's
  };
  std::vector<Seat> seats_;
};

class Worker {
 public:
  // `commons`: null for the only worker. All must outlive it.
  Worker(const Plan& plan, Commons* commons, unsigned number, Ground ground);
  ~Worker();

  // Opens the sockets.
  base::Status open();
  // Begins to serve. `links`: what other peers are told to dial.
  void serve(overlay::Overlay& overlay, const std::vector<net::Address>& links);

  Ground& ground() { return ground_; }
  const overlay::Signer& signer() const { return signer_; }
  const sip::TransportLayer& transport() const { return *transport_; }
  overlay::Users& users() { return *users_; }
  overlay::Directory& directory() { return *directory_; }
  registrar::Registrar* registrar() { return registrar_.get(); }
  const registrar::Registrar* registrar() const { return registrar_.get(); }
  proxy::Proxy& proxy() { return *proxy_; }
  overlay::LinkAsker& asker() { return *asker_; }
  overlay::LinkService& link_service() { return *link_service_; }
  // Where others are told to reach this peer: at `links`, or through others.
  void set_reach(bool is_public, const std::vector<net::Address>& links,
                 const std::vector<overlay::ViaPeer>& vias);

  // What it is doing, for the status.
  WorkerFigures figures() const;

 private:
  void locate_responses();
  void make_link_service(overlay::Overlay& overlay);
  void make_registrar(overlay::Overlay& overlay, const std::vector<net::Address>& links);
  void make_door();
  void make_proxy(overlay::Overlay& overlay);
  void note_lock_waits() const;

  const Plan& plan_;
  Commons* commons_;
  const unsigned number_;
  Ground ground_;
  // Members are in the order in which they are made; they are destroyed the other way round.
  overlay::Signer signer_;
  identity::TokenSealer tokens_;
  sip::DigestVerifier digest_;
  Contexts tls_;
  std::unique_ptr<sip::TransportLayer> transport_;
  std::unique_ptr<sip::TransactionLayer> transactions_;
  std::unique_ptr<overlay::LinkAsker> asker_;
  overlay::RecordChecker checker_;  // of what members put over peer links
  overlay::Attached own_attached_;  // of the only worker
  std::unique_ptr<overlay::LinkService> link_service_;
  std::unique_ptr<overlay::Users> users_;
  std::unique_ptr<overlay::Directory> directory_;
  std::unique_ptr<dns::Locator> locator_;
  std::unique_ptr<registrar::Registrar> registrar_;
  std::unique_ptr<anchor::Door> door_;
  std::unique_ptr<proxy::Proxy> proxy_;
  std::unique_ptr<Trace> trace_;
};

}  // namespace causeway::peer
