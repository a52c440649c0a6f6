#include "proxy/response_context.h"
#include "base/limits.h"

#include "proxy/targets.h"
#include "sip/headers.h"
#include "sip/rewrite.h"

namespace causeway::proxy {

using sip::Message;
using sip::Method;

void ResponseContext::reset() {
  ++generation;
  owner = nullptr;
  server = nullptr;
  live = nullptr;
  copy = {};
  method = Method::other;
  in_dialogue = false;
  plan.reset();
  breadth = limits::kMaxBreadth;
  in_turn = true;
  branches = nullptr;
  branch_count = 0;
  best.reset();
  going = found = answered = cancelled = ended_by_6xx = false;
  user.clear();
  registration.reset();
  caller_leg.reset();
}

const Message& ResponseContext::message(Message& room) const {
  if (live) return *live;
  (void)room.parse(copy.view());  // it was parsed before
  return room;
}

ResponseContext& ResponseContexts::open(sip::ServerTransaction* server, const Message& request) {
  ResponseContext& context = contexts_.take();
  context.owner = this;
  context.server = server;
  context.live = &request;
  context.method = request.method();
  context.in_dialogue = !request.to_tag().empty();
  if (server) server->context = static_cast<Node*>(&context);
  return context;
}

void ResponseContexts::keep(ResponseContext& context) {
  if (!context.live || context.copy) return;
  context.copy = base::Buffer::copy_of(context.live->bytes());
}

void ResponseContexts::wait(ResponseContext& context) {
  if (context.copy || !context.live) return;
  keep(context);
  if (context.method == Method::invite) core_.answer(context.server, *context.live, 100, "Trying");
}

void ResponseContexts::refuse(ResponseContext& context, int status, std::string_view reason) {
  Message room;
  core_.answer(context.server, context.message(room), status, reason);
  context.answered = true;
  end(context);
}

// ---- responses

namespace {

// Without a second Via it says that it is meant for us (16.7 step 3), who ask for nothing.
bool goes_further(const Message& response) {
  const auto* via = response.first(sip::HeaderName::via);
  if (!via || response.next(*via)) return via != nullptr;
  auto split = sip::split_first(response.value(*via));
  return split && !split->rest.empty();
}

// The response as it is after those who stand in for the phones have had it: the callee's first.
class Crossings {
 public:
  explicit Crossings(const Message& response) : message_(&response) {}
  void cross(PhoneLeg* leg, Crossing crossing) {
    auto bytes = leg ? leg->response(*message_, crossing) : base::Buffer();
    if (!bytes || !room_.parse(bytes.view())) return;
    bytes_ = std::move(bytes);
    message_ = &room_;
  }
  const Message& message() const { return *message_; }

