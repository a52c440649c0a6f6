// A request on its way, and what came of it (RFC 3261 16.5 to 16.10).
//
//   ResponseContext   one request: its server transaction, what is the same for all branches, the best
//                     final response so far
//   Branch            one target of its target set, and the places at which that target may be reached,
//                     in order. At most one of them is tried at a time; when it fails (timeout, transport,
//                     503) the next is (RFC 3263 4.3)
//   Accepted          what is left of a branch after a 2xx to INVITE, until Timers L and M: the pair of
//                     transactions, so that retransmitted 2xx find their way (RFC 6026)
//
//   add() the targets -> go(): those of the highest q start in parallel
//     -> Targets::find_places (at once, or later: then resolved())
//     -> a client transaction each -> responses
//     -> all have failed: the next lower q -> nothing left: the best response goes back, the context ends
//
// A branch that has said nothing for limits::kHopPatience (limits::kPeerPatience, limits::kViaPatience) while
// there is another place to try does not hold the call up for the 32 s of Timer B: the next place is tried
// beside it, and whoever answers first wins. A public peer that leads to another one and hears nothing of
// that says so by a 182 with a Reason of ours, which goes no further.
//
// An ACK has a context without server transaction: it is sent to the first place of its only target,
// and that is all.
//
// A request that goes down to a phone for which somebody stands in (phone_hook.h) is shown to him before it
// is sent, and waits for what he makes of it; so does, before its targets are looked for, one that such a
// phone has sent (Proxy). Responses are shown to him as they come.
//
// Contexts and branches come from pools. Callbacks of lookups hold a Handle: after the context has ended
// it is stale and gives nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "proxy/best_response.h"
#include "proxy/forwarding.h"
#include "proxy/pool.h"
#include "proxy/validation.h"
#include "sip/transaction.h"

namespace causeway::proxy {

class ResponseContexts;
class Targets;
struct ResponseContext;

// What the context pointers of transactions point at.
struct Node {
  enum class Kind : std::uint8_t { context, branch, accepted };
  explicit Node(Kind k) : kind(k) {}
  const Kind kind;
};

// One place at which a target may be reached.
struct Hop {
  sip::Target target;
  std::optional<identity::PeerId> peer;  // whose peer link it is
  bool is_via = false;                   // that peer is not the one it is for, but leads to it
};

struct Branch : Node {
  enum class State : std::uint8_t { waiting, searching, trying, done };
  enum class How : std::uint8_t {
    binding,    // a phone at this peer
    member,     // the peer `home`
    via_proxy,  // any proxy peer: this one may not send across the boundary
    outside,    // by RFC 3263
    source,     // the address in a flow token: the last resort
  };
  Branch();
  void reset();

  struct BranchTimer : base::TimerNode {
    using TimerNode::TimerNode;
    Branch* branch = nullptr;
  };

  ResponseContext* context = nullptr;
  Branch* next = nullptr;
  std::uint64_t generation = 0;
  sip::ClientTransaction* client = nullptr;
  BranchTimer timer;  // patience with a silent place, then Timer C
  State state = State::waiting;
  How how = How::binding;
  bool accepted = false;        // a 2xx came
  bool answered_503 = false;    // a place has said that it cannot serve
  bool impatient = false;       // its timer is that of a silent place, not Timer C
  bool timed_out = false;       // nothing came from the place that was tried last
  bool searched_again = false;  // its phone is looked for elsewhere than at `home`
  bool exhausted = false;       // nothing is left to look for
  int searches = 0;
  bool flow_target = false;  // it stands for one flow `_X.T`, not for a contact of a user
  bool in_route = false;     // that flow is a Route value
  bool keep_uri = false;     // in a dialogue: the Request-URI is the phone's Contact already
  std::uint16_t q = 1000;
  int breadth = 1;

  std::uint64_t instance = 0;     // binding, member: which phone
  std::size_t flows_tried = 0;    // binding: of the phone's flows, newest first
  identity::PeerId home;          // member
  std::string uri;                // member: the new Request-URI; empty: unchanged
  std::string flow_user;          // flow target: "_PEERID.TOKEN"
  net::Endpoint source;           // flow target: where the phone was
  std::optional<sip::Flow> link;  // member: an open peer link, tried before the hops
  bool attached = false;          // ... over which it is reached through this peer
  bool by_via = false;            // the place that is tried leads through another peer, or `attached`
  bool via_ends_here = false;     // its sender has chosen this peer as the way, and has others
  bool silent = false;            // that place says that nothing is heard behind it
  bool arrived = false;           // of first: another place says that the request has come already
  Branch* first = this;           // of those that try places of the same target beside each other
  std::vector<Hop> hops;
  std::size_t next_hop = 0;
  std::optional<identity::PeerId> trying_peer;
  bool shown = false;             // to_phone: the hook has seen the request
  std::shared_ptr<PhoneLeg> leg;  // to_phone: that it goes through
  base::Buffer shown_as;          // to_phone: what is sent instead of the request

  // Goes down to a phone, not to another peer or domain.
  bool to_phone() const { return how == How::binding || how == How::source; }
};

struct ResponseContext : Node {
  ResponseContext() : Node(Kind::context) {}
  void reset();
  // The request, parsed: the one being worked on, or a copy read into `room`.
  const sip::Message& message(sip::Message& room) const;

