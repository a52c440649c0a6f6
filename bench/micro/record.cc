// What identity and records cost: the signature that a first registration pays, the check that a holder
// and a reader pay, and the tokens and datagrams on the way of every request.
#include <benchmark/benchmark.h>

#include "identity/sealing.h"
#include "overlay/record.h"

namespace {

using namespace causeway;

constexpr base::UnixMs kNow = 1'800'000'000'000;
constexpr base::UnixMs kMinute = 60'000;

struct Member {
  base::Random random{1};
  identity::PrivateKey authority = identity::PrivateKey::generate(random);
  overlay::Signer signer;
  identity::NetworkKey network_key{};

  Member() {
    signer.key = identity::PrivateKey::generate(random);
    signer.credential.domain = "p2psip.org";
    signer.credential.key = signer.key.public_key();
    signer.credential.covers = {"sip:*@"};
    signer.credential.not_before = kNow / 1000;
    signer.credential.not_after = kNow / 1000 + 86400;
    signer.credential.sign(authority);
  }
  base::Bytes body() const {
    overlay::UserContact contact;
    contact.instance = 1;
    contact.home = signer.key.public_key().peer_id();
    contact.endpoints = {net::Address::parse("192.0.2.1:7401").value()};
    contact.token = std::string(48, 'x');
    contact.registered = kNow;
    contact.expiry = kNow + kMinute;
    return overlay::encode(overlay::UserBody{{contact}});
  }
  overlay::Record record() const {
    return signer.sign(overlay::Kind::user, "sip:alice@p2psip.org", kNow, kNow + kMinute, body());
  }
  static identity::FlowToken token() {
    return {"alice", 42, net::Transport::udp, net::Address::parse("192.0.2.1:5060").value()};
  }
};

void record_sign(benchmark::State& state) {
  Member member;
  base::Bytes body = member.body();
  for (auto _ : state)
    benchmark::DoNotOptimize(
        member.signer.sign(overlay::Kind::user, "sip:alice@p2psip.org", kNow, kNow + kMinute, body));
  state.counters["bytes"] = static_cast<double>(member.record().encoded.size());
}
BENCHMARK(record_sign);

void record_check_known_credential(benchmark::State& state) {
  Member member;
  base::Metrics metrics;
  overlay::RecordChecker checker("p2psip.org", member.authority.public_key(), metrics);
  base::Bytes encoded = member.record().encoded;
  for (auto _ : state)
    if (!checker.check(encoded, "sip:alice@p2psip.org", kNow)) state.SkipWithError("refused");
}
BENCHMARK(record_check_known_credential);

void record_check_new_credential(benchmark::State& state) {
  Member member;
  base::Metrics metrics;
  base::Bytes encoded = member.record().encoded;
  for (auto _ : state) {
    overlay::RecordChecker checker("p2psip.org", member.authority.public_key(), metrics);
    if (!checker.check(encoded, "sip:alice@p2psip.org", kNow)) state.SkipWithError("refused");
  }
}
BENCHMARK(record_check_new_credential);

void record_refuse_forged(benchmark::State& state) {
  Member member;
  base::Metrics metrics;
  overlay::RecordChecker checker("p2psip.org", member.authority.public_key(), metrics);
  base::Bytes encoded = member.record().encoded;
  encoded.back() ^= 1;
  for (auto _ : state)
    if (checker.check(encoded, "sip:alice@p2psip.org", kNow)) state.SkipWithError("taken");
}
BENCHMARK(record_refuse_forged);

void token_seal(benchmark::State& state) {
  identity::TokenSealer sealer(Member().network_key);
  identity::FlowToken token = Member::token();
  for (auto _ : state) benchmark::DoNotOptimize(sealer.seal(token));
}
BENCHMARK(token_seal);

void token_open(benchmark::State& state) {
  identity::TokenSealer sealer(Member().network_key);
  std::string text = sealer.seal(Member::token());
  for (auto _ : state)
    if (!sealer.open(text)) state.SkipWithError("refused");
}
BENCHMARK(token_open);

void datagram_seal(benchmark::State& state) {
  Member member;
  identity::DatagramSealer sealer(member.network_key, member.random);
  base::Bytes plain(static_cast<std::size_t>(state.range(0))), sealed;
  for (auto _ : state) sealer.seal(plain, kNow, sealed);
}
BENCHMARK(datagram_seal)->Arg(100)->Arg(600)->Arg(1400);

void datagram_open(benchmark::State& state) {
  Member member;
  identity::DatagramSealer sealer(member.network_key, member.random);
  base::Bytes plain(static_cast<std::size_t>(state.range(0))), sealed, opened;
  sealer.seal(plain, kNow, sealed);
  for (auto _ : state)
    if (sealer.open(sealed, kNow, opened) != identity::DatagramSealer::Opened::ok)
      state.SkipWithError("refused");
}
BENCHMARK(datagram_open)->Arg(100)->Arg(600)->Arg(1400);

}  // namespace
