#include "sip/transaction_key.h"

#include <cstring>

#include "sip/branch.h"
#include "sip/scan.h"

namespace causeway::sip {

namespace {

// All parts come from one message and overlap nowhere but in the method, so they fit in twice its size.
constexpr std::size_t kScratch = 2 * limits::kMaxMessage + 64;

// ASCII letters in lower case, the other bytes as they are.
std::uint64_t lower_eight(std::uint64_t text) {
  constexpr std::uint64_t kEach = 0x0101010101010101u, kTop = 0x80 * kEach;
  const std::uint64_t low = text & ~kTop;
  const std::uint64_t from_a = low + (0x80 - 'A') * kEach;       // top bit: 'A' or above
  const std::uint64_t above_z = low + (0x80 - 'Z' - 1) * kEach;  // top bit: above 'Z'
  const std::uint64_t letters = (from_a & ~above_z & ~text) & kTop;
  return text | letters >> 2;
}

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
    const char* from = text.data();
    std::size_t left = text.size();
    for (; left >= 8; left -= 8, from += 8, to_ += 8) {
      std::uint64_t eight;
      std::memcpy(&eight, from, 8);
      eight = lower_eight(eight);
      std::memcpy(to_, &eight, 8);
    }
    for (; left > 0; --left) *to_++ = scan::lower(*from++);
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

// What every key begins with; with the magic cookie, all of it.
void begin(KeyWriter& key, const Via& via, Method method, std::string_view method_text) {
  if (method == Method::ack) method = Method::invite;
  key.number(static_cast<std::uint32_t>(method) << 16 | via.port);
  if (method == Method::other) key.exact(method_text);
  key.folded(via.host);
  key.folded(via.branch);
}

}  // namespace

TransactionKeys::TransactionKeys(const base::SipHash::Key& secret)
    : secret_(secret), scratch_(std::make_unique_for_overwrite<char[]>(kScratch)) {}

std::optional<TransactionKey> TransactionKeys::make(const Via& via, Method method) {
  if (method == Method::other || !has_magic_cookie(via.branch)) return std::nullopt;
  KeyWriter key(scratch_.get());
  begin(key, via, method, {});
  return base::SipHash::wide(secret_, key.done());
}

TransactionKey TransactionKeys::make(const Message& request, const Via& via, Method method) {
  KeyWriter key(scratch_.get());
  begin(key, via, method, request.method_text());
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
