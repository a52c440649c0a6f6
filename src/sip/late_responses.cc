#include "sip/late_responses.h"
#include "base/limits.h"

#include <algorithm>

namespace causeway::sip {

void LateResponses::expect(const Flow& flow, std::string_view host, std::uint16_t port) {
  if (!locate_ || waiting_.contains(flow.connection)) return;
  if (waiting_.size() >= limits::kMaxLateConnections) {
    ++dropped_;
    return;
  }
  waiting_[flow.connection] = {.host = std::string(host), .port = port, .transport = flow.transport};
}

void LateResponses::sent(const Flow& flow, const base::Buffer& bytes) {
  if (waiting_.empty()) return;
  auto at = waiting_.find(flow.connection);
  if (at == waiting_.end()) return;
  if (at->second.responses.size() < limits::kMaxLateResponses)
    at->second.responses.push_back(bytes);
  else
    ++dropped_;
}

void LateResponses::on_closed(const Flow& flow) {
  auto at = waiting_.find(flow.connection);
  if (at == waiting_.end()) return;
  Waiting waiting = std::move(at->second);
  waiting_.erase(at);
  if (waiting.responses.empty()) return;
  if (waiting.located) return try_next(std::move(waiting));
  waiting.located = true;
  auto kept = std::make_shared<Waiting>(std::move(waiting));
  locate_(kept->host, kept->port, kept->transport,
          [this, alive = std::weak_ptr(alive_), kept](std::vector<Target> places) {
            if (alive.expired()) return;
            std::ranges::reverse(places);
            kept->places = std::move(places);
            try_next(std::move(*kept));
          });
}

void LateResponses::try_next(Waiting waiting) {
  while (!waiting.places.empty()) {
    Target place = std::move(waiting.places.back());
    waiting.places.pop_back();
    auto flow = connect_(place);
    if (!flow) continue;
    auto responses = std::exchange(waiting.responses, {});
    waiting_[flow->connection] = std::move(waiting);
    for (auto& response : responses) send_(*flow, std::move(response));
    return;
  }
}

}  // namespace causeway::sip
