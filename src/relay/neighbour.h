// Whom a client seeks in the private network that it stands in, and where he was heard. ICE's checks tell:
// their USERNAME is the fragment of who is asked, a colon, and that of who asks (RFC 8445 7.2.2), random for
// each call. So a check that the client sends to a private address, and one that comes back from the client's
// own public address, are of the same two if their names are each other's mirror; whoever merely shares that
// address, as behind a carrier's NAT, does not know them.
#pragma once

#include <string>
#include <string_view>

#include "base/limits.h"
#include "net/address.h"

namespace causeway::relay {

class Neighbour {
 public:
  // The USERNAME of a check that the client has sent to a private address.
  void seek(std::string_view username) {
    const std::size_t colon = username.find(':');
    if (colon == std::string_view::npos || username.size() > limits::kMaxUsername) return;
    sought_.assign(username.substr(colon + 1)).append(":").append(username.substr(0, colon));
  }
  // That of one which has come for the client, from its own public address.
  void hear(std::string_view username, const net::Address& from) {
    if (username.size() > limits::kMaxUsername || (address() && username != sought_)) return;
    heard_ = username;
    from_ = from;
  }
  // Of who is sought, once he has been heard; or null.
  const net::Address* address() const { return !sought_.empty() && sought_ == heard_ ? &from_ : nullptr; }

 private:
  std::string sought_, heard_;
  net::Address from_;
};

}  // namespace causeway::relay
