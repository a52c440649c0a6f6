#include "proxy/flow_tokens.h"
#include "base/limits.h"

#include <functional>

namespace causeway::proxy {

const identity::FlowToken* FlowTokens::open(std::string_view text) {
  if (const auto found = bindings_ ? bindings_->by_token(text) : registrar::Bindings::Owned();
      found.binding) {
    const auto& binding = *found.binding;
    bound_.user = found.user;
    bound_.instance = binding.instance_hash;
    bound_.transport = binding.flow.transport;
    bound_.source = binding.flow.remote;
    return &bound_;
  }
  if (!places_) places_ = std::make_unique<Place[]>(limits::kOpenedTokens);
  Place& place = places_[std::hash<std::string_view>{}(text) % limits::kOpenedTokens];
  if (place.text == text && !text.empty()) return &place.token;
  auto token = sealer_.open(text);
  if (!token) return nullptr;
  place.text = text;
  place.token = std::move(*token);
  return &place.token;
}

}  // namespace causeway::proxy
