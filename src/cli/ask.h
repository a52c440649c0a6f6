// Asking the running peer over its control socket, for all that ask it something.
#pragma once

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "peer/control.h"

namespace causeway::cli {

// The answer as JSON; an answer that carries "error" becomes an Error.
inline base::Result<nlohmann::json> ask(const std::string& socket, const nlohmann::json& request) {
  auto text = peer::ask_peer(socket, request.dump(), std::chrono::seconds(10));
  if (!text) return std::unexpected(text.error());
  auto answer = nlohmann::json::parse(*text, nullptr, false);
  if (answer.is_discarded()) return base::fail("{}: the peer answered something that is not JSON", socket);
  if (answer.contains("error")) return base::fail("{}", answer["error"].get<std::string>());
  return answer;
}

}  // namespace causeway::cli
