// Opening flow tokens (identity::TokenSealer) without opening them, if possible: each request of a dialogue
// carries one, and opening costs more than all the rest of finding its way.
//
// The token of a phone that is registered here stands in its binding, with all that it says. Others are
// remembered in a table with one place for each hash: a newer token takes the place of an older one. A token
// says the same for ever, so nothing in it can be out of date.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "identity/sealing.h"
#include "registrar/bindings.h"

namespace causeway::proxy {

class FlowTokens {
 public:
  // `bindings`: null at a peer without phones.
  FlowTokens(const identity::TokenSealer& sealer, const registrar::Bindings* bindings)
      : sealer_(sealer), bindings_(bindings) {}

  // Null: not made by a member of this domain. Valid until the next call.
  const identity::FlowToken* open(std::string_view text);

 private:
  struct Place {
    std::string text;
    identity::FlowToken token;
  };
  const identity::TokenSealer& sealer_;
  const registrar::Bindings* bindings_;
  identity::FlowToken bound_;  // of a binding; its text keeps its room
  std::unique_ptr<Place[]> places_;
};

}  // namespace causeway::proxy
