#include "peer/control_request.h"

#include <nlohmann/json.hpp>

#include "base/limits.h"

namespace causeway::peer {

namespace {

// The text under that key, or nothing if there is none or it is no text.
std::string text_of(const nlohmann::json& object, const char* key) {
  const auto at = object.find(key);
  return at == object.end() || !at->is_string() ? std::string() : at->get<std::string>();
}

// 0 if it is not there, no whole number, or beyond what anybody could mean.
std::int64_t number_of(const nlohmann::json& object, const char* key) {
  const auto at = object.find(key);
  if (at == object.end() || !at->is_number_integer()) return 0;
  const auto value = at->get<std::int64_t>();
  return value < 0 || value > limits::kMaxControlNumber ? 0 : value;
}

}  // namespace

base::Result<ControlRequest> parse_control(std::string_view line) {
  const auto asked = nlohmann::json::parse(line, nullptr, false);
  const std::string command = asked.is_object() ? text_of(asked, "command") : "";
  if (command == "status") return ControlRequest{.command = ControlRequest::Command::status, .uri = {}};
  if (command == "lookup")
    return ControlRequest{.command = ControlRequest::Command::lookup, .uri = text_of(asked, "uri")};
  if (command == "relay_token")
    return ControlRequest{.command = ControlRequest::Command::relay_token,
                          .uri = text_of(asked, "user"),
                          .lifetime_s = number_of(asked, "lifetime_s"),
                          .relays = number_of(asked, "relays")};
  if (command == "drain") {
    const auto on = asked.find("on");
    if (on == asked.end() || !on->is_boolean())
      return base::fail("expected {{\"command\": \"drain\", \"on\": true or false}}");
    return ControlRequest{.command = ControlRequest::Command::drain, .uri = {}, .on = on->get<bool>()};
  }
  return base::fail("expected \"command\": \"status\", \"lookup\", \"relay_token\" or \"drain\"");
}

}  // namespace causeway::peer
