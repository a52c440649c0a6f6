// The branch of our own Via: it names the worker and the block of the client transaction, so that a
// response finds it by indexing.
//
//   z9hG4bK.<worker>.<block>.<nonce>.<loop hash>        numbers in hexadecimal
//
// The nonce (64 random bits, new for each transaction) is the block's generation: it makes the branch
// unique across time and restarts (RFC 3261 8.1.1.7), and who has not seen the request cannot answer it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace causeway::sip {

inline constexpr std::string_view kMagicCookie = "z9hG4bK";

struct Branch {
  std::uint32_t worker = 0;
  std::uint32_t block = 0;
  std::uint64_t nonce = 0;
  std::uint32_t loop_hash = 0;  // RFC 5393 4.2.1
};

struct BranchText {
  static constexpr std::size_t kMost = 8 + 9 + 9 + 17 + 8;
  std::array<char, kMost> bytes;
  std::uint8_t length = 0;
  std::string_view view() const { return {bytes.data(), length}; }
};

BranchText write_branch(const Branch& branch);

// None if the text is not of that form. Either case (tokens compare without it, RFC 3261 7.3.1).
std::optional<Branch> read_branch(std::string_view text);

// RFC 3261 8.1.1.7: the sender promises that the branch identifies its transaction. The cookie alone
// identifies nothing (RFC 4475 3.2.1).
bool has_magic_cookie(std::string_view branch);

}  // namespace causeway::sip
