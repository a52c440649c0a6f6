// Opening flow tokens (identity::TokenSealer), with a memory: each request of a dialogue carries one, and
// opening costs more than all the rest of finding its way.
//
// The memory is a table with one place for each hash: a newer token takes the place of an older one. A
// token says the same for ever, so nothing in it can be out of date.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "identity/sealing.h"

namespace causeway::proxy {

class FlowTokens {
 public:
  explicit FlowTokens(const identity::TokenSealer& sealer) : sealer_(sealer) {}

  // Null: not made by a member of this domain. Valid until the next call.
  const identity::FlowToken* open(std::string_view text);

 private:
  struct Place {
    std::string text;
    identity::FlowToken token;
  };
  const identity::TokenSealer& sealer_;
  std::unique_ptr<Place[]> places_;
};

}  // namespace causeway::proxy
