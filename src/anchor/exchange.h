// What a description in a message of a dialogue is: an offer, or the answer to one (RFC 3264; RFC
// 3261 13.2.1, RFC 3262 5, RFC 3311 5.1).
//
//   an offer in     is answered in
//   INVITE          a response to it: 1xx, and the 2xx once more
//   a response      the ACK of the 2xx, the PRACK of the 1xx
//   UPDATE, PRACK   the response to it
#pragma once

#include <cstdint>
#include <optional>

#include "proxy/phone_hook.h"
#include "sip/message.h"

namespace causeway::anchor {

class Exchange {
 public:
  enum class Part : std::uint8_t {
    none,
    offer,
    answer,
    again,  // an answer that was there before, or that comes from another fork
  };
  // Of a message that carries a description. The same message again is the same part.
  Part part_of(const sip::Message& message, proxy::Crossing crossing);
  // The answer was taken.
  void close() { answered_ = true; }
  // A response that refuses what was offered in its request: what was agreed before goes on.
  bool refuses(const sip::Message& response) const;
  void withdraw() { latest_.reset(); }

 private:
  struct Offer {
    proxy::Crossing by;
    std::uint32_t number;
    sip::Method method;
    bool in_request;
    bool operator==(const Offer&) const = default;
  };
  std::optional<Offer> latest_;
  std::optional<Offer> of_invite_;  // of the latest INVITE
  bool answered_ = false;
};

}  // namespace causeway::anchor
