#include "ua/candidate.h"

#include <algorithm>

#include "net/address_policy.h"
#include "ua/words.h"

namespace causeway::ua {
namespace {

constexpr std::string_view kTypes[] = {"host", "srflx", "prflx", "relay"};

// "raddr 10.0.0.1 rport 4000", and other pairs of words. Of related addresses those are kept that are one.
std::optional<net::Address> related_in(std::string_view extensions) {
  std::optional<net::Ip> ip;
  std::optional<std::uint16_t> port;
  while (!extensions.empty()) {
    const std::string_view name = take_word(extensions), value = take_word(extensions);
    if (name == "raddr") ip = net::Ip::parse(value);
    if (name == "rport") port = number_in<std::uint16_t>(value);
  }
  if (!ip || !port) return std::nullopt;
  return net::Address{*ip, *port};
}

}  // namespace

std::string_view candidate_type_name(Candidate::Type type) { return kTypes[static_cast<std::size_t>(type)]; }

bool is_destination(const net::Address& address) {
  const net::Ip& ip = address.ip;
  if (address.port == 0 || ip.is_unspecified()) return false;
  if (const auto inside = net::unwrap(ip)) return is_destination({*inside, address.port});
  if (ip.is_v6()) return ip.bytes()[0] != 0xff;
  // 0.0.0.0/8, and from 224.0.0.0 on multicast, reserved and broadcast.
  const std::uint32_t first = ip.v4_value() >> 24;
  return first != 0 && first < 224;
}

base::Result<Candidate> parse_candidate(std::string_view value) {
  const std::string_view whole = value;
  const auto wrong = [&](std::string_view expected) {
    return base::fail("ICE candidate: expected {}, found '{:.80}'", expected, whole);
  };
  Candidate candidate;
  candidate.foundation = take_word(value);
  const auto component = number_in<unsigned>(take_word(value));
  const std::string_view transport = take_word(value);
  const auto priority = number_in<std::uint32_t>(take_word(value));
  const auto ip = net::Ip::parse(take_word(value));
  const auto port = number_in<std::uint16_t>(take_word(value));
  const bool has_type = take_word(value) == "typ";
  const auto type = std::ranges::find(kTypes, take_word(value));
  if (!is_ice_text(candidate.foundation, 1, 32)) return wrong("a foundation of 1 to 32 characters");
  if (!component || *component < 1 || *component > 256) return wrong("a component of 1 to 256");
  if (!is_same_word(transport, "udp")) return wrong("UDP");
  if (!priority || *priority < 1 || *priority > 0x7fffffff) return wrong("a priority of 1 to 2^31 - 1");
  if (!ip || !port) return wrong("an address and a port");
  if (!has_type || type == std::end(kTypes)) return wrong("typ host, srflx, prflx or relay");
  candidate.component = *component;
  candidate.priority = *priority;
  candidate.address = {*ip, *port};
  if (!is_destination(candidate.address)) return wrong("an address that something can be sent to");
  candidate.type = static_cast<Candidate::Type>(type - kTypes);
  candidate.related = related_in(value);
  return candidate;
}

std::string write(const Candidate& candidate) {
  std::string text =
      fmt::format("{} {} udp {} {} {} typ {}", candidate.foundation, candidate.component, candidate.priority,
                  candidate.address.ip.text(), candidate.address.port, candidate_type_name(candidate.type));
  if (candidate.related)
    text += fmt::format(" raddr {} rport {}", candidate.related->ip.text(), candidate.related->port);
  return text;
}

}  // namespace causeway::ua
