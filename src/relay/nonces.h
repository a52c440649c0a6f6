// Nonces that the server need not remember: the time, and a MAC over it, the client's address and what the
// nonce says about the server (RFC 8489 9.2). A nonce of one client is none of another's.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/time.h"
#include "net/address.h"

namespace causeway::relay {

class Nonces {
 public:
  explicit Nonces(base::Random& random) { random.fill(key_); }

  // `with_features`: begins with the cookie that offers password algorithms; 13 characters longer.
  std::string make(const net::Address& client, base::UnixMs now, bool with_features) const;

  struct Checked {
    bool fresh = false;
    bool offers_algorithms = false;  // what make() was asked for
  };
  Checked check(std::string_view nonce, const net::Address& client, base::UnixMs now) const;

 private:
  static constexpr std::size_t kMacSize = 8;
  std::array<std::uint8_t, kMacSize> mac(std::string_view time, bool with_features,
                                         const net::Address& client) const;
  std::array<std::uint8_t, 32> key_{};
};

}  // namespace causeway::relay
