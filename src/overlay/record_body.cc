// The bodies of records. Addresses are byte strings (address_bytes.h); of an endpoint with its transport (1)
// in front.
#include <algorithm>
#include <optional>

#include "base/limits.h"
#include "base/msgpack.h"
#include "overlay/address_bytes.h"
#include "overlay/record.h"

namespace causeway::overlay {
namespace {

using base::MsgpackReader;
using base::MsgpackWriter;

// The end of the year 9999 in milliseconds: sums of such times cannot overflow.
constexpr std::uint64_t kMaxTime = identity::kMaxSeconds * 1000;

std::uint64_t time_value(base::UnixMs time) { return time < 0 ? 0 : static_cast<std::uint64_t>(time); }

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
    auto address = bytes && !bytes->empty() ? read_address(bytes->subspan(1)) : std::nullopt;
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
  write_addresses(out, contact.endpoints);
  out.text(contact.token);
  out.uint(contact.q);
  out.uint(time_value(contact.registered));
  out.uint(time_value(contact.expiry));
}

bool read(MsgpackReader& in, UserContact& out) {
  auto more = read_fields(in, 7);
  if (!more || !read_at_most(in, UINT64_MAX, out.instance) || !read(in, out.home) ||
      !read_addresses(in, out.endpoints))
    return false;
  auto token = in.text(limits::kMaxToken);
  if (!token || !is_token(*token)) return false;
  out.token = *token;
  return read_at_most(in, 1000, out.q) && read(in, out.registered) && read(in, out.expiry) &&
         pass_over(in, *more);
}

// [[peer, [link, ...]], ...]
void write(MsgpackWriter& out, const std::vector<ViaPeer>& vias) {
  std::size_t count = std::min(vias.size(), limits::kMaxVias);
  out.array(count);
  for (std::size_t i = 0; i < count; ++i) {
    out.array(2);
    out.bytes(vias[i].peer.bytes());
    write_addresses(out, vias[i].links);
  }
}

bool read(MsgpackReader& in, std::vector<ViaPeer>& out) {
  auto count = in.array(limits::kMaxVias);
  for (std::size_t i = 0; count && i < *count; ++i) {
    auto more = read_fields(in, 2);
    ViaPeer& via = out.emplace_back();
    if (!more || !read(in, via.peer) || !read_addresses(in, via.links) || !pass_over(in, *more)) return false;
  }
  return count.has_value();
}

// What stands behind the fields of a body's first version: the peers through which its signer is reached, if
// there are any, and what later versions may add.
bool read_rest(MsgpackReader& in, std::size_t more, std::vector<ViaPeer>& vias) {
  if (more > 0) {
    if (!read(in, vias)) return false;
    --more;
  }
  return pass_over(in, more) && in.at_end();
}

}  // namespace

base::Bytes encode(const UserBody& body) {
  MsgpackWriter out;
  std::size_t count = std::min(body.contacts.size(), limits::kMaxContacts);
  out.array(body.vias.empty() ? 1 : 2);
  out.array(count);
  for (std::size_t i = 0; i < count; ++i) write(out, body.contacts[i]);
  if (!body.vias.empty()) write(out, body.vias);
  return out.take();
}

base::Bytes encode(const ServiceBody& body) {
  MsgpackWriter out;
  out.array(body.token_key ? 6 : 5);
  out.bytes(body.peer.bytes());
  write_addresses(out, body.links);
  write(out, body.endpoints);
  out.uint(body.capacity);
  out.uint(body.load);
  if (body.token_key) out.bytes(*body.token_key);
  return out.take();
}

base::Bytes encode(const PeerBody& body) {
  MsgpackWriter out;
  out.array(body.vias.empty() ? 1 : 2);
  write_addresses(out, body.links);
  if (!body.vias.empty()) write(out, body.vias);
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
  if (!read_rest(in, *more, out.vias))
    return base::fail(
        "expected the peers that lead to its signer, and nothing more, after the contacts of a user record");
  return out;
}

base::Result<ServiceBody> decode_service(std::span<const std::uint8_t> body) {
  MsgpackReader in(body);
  ServiceBody out;
  auto more = read_fields(in, 5);
  if (!more || !read(in, out.peer) || !read_addresses(in, out.links) || !read(in, out.endpoints) ||
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
  if (!more || !read_addresses(in, out.links)) return base::fail("expected link addresses in a peer record");
  if (!read_rest(in, *more, out.vias))
    return base::fail(
        "expected the peers that lead to it, and nothing more, after the links in a peer record");
  return out;
}

}  // namespace causeway::overlay
