#include "sip/transaction_key.h"

#include <cstring>

#include "sip/branch.h"

namespace causeway::sip {

namespace {

// All parts come from one message and overlap nowhere but in the method, so they fit in twice its size.
constexpr std::size_t kScratch = 2 * limits::kMaxMessage + 64;

class KeyWriter {
 public:
  explicit KeyWriter(char* to) : begin_(to), to_(to) {}
  void exact(std::string_view text) {
    if (!text.empty()) std::memcpy(to_, text.data(), text.size());
    to_ += text.size();
    *to_++ = '\0';
  }
  // Host names and tokens compare without case (RFC 3261 7.3.1).
  void folded(std::string_view text) {
    for (char c : text) *to_++ = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    *to_++ = '\0';
  }
  void number(std::uint32_t value) {
    std::memcpy(to_, &value, sizeof value);
    to_ += sizeof value;
  }
  std::string_view done() const { return {begin_, static_cast<std::size_t>(to_ - begin_)}; }

 private:
  char* begin_;
  char* to_;
};

}  // namespace

TransactionKeys::TransactionKeys(const base::SipHash::Key& secret)
    : secret_(secret), scratch_(std::make_unique_for_overwrite<char[]>(kScratch)) {}

TransactionKey TransactionKeys::make(const Message& request, const Via& via, Method method) {
  if (method == Method::ack) method = Method::invite;
  KeyWriter key(scratch_.get());
  key.number(static_cast<std::uint32_t>(method) << 16 | via.port);
  if (method == Method::other) key.exact(request.method_text());
  key.folded(via.host);
  key.folded(via.branch);
  if (!has_magic_cookie(via.branch)) {
    auto cseq = request.cseq();
    key.number(cseq ? cseq->number : 0);
    key.exact(request.request_uri_text());
    key.exact(request.from_tag());
    key.exact(request.call_id());
    key.exact(via.text);
  }
  return base::SipHash::wide(secret_, key.done());
}

}  // namespace causeway::sip
