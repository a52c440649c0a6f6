// A user agent on a phone's line, with sessions that make up their descriptions: strange messages from its
// server and from others, in the middle of calls out and in. Whatever comes, it goes on, and after a while
// nothing is left of it.
//
// Input: pieces, each with two bytes of head: what it is (2 bits) and its length, how long until the next. A
// datagram from the server, one from a stranger, or what its user does (the first byte). In a datagram the
// bytes 1 to 6 stand for what the agent has sent last: its Via, From, To, Call-ID, the number of its CSeq,
// its To tag.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "base/sim_loop.h"
#include "net/sim_network.h"
#include "sip/headers.h"
#include "ua/agent.h"
#include "ua/phone_line.h"
#include "ua/session_for_test.h"

using namespace causeway;

namespace {

net::Address at(const char* text) { return *net::Address::parse(text); }

struct Server final : net::UdpHandler {
  void on_datagrams(std::span<net::Datagram> batch) override {
    for (auto& datagram : batch) {
      sip::Message message;
      if (!message.parse({datagram.bytes.data(), datagram.bytes.size()})) continue;
      last[0] = message.value(sip::HeaderName::via);
      last[1] = message.value(sip::HeaderName::from);
      last[2] = message.value(sip::HeaderName::to);
      last[3] = message.call_id();
      const auto cseq = message.cseq();
      last[4] = cseq ? std::to_string(cseq->number) : "1";
      if (!message.to_tag().empty()) last[5] = message.to_tag();
    }
  }
  std::string filled(std::string_view text) const {
    std::string out;
    for (char c : text) {
      if (c >= 1 && c <= 6)
        out += last[c - 1];
      else
        out += c;
    }
    return out;
  }
  std::string last[6];
};

struct Program final : ua::AgentUser {
  Program() {
    transport.set_handler(transactions);
    if (!transport.open({.locals = {{net::Transport::udp, address, ""}}})) abort();
    agent.emplace(ua::Agent::Parts{loop, random, metrics, transport, transactions}, line, sessions, *this);
    agent->start();
  }
  static ua::PhoneAccount account() {
    auto made =
        *ua::make_account("sip:alice@sim", "secret", {{net::Transport::udp, at("10.0.0.2:5060")}, "", false});
    made.registers = false;
    return made;
  }
  void on_incoming(ua::Call&) override {}
  void on_ended(ua::Call&, const ua::CallEnd&) override {}

  void act(unsigned what) {
    if (what % 8 == 0) return void(agent->call("bob"));
    const auto calls = agent->calls();
    if (calls.empty()) return;
    ua::Call& call = *calls[what / 8 % calls.size()];
    switch (what % 8) {
      case 1:
        return call.answer();
      case 2:
        return call.hang_up();
      case 3:
        return call.hold();
      case 4:
        return call.resume();
      case 5:
        return call.reject();
      case 6:
        return call.restart_media();
      default:
        return call.send_dtmf("1");
    }
  }

  base::SimLoop loop;
  base::Random random{1};
  base::Metrics metrics;
  net::SimNetwork world{loop, random};
  const net::Address address = at("10.0.0.1:5060");
  std::unique_ptr<net::Network> network = world.host(address.ip);
  sip::TransportLayer transport{loop, *network, metrics};
  sip::TransactionLayer transactions{loop, transport, random, metrics};
  ua::testing::FakeSessions sessions{loop};
  ua::PhoneLine line{loop, transport, random, account()};
  std::optional<ua::Agent> agent;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Program program;
  Server server, stranger;
  auto here = program.world.host(at("10.0.0.2:5060").ip), there = program.world.host(at("10.0.0.3:5060").ip);
  auto from_server = std::move(*here->open_udp(at("10.0.0.2:5060"), server));
  auto from_stranger = std::move(*there->open_udp(at("10.0.0.3:5060"), stranger));
  while (size >= 2) {
    const std::size_t length = std::min<std::size_t>(size - 2, (data[0] & 0x3f) * 32u + data[1] / 8u);
    const std::string_view piece(reinterpret_cast<const char*>(data + 2), length);
    const unsigned what = data[0] >> 6;
    if (what >= 2)
      program.act(piece.empty() ? 0 : static_cast<unsigned char>(piece[0]));
    else
      (what == 0 ? from_server : from_stranger)
          ->send(program.address, base::Buffer::copy_of(server.filled(piece)));
    program.loop.run_for(base::Duration((data[1] & 7) * 100));
    data += 2 + length;
    size -= 2 + length;
  }
  for (ua::Call* call : program.agent->calls()) call->hang_up();
  program.loop.run_for(std::chrono::minutes(5));
  if (!program.agent->calls().empty()) abort();
  if (program.transactions.server_count() != 0 || program.transactions.client_count() != 0) abort();
  return 0;
}
