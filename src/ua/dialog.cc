#include "ua/dialog.h"

#include <algorithm>

#include "sip/headers.h"
#include "ua/limits.h"

namespace causeway::ua {

namespace {

std::vector<std::string> record_routes(const sip::Message& message) {
  std::vector<std::string> routes;
  (void)sip::for_each_value(message, sip::HeaderName::record_route, [&](std::string_view value) {
    routes.emplace_back(value);
    return routes.size() < limits::kMaxRoutes;
  });
  return routes;
}

std::optional<std::string> contact_of(const sip::Message& message) {
  const auto first = sip::split_first(message.value(sip::HeaderName::contact));
  if (!first) return std::nullopt;
  const auto contact = sip::parse_contact(first->first);
  if (!contact || contact->is_star || !contact->address.uri.is_sip) return std::nullopt;
  return std::string(contact->address.uri.text);
}

}  // namespace

std::optional<Dialog> Dialog::of_response(const Outgoing& request, std::uint32_t cseq,
                                          std::string_view local_tag, const sip::Message& response) {
  Dialog dialog;
  dialog.call_id = request.call_id;
  dialog.local_tag = local_tag;
  dialog.remote_tag = response.to_tag();
  dialog.local = request.from;
  dialog.remote = response.value(sip::HeaderName::to);
  dialog.local_cseq = cseq;
  dialog.routes = record_routes(response);
  std::reverse(dialog.routes.begin(), dialog.routes.end());
  // Provisional responses of old phones lack the Contact; until the 2xx the Request-URI does.
  dialog.target = contact_of(response).value_or(request.uri);
  if (dialog.remote_tag.empty()) return std::nullopt;
  return dialog;
}

std::optional<Dialog> Dialog::of_request(const sip::Message& request, std::string_view local_tag) {
  const auto contact = contact_of(request);
  const auto cseq = request.cseq();
  if (!contact || !cseq || request.from_tag().empty()) return std::nullopt;
  Dialog dialog;
  dialog.call_id = request.call_id();
  dialog.local_tag = local_tag;
  dialog.remote_tag = request.from_tag();
  dialog.local = std::string(request.value(sip::HeaderName::to)) + ";tag=" + std::string(local_tag);
  dialog.remote = request.value(sip::HeaderName::from);
  dialog.target = *contact;
  dialog.routes = record_routes(request);
  dialog.remote_cseq = cseq->number;
  return dialog;
}

bool Dialog::has(const sip::Message& request) const {
  return request.call_id() == call_id && request.to_tag() == local_tag && request.from_tag() == remote_tag;
}

bool Dialog::take_cseq(const sip::Message& request) {
  const auto cseq = request.cseq();
  if (!cseq || (remote_cseq && cseq->number <= *remote_cseq)) return false;
  remote_cseq = cseq->number;
  return true;
}

void Dialog::refresh_target(const sip::Message& message) {
  if (auto contact = contact_of(message)) target = std::move(*contact);
}

Outgoing Dialog::request(sip::Method method) const {
  Outgoing out{
      .method = method, .uri = target, .from = local, .to = remote, .call_id = call_id, .routes = routes};
  out.next_hop = target;
  if (routes.empty()) return out;
  const auto first = sip::parse_name_addr(routes.front());
  if (first) out.next_hop = first->uri.text;
  if (!first || first->uri.param("lr")) return out;
  // A strict router: it takes its own URI for the Request-URI, and the target stands last.
  out.uri = first->uri.text;
  out.routes.erase(out.routes.begin());
  out.routes.push_back(in_brackets(target));
  return out;
}

}  // namespace causeway::ua
