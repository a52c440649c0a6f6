// What identifies a server transaction (RFC 3261 17.2.3), as one string of bytes, of which a transaction
// keeps a hash: 128 bits under a key that nobody knows, so that two are one by a chance of 1 in 2^128. A
// string would take a third of what a transaction holds while it lingers.
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
#include <optional>
#include <string_view>

#include "base/siphash.h"
#include "sip/headers.h"
#include "sip/message.h"

namespace causeway::sip {

using TransactionKey = base::SipHash::Wide;

class TransactionKeys {
 public:
  explicit TransactionKeys(const base::SipHash::Key& secret);

  // The key under which `request` with this top Via would stand if its method were `method` (how a CANCEL
  // finds its INVITE). ACK counts as INVITE.
  TransactionKey make(const Message& request, const Via& top_via, Method method);
  // The same by the Via alone; none if more of the request is needed.
  std::optional<TransactionKey> make(const Via& top_via, Method method);

 private:
  base::SipHash::Key secret_;
  std::unique_ptr<char[]> scratch_;
};

}  // namespace causeway::sip
