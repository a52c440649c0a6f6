// The bodies of records. Addresses are byte strings: IP (4 or 16), port (2); of an endpoint with its
// transport (1) in front.
#include <algorithm>
#include <optional>

#include "base/limits.h"
#include "base/msgpack.h"
#include "overlay/record.h"

namespace causeway::overlay {
namespace {

using base::MsgpackReader;
using base::MsgpackWriter;

// The end of the year 9999 in milliseconds: sums of such times cannot overflow.
constexpr std::uint64_t kMaxTime = identity::kMaxSeconds * 1000;

std::uint64_t time_value(base::UnixMs time) { return time < 0 ? 0 : static_cast<std::uint64_t>(time); }

std::size_t put_address(const net::Address& address, std::uint8_t* out) {
  std::size_t size = address.ip.is_v4() ? 4 : 16;
  if (address.ip.is_v4()) {
    std::uint32_t ip = address.ip.v4_value();
    for (int i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(ip >> (24 - 8 * i));
  } else {
    std::copy_n(address.ip.bytes().begin(), 16, out);
  }
  out[size] = static_cast<std::uint8_t>(address.port >> 8);
  out[size + 1] = static_cast<std::uint8_t>(address.port);
  return size + 2;
}

std::optional<net::Address> get_address(std::span<const std::uint8_t> in) {
  net::Address out;
  if (in.size() == 6) {
    out.ip = net::Ip::v4(std::uint32_t{in[0]} << 24 | in[1] << 16 | in[2] << 8 | in[3]);
  } else if (in.size() == 18) {
    std::array<std::uint8_t, 16> ip;
    std::copy_n(in.begin(), 16, ip.begin());
    out.ip = net::Ip::v6(ip);
  } else {
    return std::nullopt;
  }
  out.port = static_cast<std::uint16_t>(in[in.size() - 2] << 8 | in[in.size() - 1]);
  if (out.port == 0 || out.ip.is_unspecified()) return std::nullopt;
  return out;
}

void write(MsgpackWriter& out, const std::vector<net::Address>& addresses) {
  std::size_t count = std::min(addresses.size(), limits::kMaxEndpoints);
  out.array(count);
  std::uint8_t bytes[18];
  for (std::size_t i = 0; i < count; ++i) out.bytes({bytes, put_address(addresses[i], bytes)});
}

bool read(MsgpackReader& in, std::vector<net::Address>& out) {
  auto count = in.array(limits::kMaxEndpoints);
  for (std::size_t i = 0; count && i < *count; ++i) {
    auto bytes = in.bytes(18);
    auto address = bytes ? get_address(*bytes) : std::nullopt;
    if (!address) return false;
    out.push_back(*address);
  }
  return count.has_value();
}

void write(MsgpackWriter& out, const std::vector<net::Endpoint>& endpoints) {
  std::size_t count = std::min(endpoints.size(), limits::kMaxServiceEndpoints);
  out.array(count);
  std::uint8_t bytes[19];
  for (std::size_t i = 0; i < count; ++i) {
    bytes[0] = static_cast<std::uint8_t>(endpoints[i].transport);
    out.bytes({bytes, 1 + put_address(endpoints[i].address, bytes + 1)});
  }
}

// An endpoint of a transport that this version does not know is passed over: a newer peer may well
// offer one beside those that are known.
bool read(MsgpackReader& in, std::vector<net::Endpoint>& out) {
  auto count = in.array(limits::kMaxServiceEndpoints);
  for (std::size_t i = 0; count && i < *count; ++i) {
    auto bytes = in.bytes(19);
    auto address = bytes && !bytes->empty() ? get_address(bytes->subspan(1)) : std::nullopt;
    if (!address) return false;
    if ((*bytes)[0] <= static_cast<std::uint8_t>(net::Transport::tls))
      out.push_back({static_cast<net::Transport>((*bytes)[0]), *address});
  }
  return count.has_value();
}

template <std::size_t kSize>
bool read(MsgpackReader& in, std::array<std::uint8_t, kSize>& out) {
  auto bytes = in.bytes(kSize);
  if (!bytes || bytes->size() != kSize) return false;
  std::ranges::copy(*bytes, out.begin());
  return true;
}

bool read(MsgpackReader& in, identity::PeerId& out) {
  std::array<std::uint8_t, 20> id;
  if (!read(in, id)) return false;
  out = identity::PeerId(id);
  return true;
}

bool read(MsgpackReader& in, base::UnixMs& out) {
  auto value = in.uint();
  if (!value || *value > kMaxTime) return false;
  out = static_cast<base::UnixMs>(*value);
  return true;
}

template <class T>
bool read_at_most(MsgpackReader& in, std::uint64_t most, T& out) {
  auto value = in.uint();
  if (!value || *value > most) return false;
  out = static_cast<T>(*value);
  return true;
}

// The head of a body or contact of at least `fields` fields; gives how many are more than that.
std::optional<std::size_t> read_fields(MsgpackReader& in, std::size_t fields) {
  auto count = in.array(fields + limits::kMaxMoreFields);
  if (!count || *count < fields) return std::nullopt;
  return *count - fields;
}

bool pass_over(MsgpackReader& in, std::size_t count) {
  while (count-- > 0)
    if (!in.skip()) return false;
  return true;
}

// base64url and what else may stand in the user part of a URI without an escape
bool is_token(std::string_view token) {
  return !token.empty() && std::ranges::all_of(token, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

void write(MsgpackWriter& out, const UserContact& contact) {
  out.array(7);
  out.uint(contact.instance);
  out.bytes(contact.home.bytes());
  write(out, contact.endpoints);
  out.text(contact.token);
  out.uint(contact.q);
  out.uint(time_value(contact.registered));
  out.uint(time_value(contact.expiry));
}

bool read(MsgpackReader& in, UserContact& out) {
  auto more = read_fields(in, 7);
  if (!more || !read_at_most(in, UINT64_MAX, out.instance) || !read(in, out.home) || !read(in, out.endpoints))
    return false;
  auto token = in.text(limits::kMaxToken);
  if (!token || !is_token(*token)) return false;
  out.token = *token;
  return read_at_most(in, 1000, out.q) && read(in, out.registered) && read(in, out.expiry) &&
         pass_over(in, *more);
}

}  // namespace

base::Bytes encode(const UserBody& body) {
  MsgpackWriter out;
  std::size_t count = std::min(body.contacts.size(), limits::kMaxContacts);
  out.array(1);
  out.array(count);
  for (std::size_t i = 0; i < count; ++i) write(out, body.contacts[i]);
  return out.take();
}

base::Bytes encode(const ServiceBody& body) {
  MsgpackWriter out;
  out.array(body.token_key ? 6 : 5);
  out.bytes(body.peer.bytes());
  write(out, body.links);
  write(out, body.endpoints);
  out.uint(body.capacity);
  out.uint(body.load);
  if (body.token_key) out.bytes(*body.token_key);
  return out.take();
}

base::Bytes encode(const PeerBody& body) {
  MsgpackWriter out;
  out.array(1);
  write(out, body.links);
  return out.take();
}

base::Result<UserBody> decode_user(std::span<const std::uint8_t> body) {
  MsgpackReader in(body);
  UserBody out;
  auto more = read_fields(in, 1);
  auto count = in.array(limits::kMaxContacts);
  if (!more || !count)
    return base::fail("expected at most {} contacts in a user record", limits::kMaxContacts);
  out.contacts.resize(*count);
  for (std::size_t i = 0; i < *count; ++i)
    if (!read(in, out.contacts[i]))
      return base::fail(
          "expected instance, home, endpoints, token, q and times in contact {} of a user record", i + 1);
  if (!pass_over(in, *more) || !in.at_end())
    return base::fail("expected nothing after the body of a user record");
  return out;
}

base::Result<ServiceBody> decode_service(std::span<const std::uint8_t> body) {
  MsgpackReader in(body);
  ServiceBody out;
  auto more = read_fields(in, 5);
  if (!more || !read(in, out.peer) || !read(in, out.links) || !read(in, out.endpoints) ||
      !read_at_most(in, UINT32_MAX, out.capacity) || !read_at_most(in, UINT32_MAX, out.load))
    return base::fail("expected peer, links, endpoints, capacity and load in a service record");
  if (*more > 0) {
    if (!read(in, out.token_key.emplace()))
      return base::fail("expected a key of 32 bytes behind the load in a service record");
    --*more;
  }
  if (!pass_over(in, *more) || !in.at_end())
    return base::fail("expected nothing after the body of a service record");
  return out;
}

base::Result<PeerBody> decode_peer(std::span<const std::uint8_t> body) {
  MsgpackReader in(body);
  PeerBody out;
  auto more = read_fields(in, 1);
  if (!more || !read(in, out.links)) return base::fail("expected link addresses in a peer record");
  if (!pass_over(in, *more) || !in.at_end())
    return base::fail("expected nothing after the body of a peer record");
  return out;
}

}  // namespace causeway::overlay
