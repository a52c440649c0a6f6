#include "overlay/link_asker.h"

#include <utility>

#include "identity/bundle.h"
#include "sip/make_request.h"

namespace causeway::overlay {

struct LinkAsker::Asked {
  Asked(base::Timers& timers, std::function<void()> on_late) : patience(timers, std::move(on_late)) {}
  OnAnswer done;
  Id id = 0;
  sip::ClientTransaction* transaction = nullptr;
  base::Timer patience;
};

LinkAsker::LinkAsker(Parts parts, std::string domain, identity::PeerId self)
    : parts_(parts),
      domain_(std::move(domain)),
      self_(self),
      call_id_(parts.random.token(20)),
      questions_(parts.metrics.counter("overlay_link_questions_total", "questions asked over peer links")),
      unanswered_(parts.metrics.counter("overlay_link_unanswered_total",
                                        "questions over peer links that got no answer")) {}

LinkAsker::~LinkAsker() {
  for (auto& [id, asked] : asked_)
    if (asked->transaction) asked->transaction->context = nullptr;
}

base::Buffer LinkAsker::build(const sip::Flow& flow, std::string_view branch, std::string_view body) {
  const auto sent_by = parts_.transport.sent_by(flow);
  const sip::ExtraHeader type{"Content-Type", kLinkContentType};
  const std::string domain = "sip:" + domain_;
  return sip::make_request({.method = kLinkMethod,
                            .uri = domain,
                            .from = fmt::format("<sip:_{}@{}>;tag={}", self_.text(), domain_, call_id_),
                            .to = "<" + domain + ">",
                            .call_id = fmt::format("{}@{}", call_id_, sent_by),
                            .cseq = ++cseq_,
                            .max_forwards = 1,
                            .extra = {&type, 1},
                            .body = body},
                           sip::via_value(flow, sent_by, branch));
}

LinkAsker::Id LinkAsker::ask(const sip::Flow& flow, const LinkQuestion& question, base::Duration patience,
                             OnAnswer done) {
  ++questions_;
  const Id id = ++last_id_;
  auto asked = std::make_unique<Asked>(
      parts_.loop.timers(), [this, id] { finish(id, base::fail("no answer over a peer link in time")); });
  asked->id = id;
  asked->done = std::move(done);
  asked->patience.start(patience);
  auto& transaction = parts_.transactions.open_client(sip::Method::other, kLinkMethod, flow, *this);
  transaction.context = asked.get();
  asked->transaction = &transaction;
  const base::Bytes body = encode(question);
  auto request =
      build(flow, transaction.branch().view(), {reinterpret_cast<const char*>(body.data()), body.size()});
  asked_.emplace(id, std::move(asked));
  parts_.transactions.start(transaction, std::move(request));
  return id;
}

void LinkAsker::forget(Id id) {
  const auto known = asked_.find(id);
  if (known == asked_.end()) return;
  if (known->second->transaction) known->second->transaction->context = nullptr;
  asked_.erase(known);
}

void LinkAsker::finish(Id id, const base::Result<LinkAnswer>& answer) {
  auto known = asked_.extract(id);
  if (known.empty()) return;
  Asked& asked = *known.mapped();
  if (asked.transaction) asked.transaction->context = nullptr;
  if (!answer) ++unanswered_;
  asked.done(answer);
}

void LinkAsker::answer(sip::ServerTransaction& transaction, const sip::Message& request,
                       const LinkAnswer& answer) {
  const base::Bytes body = encode(answer);
  const sip::ExtraHeader type{"Content-Type", kLinkContentType};
  parts_.transactions.respond(transaction, 200,
                              sip::make_response(request, 200, {}, call_id_, {&type, 1},
                                                 {reinterpret_cast<const char*>(body.data()), body.size()}));
}

void LinkAsker::on_response(sip::ClientTransaction& transaction, const sip::Message& response) {
  auto* asked = static_cast<Asked*>(transaction.context);
  if (!asked || response.status() < 200) return;
  if (response.status() >= 300)
    return finish(asked->id, base::fail("a peer link answers {} {}", response.status(), response.reason()));
  finish(asked->id, decode_link_answer(base::as_bytes(response.body())));
}

void LinkAsker::on_failure(sip::ClientTransaction& transaction, sip::ClientFailure why) {
  auto* asked = static_cast<Asked*>(transaction.context);
  if (!asked) return;
  finish(asked->id, base::fail("{}", why == sip::ClientFailure::timeout ? "no answer over a peer link"
                                                                        : "the peer link has ended"));
}

void LinkAsker::on_gone(sip::ClientTransaction& transaction) {
  auto* asked = static_cast<Asked*>(transaction.context);
  if (asked) asked->transaction = nullptr;
}

}  // namespace causeway::overlay
