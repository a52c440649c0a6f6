#include "proxy/validation.h"
#include "base/limits.h"

#include <algorithm>
#include <cstring>

#include "sip/headers.h"
#include "sip/transaction.h"

namespace causeway::proxy {
namespace {

using sip::HeaderName;
using sip::Message;
using sip::Method;

// Eight bytes at a time; keyed by the seed. Good enough to tell requests of one call apart, which is
// all that 32 bits in a branch can promise.
class Hash {
 public:
  explicit Hash(std::uint64_t seed) : state_(seed ^ 0x9e3779b97f4a7c15u) {}
  void add(std::string_view text) {
    mix(text.size() + 1);
    while (text.size() >= 8) {
      std::uint64_t word;
      std::memcpy(&word, text.data(), 8);
      mix(word);
      text.remove_prefix(8);
    }
    std::uint64_t rest = 0;
    if (!text.empty()) std::memcpy(&rest, text.data(), text.size());
    mix(rest);
  }
  std::uint32_t value() const { return static_cast<std::uint32_t>(state_ ^ (state_ >> 32)); }

 private:
  void mix(std::uint64_t word) {
    state_ = (state_ ^ word) * 0xff51afd7ed558ccdu;
    state_ ^= state_ >> 32;
  }
  std::uint64_t state_;
};

void add_all(Hash& hash, const Message& m, HeaderName name) {
  for (auto* field = m.first(name); field; field = m.next(*field)) hash.add(m.value(*field));
}

Refusal check_hops(const Message& request, Validated& result) {
  auto hops = request.max_forwards();
  if (!hops) return {400, "Bad Max-Forwards"};
  result.max_forwards = hops->value_or(-1);
  return {};
}

bool are_vias(std::string_view list) {
  bool fine = true;
  const bool split =
      sip::for_each_value(list, [&](std::string_view via) { return fine = sip::parse_via(via).has_value(); });
  return split && fine;
}

// What is read nowhere else but goes on: the next server must not find it broken. Of the Vias the topmost has
// been read; the others matter where several stand in one line.
Refusal check_syntax(const Message& request) {
  if (!sip::parse_name_addr(request.value(HeaderName::to))) return {400, "Bad To"};
  for (auto* field = request.first(HeaderName::via); field; field = request.next(*field)) {
    const auto list = request.value(*field);
    if (list.find(',') != list.npos && !are_vias(list)) return {400, "Bad Via"};
  }
  return {};
}

Refusal check_breadth(const Message& request, Validated& result) {
  if (!request.has(HeaderName::max_breadth)) return {};
  auto breadth = sip::parse_delta_seconds(request.value(HeaderName::max_breadth));
  if (!breadth) return {400, "Bad Max-Breadth"};
  if (*breadth == 0) return {440, "Max-Breadth Exceeded"};
  result.breadth = static_cast<int>(std::min<std::uint32_t>(*breadth, limits::kMaxBreadth));
  return {};
}

}  // namespace

std::uint32_t loop_hash(const Message& request, std::uint64_t seed) {
  Hash hash(seed);
  hash.add(request.request_uri_text());
  add_all(hash, request, HeaderName::route);
  hash.add(request.call_id());
  hash.add(request.from_tag());
  hash.add(request.to_tag());
  hash.add(request.value(HeaderName::cseq));
  add_all(hash, request, HeaderName::proxy_authorization);
  return hash.value();
}

bool has_looped(const Message& request, std::uint32_t hash, int& passes) {
  bool looped = false;
  for (auto* field = request.first(HeaderName::via); field && !looped; field = request.next(*field)) {
    const auto text = request.value(*field);
    if (text.find("z9hG4bK.") == std::string_view::npos) continue;
    sip::for_each_value(text, [&](std::string_view value) {
      auto via = sip::parse_via(value);
      const auto own = via ? sip::TransactionLayer::loop_hash_of(via->branch) : std::nullopt;
      if (own) ++passes;
      looped = own == hash;
      return !looped;
    });
  }
  return looped;
}

Refusal check_loop(const Message& request, std::uint64_t seed, Validated& result) {
  result.loop_hash = loop_hash(request, seed);
  if (has_looped(request, result.loop_hash, result.passes)) return {482, "Loop Detected"};
  if (result.passes > limits::kMaxPasses) return {483, "Too Many Hops: an endless spiral"};
  return {};
}

Refusal validate(const Message& request, Validated& result) {
  auto uri = request.request_uri();
  if (!uri) return {400, "Bad Request-URI"};
  if (!uri->is_sip) return {416, "Unsupported URI Scheme"};
  if (!uri->headers.empty()) return {400, "Headers in the Request-URI"};  // 19.1.1
  result.uri = *uri;
  if (auto refusal = check_syntax(request)) return refusal;
  if (auto refusal = check_hops(request, result)) return refusal;
  // 420: the caller lists the option tags in Unsupported. Not for ACK (and CANCEL never comes here).
  if (request.has(HeaderName::proxy_require) && request.method() != Method::ack)
    return {420, "Bad Extension"};
  return check_breadth(request, result);
}

}  // namespace causeway::proxy