  ResponseContexts* owner = nullptr;
  std::uint64_t generation = 0;
  sip::ServerTransaction* server = nullptr;  // none: an ACK
  const sip::Message* live = nullptr;        // while its call lasts
  base::Buffer copy;                         // afterwards
  sip::Method method = sip::Method::other;
  bool in_dialogue = false;
  Plan plan;
  int breadth = limits::kMaxBreadth;
  bool in_turn = true;  // targets for which there is no breadth now are tried afterwards
  Branch* branches = nullptr;
  int branch_count = 0;
  BestResponse best;
  bool going = false;     // branches are being started: nothing is concluded meanwhile
  bool found = false;     // the user was looked up
  bool answered = false;  // a final response was sent
  bool cancelled = false;
  bool ended_by_6xx = false;
  std::string user;                              // whose phones are asked for
  std::unique_ptr<PublicRegister> registration;  // draft 4.2
  std::shared_ptr<PhoneLeg> caller_leg;          // the caller's phone is one that somebody stands in for
};

struct Accepted : Node {
  Accepted() : Node(Kind::accepted) {}
  void reset() {
    server = nullptr;
    client = nullptr;
    next = nullptr;
    caller_leg.reset();
    callee_leg.reset();
  }
  sip::ServerTransaction* server = nullptr;
  sip::ClientTransaction* client = nullptr;
  Accepted* next = nullptr;  // of the same server transaction (a forked call, taken twice)
  std::shared_ptr<PhoneLeg> caller_leg, callee_leg;
};

// A context (or branch) that may have ended meanwhile. 16 bytes, so that a std::function holding one
// needs no memory.
template <class T>
struct Handle {
  T* item;
  std::uint64_t generation;
  explicit Handle(T& t) : item(&t), generation(t.generation) {}
  T* get() const { return item->generation == generation ? item : nullptr; }
};

class ResponseContexts final : public sip::ClientUser {
 public:
  explicit ResponseContexts(Core& core) : core_(core) {}
  void set_targets(Targets& targets) { targets_ = &targets; }
  Targets& targets() { return *targets_; }

  ResponseContext& open(sip::ServerTransaction* server, const sip::Message& request);
  Branch& add(ResponseContext& context, Branch::How how, std::uint16_t q = 1000);
  // The request outlives its call: keeps a copy.
  void keep(ResponseContext& context);
  // ... and it will be a while: tells the caller of an INVITE.
  void wait(ResponseContext& context);
  // The target set is complete. The context may be gone when it returns.
  void go(ResponseContext& context) { settle(context); }
  // No target set: answers, and ends the context.
  void refuse(ResponseContext& context, int status, std::string_view reason);

  // The places of a branch in State::searching are known. None: it has failed.
  void resolved(Branch& branch);
  // It cannot be reached, for this reason (a local response, if nothing better comes).
  void fail(Branch& branch, int status, std::string_view reason);

  void on_cancel(sip::ServerTransaction& server);
  void on_server_gone(sip::ServerTransaction& server);

  // sip::ClientUser
  void on_response(sip::ClientTransaction& transaction, const sip::Message& response) override;
  void on_failure(sip::ClientTransaction& transaction, sip::ClientFailure why) override;
  void on_gone(sip::ClientTransaction& transaction) override;

  std::size_t in_setup() const { return contexts_.in_use(); }

 private:
  friend struct Branch;
  void start_group(ResponseContext& context);
  void start(Branch& branch);
  void advance(Branch& branch);
  void try_next(Branch& branch);
  void show(Branch& branch);
  void shown(Branch& branch, PhoneHook::Shown shown);
  std::optional<sip::Flow> next_flow(Branch& branch);
  void take_over(Branch& to, Branch& from);
  void conclude(Branch& branch);
  bool transmit(Branch& branch, const sip::Flow& flow);
  bool transmit_ack(Branch& branch, const sip::Flow& flow);
  base::Buffer build(Branch& branch, const sip::Flow& flow, std::string_view via_branch);
  void arm(Branch& branch);
  static void on_timer(base::TimerNode& node);
  void out_of_patience(Branch& branch);
  void try_beside(Branch& branch);
  void give_back(Branch& branch);
  bool take_silence(Branch& branch, const sip::Message& response);
  void end_silent(ResponseContext& context);

  void take_response(Node& node, const sip::Message& response);
  void pass_back(ResponseContext& context, const sip::Message& response);
  void on_2xx(Branch& branch, const sip::Message& response);
  void on_error(Branch& branch, const sip::Message& response);
  void finish(Branch& branch);
  void cancel_rest(ResponseContext& context, const Branch* but);
  void settle(ResponseContext& context);
  void send_best(ResponseContext& context);
  void end(ResponseContext& context);
  void drop(Accepted& accepted);

  Core& core_;
  Targets* targets_ = nullptr;
  Pool<ResponseContext> contexts_;
  Pool<Branch> branches_;
  Pool<Accepted> accepted_;
};

}  // namespace causeway::proxy
