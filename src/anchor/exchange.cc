#include "anchor/exchange.h"

namespace causeway::anchor {

using sip::Method;

Exchange::Part Exchange::part_of(const sip::Message& message, proxy::Crossing crossing) {
  const auto cseq = message.cseq();
  if (!cseq) return Part::none;
  const Method method = message.method();
  const auto answers = [&](const std::optional<Offer>& offer, bool in_request) {
    return offer && offer->by != crossing && offer->in_request == in_request;
  };
  if (message.is_request()) {
    const bool may_answer = method == Method::ack || (method == Method::prack && !answered_);
    if (may_answer && answers(latest_, false)) return answered_ ? Part::again : Part::answer;
    if (method == Method::ack) return Part::none;
  } else {
    const auto is_of_it = [&](const std::optional<Offer>& offer) {
      return answers(offer, true) && offer->number == cseq->number && offer->method == method;
    };
    if (is_of_it(latest_)) return answered_ ? Part::again : Part::answer;
    if (is_of_it(of_invite_)) return Part::again;
  }
  const Offer offer{crossing, cseq->number, method, message.is_request()};
  if (latest_ != offer) answered_ = false;
  latest_ = offer;
  if (method == Method::invite) of_invite_ = offer;
  return Part::offer;
}

bool Exchange::refuses(const sip::Message& response) const {
  const auto cseq = response.cseq();
  return cseq && response.status() >= 300 && latest_ && !answered_ && latest_->in_request &&
         latest_->number == cseq->number && latest_->method == response.method();
}

}  // namespace causeway::anchor
