// Who stands between some phones and everybody else: sees each message of their dialogues that concerns
// media, and has something else sent in its place. The proxy knows when and where to; what stands in the
// bodies is the hook's business (anchor/).
//
//   a request that comes from, or goes to, such a phone  -> PhoneHook::request; goes on when that has
//   answered a response to it, that comes from or goes to it       -> PhoneLeg::response, at once
//
// A leg is one phone in one dialogue. The proxy holds it while a transaction is under way that the phone
// takes part in; who made it may hold it longer. In a call between two such phones of one peer there are two.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "net/address.h"
#include "sip/message.h"

namespace causeway::proxy {

enum class Crossing : std::uint8_t { from_phone, to_phone };

class PhoneLeg {
 public:
  virtual ~PhoneLeg() = default;
  // What is sent on in place of the response; no buffer: the response as it is.
  virtual base::Buffer response(const sip::Message& response, Crossing crossing) = 0;
};

class PhoneHook {
 public:
  virtual ~PhoneHook() = default;

  // Whether it stands in for the phones of this user ("alice").
  virtual bool stands_for(std::string_view user) const = 0;

  struct Shown {
    int refused = 0;  // 4xx, 5xx: the request goes no further
    std::string reason;
    base::Buffer request;           // what is sent on in its place, if anything else is
    std::shared_ptr<PhoneLeg> leg;  // that responses are shown to; null: to nobody
  };
  using Done = std::function<void(Shown)>;
  // A request of one of the methods that is_shown names. `phone`: the address from which the phone signals.
  // `done` comes once, at once or in a later turn of this thread's loop; the message need not be there then.
  virtual void request(const sip::Message& request, Crossing crossing, std::string_view user,
                       const net::Ip& phone, Done done) = 0;
};

// Methods that carry offers and answers (RFC 3261 13, 3262, 3311), or end what they have agreed upon.
inline bool is_shown(sip::Method method) {
  using sip::Method;
  return method == Method::invite || method == Method::ack || method == Method::prack ||
         method == Method::update || method == Method::bye;
}

}  // namespace causeway::proxy
