#include "sip/admission.h"

#include "sip/complete_via.h"
#include "sip/refusal.h"
#include "sip/server_transaction.h"

namespace causeway::sip {

Admission::Admission(base::Loop& loop, TransportLayer& transport, ServerTransactions& transactions,
                     base::Metrics& metrics)
    : transport_(transport),
      transactions_(transactions),
      overload_(loop, metrics),
      swallowed_(metrics.counter("sip_overload_acks_total", "ACKs to refusals, swallowed during overload")) {}

bool Admission::look(std::string_view bytes, const Flow& flow) {
  if (bytes.size() > limits::kMaxMessage || same_text(bytes.substr(0, 4), "SIP/")) return false;
  const Method method = method_in(bytes);
  if (method == Method::ack) {
    if (!transport_.acknowledges_stateless(bytes, flow)) return false;
    ++swallowed_;
    return true;
  }
  const auto stage = flow.member ? Overload::Stage::later : Overload::Stage::first;
  if (begins(method) != Begins::something || !overload_.refuses(stage)) return false;
  const auto via = find_top_via(bytes);
  const auto key = via ? transactions_.key_of(*via, method) : std::nullopt;
  if (!key) return false;
  auto refusal = transport_.write_refusal(bytes, *via, flow);
  if (!refusal || transactions_.knows(*key)) return false;
  const bool says_so = overload_.has_budget() || net::is_stream(flow.transport);
  overload_.on_refused(says_so);
  if (says_so) transport_.send_refusal(std::move(refusal), *via, flow);
  return true;
}

bool Admission::judge(const Message& request, const Flow& flow) {
  const Begins what = begins(request.method());
  if (what == Begins::nothing || !request.to_tag().empty()) return false;
  const bool registers = what == Begins::registration;
  const auto stage = flow.member || registers ? Overload::Stage::later : Overload::Stage::first;
  if (overload_.refuses(stage) && !(registers && core_->is_registered(request))) return true;
  overload_.on_admitted();
  return false;
}

void Admission::refuse(const Message& request, const Via& via, const Flow& flow) {
  const bool says_so = overload_.has_budget() || net::is_stream(flow.transport);
  overload_.on_refused(says_so);
  if (says_so) transport_.respond_stateless(request, via, flow, 503);
}

}  // namespace causeway::sip
