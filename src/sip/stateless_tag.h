// The To tag of an answer without a transaction: the same for the same request (RFC 3261 8.2.7), and one that
// nobody can make who has not seen it. So an ACK that bears it shows that the answer has arrived.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/siphash.h"
#include "net/address.h"
#include "sip/branch.h"
#include "sip/headers.h"

namespace causeway::sip {

class StatelessTag {
 public:
  static constexpr std::size_t kLength = 17;

  // `branch` has the magic cookie, and so names the request.
  StatelessTag(const base::SipHash::Key& secret, const net::Ip& source, std::string_view branch)
      : StatelessTag(secret, source, branch, {}) {}
  StatelessTag(const base::SipHash::Key& secret, const net::Ip& source, const Via& top_via,
               std::string_view call_id)
      : StatelessTag(secret, source, has_magic_cookie(top_via.branch) ? top_via.branch : top_via.text,
                     has_magic_cookie(top_via.branch) ? std::string_view{} : call_id) {}

  std::string_view text() const { return {text_, kLength}; }
  std::uint64_t hash() const { return hash_; }
  static bool looks_like(std::string_view tag) { return tag.size() == kLength && tag[0] == kMark; }

 private:
  StatelessTag(const base::SipHash::Key& secret, const net::Ip& source, std::string_view a,
               std::string_view b) {
    const auto ip = source.bytes();
    hash_ = base::SipHash(secret)
                .add({reinterpret_cast<const char*>(ip.data()), ip.size()})
                .add(a)
                .add(b)
                .value();
    text_[0] = kMark;
    std::uint64_t rest = hash_;
    for (std::size_t i = 1; i < kLength; ++i, rest >>= 4) text_[i] = "0123456789abcdef"[rest & 15];
  }

  static constexpr char kMark = 's';
  std::uint64_t hash_;
  char text_[kLength];
};

}  // namespace causeway::sip
