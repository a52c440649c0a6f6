// What identifies a server transaction (RFC 3261 17.2.3), as one string of bytes.
//
//   with the magic cookie:   branch, sent-by, method class
//   without (RFC 2543):      Request-URI, From tag, Call-ID, CSeq number, the whole top Via, method class
//
// The class of ACK is that of INVITE; every other method is a class of its own. For RFC 2543 the To tag
// is left out: a request in a dialogue has a CSeq number of its own, and an ACK whose To tag is another
// one (it belongs to a 2xx) meets a transaction in Accepted, which passes it to the core.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "sip/headers.h"
#include "sip/message.h"

namespace causeway::sip {

struct TransactionKey {
  std::string_view bytes;  // valid until the next make()
  std::uint64_t hash = 0;
};

class TransactionKeys {
 public:
  explicit TransactionKeys(std::uint64_t seed);

  // The key under which `request` with this top Via would stand if its method were `method` (how a CANCEL
  // finds its INVITE). ACK counts as INVITE.
  TransactionKey make(const Message& request, const Via& top_via, Method method);

 private:
  std::uint64_t seed_;
  std::unique_ptr<char[]> scratch_;
};

// The sent-by host (in lower case) and port of the Via that a key was made from; views into it.
Via sent_by_in(std::string_view key);

}  // namespace causeway::sip
