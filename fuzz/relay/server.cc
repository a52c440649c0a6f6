// A client with credentials, a peer and a stranger send anything, in any order; nothing leaves for an address
// that the policy denies, and no answer to the stranger is more than twice what it said.
//
// Input: packets, each a byte that says who sends it and how it is completed, a byte for the time that
// passes, two for the length, then the bytes.
#include <cstdlib>
#include <set>

#include "base/sim_loop.h"
#include "relay/server.h"
#include "stun/framing.h"

using namespace causeway;
using namespace causeway::relay;

namespace {

const net::Ip kOwn4 = net::Ip::v4(0x05050505), kOwn6 = net::Ip::v6({0x2a});

struct Outside final : Io {
  Outside() { policy.set_own({kOwn4, kOwn6}); }

  bool has_family(stun::Family) const override { return true; }
  std::optional<Opened> open(stun::Family family, Wish wish) override {
    Opened opened{.port = make(family), .next = {}};
    if (wish == Wish::even_and_next) opened.next = make(family);
    return opened;
  }
  void close(PortId port) override {
    if (ports.erase(port) != 1) std::abort();
  }
  void answer(const Client& client, std::string_view bytes) override {
    if (client.listener == 1 && bytes.size() + 28 > 2 * (request + 28)) std::abort();
    if (!stun::Message::parse(bytes)) std::abort();
    answered.assign(bytes);
  }
  void to_client(const Client& client, std::string_view bytes) override {
    if (bytes.data() < room || bytes.data() + bytes.size() > room + sizeof room) std::abort();
    copy_to_client(client, bytes);
  }
  void copy_to_client(const Client& client, std::string_view bytes) override {
    if (client.listener == 1) std::abort();
    if (!stun::parse_channel_data(bytes) && !stun::Message::parse(bytes)) std::abort();
  }
  void to_peer(PortId port, const net::Address& peer, std::string_view, bool) override {
    if (!ports.contains(port) || !policy.allows(peer.ip)) std::abort();
  }
  Port make(stun::Family family) {
    while (ports.contains(next)) ++next;
    ports.insert(next);
    return {next,
            {family == stun::Family::ipv4 ? kOwn4 : kOwn6, static_cast<std::uint16_t>(1000 + next % 60000)}};
  }
  net::AddressPolicy policy;
  std::set<PortId> ports;
  PortId next = 0;
  std::size_t request = 0;
  std::string answered;
  char room[Packet::kHeadroom + 65536 + Packet::kTailroom];
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string kUser = "99999999999:alice";
  base::SimLoop loop;
  base::Random random{1};
  base::Metrics metrics;
  static Outside io;
  io.ports.clear();
  io.next = 0;
  SharedSecret credentials("secret");
  Server server({.realm = "p2psip.org"}, loop, random, metrics, io, io.policy, credentials);
  const Client clients[] = {{.remote = {net::Ip::v4(0x09090909), 1}},
                            {.remote = {net::Ip::v4(0x09090909), 1}, .listener = 1}};
  std::string nonce;
  while (size >= 4) {
    const unsigned how = data[0];
    loop.run_for(std::chrono::seconds(data[1]));
    const std::size_t length = std::min<std::size_t>(std::size_t{data[2]} << 8 | data[3], size - 4);
    const std::string_view bytes(reinterpret_cast<const char*>(data + 4), length);
    data += 4 + length;
    size -= 4 + length;
    char* packet = io.room + Packet::kHeadroom;
    if ((how & 3) == 2) {
      std::copy(bytes.begin(), bytes.end(), packet);
      server.on_peer(how >> 2 & 3, {net::Ip::v4(0x08080808), static_cast<std::uint16_t>(how >> 4)},
                     {packet, length});
      continue;
    }
    std::string whole(bytes);
    if (how & 4 && length >= 2) {  // its attributes, as a request that proves itself
      static char made[70000];
      stun::Writer out(made, static_cast<stun::Class>(how >> 3 & 1), static_cast<stun::Method>(bytes[0] & 15),
                       "abcdefghijkl");
      std::string_view rest = bytes.substr(1);
      while (rest.size() >= 3) {
        const std::size_t n = std::min<std::size_t>(static_cast<std::uint8_t>(rest[2]), rest.size() - 3);
        out.text(static_cast<stun::Attribute>(static_cast<std::uint8_t>(rest[0]) << 8 |
                                              static_cast<std::uint8_t>(rest[1])),
                 rest.substr(3, n));
        rest.remove_prefix(3 + n);
      }
      out.text(stun::Attribute::username, kUser);
      out.text(stun::Attribute::realm, "p2psip.org");
      out.text(stun::Attribute::nonce, nonce);
      out.integrity(stun::Attribute::message_integrity,
                    stun::Key::long_term(kUser, "p2psip.org", SharedSecret::password("secret", kUser)));
      if (out.fits()) whole = out.view();
    }
    const Client& client = clients[(how & 3) == 1 && !(how & 4)];
    io.request = whole.size();
    if (whole.size() > 65535) continue;
    std::copy(whole.begin(), whole.end(), packet);
    io.answered.clear();
    server.on_client(client, {packet, whole.size()});
    if (const auto said = stun::Message::parse(io.answered))
      if (const auto given = said->value(stun::Attribute::nonce); given && &client == clients) nonce = *given;
  }
  return 0;
}
