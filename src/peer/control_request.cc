#include "peer/control_request.h"

#include <nlohmann/json.hpp>

namespace causeway::peer {

namespace {

// The text under that key, or nothing if there is none or it is no text.
std::string text_of(const nlohmann::json& object, const char* key) {
  const auto at = object.find(key);
  return at == object.end() || !at->is_string() ? std::string() : at->get<std::string>();
}

}  // namespace

base::Result<ControlRequest> parse_control(std::string_view line) {
  const auto asked = nlohmann::json::parse(line, nullptr, false);
  const std::string command = asked.is_object() ? text_of(asked, "command") : "";
  if (command == "status") return ControlRequest{ControlRequest::Command::status, {}};
  if (command == "lookup") return ControlRequest{ControlRequest::Command::lookup, text_of(asked, "uri")};
  return base::fail("expected {{\"command\": \"status\"}} or {{\"command\": \"lookup\", \"uri\": ...}}");
}

}  // namespace causeway::peer