 private:
  const Message* message_;
  base::Buffer bytes_;
  Message room_;
};

struct Legs {
  PhoneLeg *callee, *caller;
};
Legs legs_of(const Node& node) {
  if (node.kind == Node::Kind::accepted) {
    const auto& accepted = static_cast<const Accepted&>(node);
    return {accepted.callee_leg.get(), accepted.caller_leg.get()};
  }
  const auto& branch = static_cast<const Branch&>(node);
  return {branch.to_phone() ? branch.leg.get() : nullptr, branch.context->caller_leg.get()};
}

}  // namespace

void ResponseContexts::on_response(sip::ClientTransaction& transaction, const Message& response) {
  auto* node = static_cast<Node*>(transaction.context);
  if (!node) return;  // its context has ended: 16.7 step 5 forwards nothing more
  if (!goes_further(response)) {
    ++core_.metrics.strays;
    return;
  }
  const Legs legs = legs_of(*node);
  if (!legs.callee && !legs.caller) return take_response(*node, response);
  Crossings crossings(response);
  crossings.cross(legs.callee, Crossing::from_phone);
  crossings.cross(legs.caller, Crossing::to_phone);
  take_response(*node, crossings.message());
}

void ResponseContexts::take_response(Node& node, const Message& response) {
  if (node.kind == Node::Kind::accepted) {
    auto& accepted = static_cast<Accepted&>(node);
    if (accepted.server)
      core_.parts.transactions.respond(*accepted.server, response.status(),
                                       splice_response(response, response.status(), nullptr, core_));
    return;
  }
  Branch& branch = static_cast<Branch&>(node);
  ResponseContext& context = *branch.context;
  if (response.status() < 200) {
    if (branch.state != Branch::State::trying || take_silence(branch, response)) return;
    branch.impatient = branch.silent = false;
    if (context.method == Method::invite) core_.parts.loop.timers().start(branch.timer, sip::limits::kTimerC);
    if (!context.answered) pass_back(context, response);
    return;
  }
  if (response.status() < 300) return on_2xx(branch, response);
  on_error(branch, response);
}

// Steps 3 and 9.
void ResponseContexts::pass_back(ResponseContext& context, const Message& response) {
  if (!context.server) return;
  auto bytes = splice_response(response, response.status(), context.registration.get(), core_);
  if (bytes) core_.parts.transactions.respond(*context.server, response.status(), std::move(bytes));
}

void ResponseContexts::on_2xx(Branch& branch, const Message& response) {
  ResponseContext& context = *branch.context;
  const bool invite = context.method == Method::invite;
  if (context.answered && !invite) return;
  if (context.registration) {
    using Learned = PublicRegistrations::Learned;
    const auto learned = core_.publics.learn(response, *context.registration, core_.parts.loop.now());
    if (learned == Learned::remembered) ++core_.metrics.public_registrations;
    if (learned == Learned::no_room) ++core_.metrics.publics_forgotten;
  }
  pass_back(context, response);
  context.answered = true;
  branch.accepted = invite;
  if (branch.state == Branch::State::trying) {
    branch.timer.stop();
    branch.state = Branch::State::done;
    if (!invite) return end(context);
    cancel_rest(context, &branch);
  }
  settle(context);
}

void ResponseContexts::on_error(Branch& branch, const Message& response) {
  if (branch.state != Branch::State::trying) return;
  ResponseContext& context = *branch.context;
  const int status = response.status();
  const bool more = branch.next_hop < branch.hops.size();
  if (status == 503 && more && !context.answered && !context.cancelled) {
    // RFC 3263 4.3: as if it could not be reached. It stands if the others cannot be reached either.
    context.best.consider(response, splice_response(response, 500, nullptr, core_));
    branch.answered_503 = true;
    branch.client->context = nullptr;
    branch.client = nullptr;
    ++core_.metrics.failovers;
    if (branch.trying_peer) core_.parts.directory.failed(*branch.trying_peer);
    return advance(branch);
  }
  if (status == 482 || (status == 500 && context.in_dialogue)) branch.first->arrived = true;
  if (status == 503 && branch.by_via && !context.answered) {  // the last way to that peer is none
    context.best.consider_local(480, "That phone cannot be reached");
  } else if (!context.answered) {
    const int as = status == 503 ? 500 : status;
    context.best.consider(response, splice_response(response, as, nullptr, core_));
    if (status >= 600) {
      context.ended_by_6xx = true;
      cancel_rest(context, &branch);
    }
  }
  finish(branch);
  settle(context);
}

void ResponseContexts::on_failure(sip::ClientTransaction& transaction, sip::ClientFailure why) {
  auto* node = static_cast<Node*>(transaction.context);
  if (!node || node->kind != Node::Kind::branch) return;
  Branch& branch = static_cast<Branch&>(*node);
  if (branch.state != Branch::State::trying) return;
  transaction.context = nullptr;
  branch.client = nullptr;
  branch.timed_out = why == sip::ClientFailure::timeout;
  ResponseContext& context = *branch.context;
  if (branch.trying_peer) core_.parts.directory.failed(*branch.trying_peer);
  if (context.cancelled || context.answered || context.ended_by_6xx) {
    finish(branch);
    return settle(context);
  }
  if (branch.next_hop < branch.hops.size()) ++core_.metrics.failovers;
  advance(branch);
}

void ResponseContexts::on_gone(sip::ClientTransaction& transaction) {
  auto* node = static_cast<Node*>(transaction.context);
  if (!node) return;
  if (node->kind == Node::Kind::accepted) return drop(static_cast<Accepted&>(*node));
  Branch& branch = static_cast<Branch&>(*node);
  branch.client = nullptr;
  if (branch.state == Branch::State::done) return;
  finish(branch);
  settle(*branch.context);
}

// ---- the end of branches and contexts

// Nothing more is expected of it.
void ResponseContexts::finish(Branch& branch) {
  branch.timer.stop();
  branch.state = Branch::State::done;
  ++branch.generation;  // lookups that are still under way
  if (branch.client) branch.client->context = nullptr;
  branch.client = nullptr;
  branch.leg.reset();
}

// Step 10, and those that were not sent yet.
void ResponseContexts::cancel_rest(ResponseContext& context, const Branch* but) {
  for (Branch* b = context.branches; b; b = b->next) {
    if (b == but || b->state == Branch::State::done) continue;
    if (b->state != Branch::State::trying) {
      finish(*b);
    } else if (context.method == Method::invite) {
      core_.parts.transactions.cancel(*b->client);
    } else if (context.ended_by_6xx) {
      finish(*b);  // nothing to cancel it with, and nothing better can come
    }
  }
}

// Starts what comes next, or concludes. The context may be gone when it returns.
void ResponseContexts::settle(ResponseContext& context) {
  if (context.going) return;
  for (;;) {
    end_silent(context);
    bool waiting = false;
    for (Branch* b = context.branches; b; b = b->next) {
      if (b->state == Branch::State::searching || b->state == Branch::State::trying) return;
      waiting |= b->state == Branch::State::waiting;
    }
    if (!waiting || context.answered || context.cancelled || context.ended_by_6xx) break;
    context.going = true;
    start_group(context);
    context.going = false;
  }
  if (!context.answered) send_best(context);
  end(context);
}

void ResponseContexts::send_best(ResponseContext& context) {
  if (!context.server) {
    ++core_.metrics.acks_dropped;
    return;
  }
  auto& best = context.best;
  if (!best.empty() && !best.local()) {
    core_.parts.transactions.respond(*context.server, best.status() == 503 ? 500 : best.status(),
                                     best.response());
    return;
  }
  Message room;
  const Message& request = context.message(room);
  if (context.cancelled) {
    core_.answer(context.server, request, 487, sip::reason_phrase(487));
  } else if (best.empty()) {
    core_.answer(context.server, request, 408, sip::reason_phrase(408));
  } else {
    core_.answer(context.server, request, best.status(), best.reason());
  }
}

void ResponseContexts::end(ResponseContext& context) {
  Accepted* chain = nullptr;
  for (Branch* b = context.branches; b;) {
    Branch* next = b->next;
    if (b->client && b->accepted && context.server) {
      Accepted& accepted = accepted_.take();
      accepted.server = context.server;
      accepted.client = b->client;
      accepted.next = chain;
      accepted.caller_leg = context.caller_leg;
      if (b->to_phone()) accepted.callee_leg = b->leg;
      chain = &accepted;
      b->client->context = static_cast<Node*>(&accepted);
    } else if (b->client) {
      b->client->context = nullptr;
    }
    branches_.give(*b);
    b = next;
  }
  if (context.server) context.server->context = static_cast<Node*>(chain);
  contexts_.give(context);
}

// Its client transaction is gone; the server transaction may still name it.
void ResponseContexts::drop(Accepted& accepted) {
  if (accepted.server) {
    auto* head = static_cast<Accepted*>(static_cast<Node*>(accepted.server->context));
    if (head == &accepted) {
      accepted.server->context = static_cast<Node*>(accepted.next);
    } else {
      for (Accepted* a = head; a; a = a->next)
        if (a->next == &accepted) a->next = accepted.next;
    }
  }
  accepted_.give(accepted);
}

void ResponseContexts::on_cancel(sip::ServerTransaction& server) {
  auto* node = static_cast<Node*>(server.context);
  if (!node || node->kind != Node::Kind::context) return;
  auto& context = static_cast<ResponseContext&>(*node);
  if (context.cancelled || context.answered) return;
  context.cancelled = true;
  cancel_rest(context, nullptr);
  settle(context);
}

void ResponseContexts::on_server_gone(sip::ServerTransaction& server) {
  auto* node = static_cast<Node*>(server.context);
  if (!node) return;
  if (node->kind == Node::Kind::accepted) {
    for (auto* a = static_cast<Accepted*>(node); a; a = a->next) a->server = nullptr;
    return;
  }
  // Without a final response: nobody waits for one any more.
  auto& context = static_cast<ResponseContext&>(*node);
  context.answered = true;
  cancel_rest(context, nullptr);
  context.server = nullptr;
  end(context);
}

}  // namespace causeway::proxy
