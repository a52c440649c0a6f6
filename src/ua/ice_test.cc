// ICE between two agents with real sockets on loopback: directly, through relays of our own, and without ICE.
#include "ua/ice.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <map>
#include <thread>

#include "base/random.h"
#include "net/certificates_for_test.h"
#include "net/packet_batch.h"
#include "relay/credentials.h"
#include "relay/relay.h"
#include "ua/ice_side_for_test.h"
#include "ua/limits.h"
#include "ua/relay_tunnels.h"

namespace causeway::ua {
namespace {

using namespace std::chrono_literals;

using test::kHere;
using test::Side;
constexpr std::string_view kSecret = "north";

struct TestRelay {
  explicit TestRelay(std::string_view address = "127.0.0.1") {
    const net::Ip here = *net::Ip::parse(address);
    base::Random random;
    relay::RelayConfig config{.key = identity::PrivateKey::generate(random)};
    config.authority = config.key.public_key();
    config.domain = config.server.realm = "p2psip.org";
    config.secret = kSecret;
    config.allowed = {*net::Range::parse("127.0.0.0/8")};
    for (const net::Transport transport : {net::Transport::udp, net::Transport::tcp, net::Transport::tls})
      config.sockets.listen.push_back({transport, {here, 0}});
    config.sockets.relayed = {{here, here}};
    config.tls = authority.issue("DNS:relay.p2psip.org");
    auto started = relay::Relay::start(std::move(config));
    EXPECT_TRUE(started) << started.error().message;
    relay = std::move(*started);
  }
  RelayServer server(net::Transport transport = net::Transport::udp) const {
    const auto expiry = std::chrono::system_clock::now().time_since_epoch() / 1s + 3600;
    // As long as a relay token may be.
    RelayServer server{.user = fmt::format("{}:{:a<497}", expiry, "alice")};
    server.password = relay::SharedSecret::password(kSecret, server.user);
    server.tls_name = "relay.p2psip.org";
    for (const net::Endpoint& endpoint : relay->listening())
      if (endpoint.transport == transport) server.endpoint = endpoint;
    return server;
  }
  std::shared_ptr<RelayTunnels> tunnels(bool of_another_authority = false) const {
    const net::test::Authority stranger;
    const auto& trusted = of_another_authority ? stranger : authority;
    auto context = net::TlsContext::public_client(trusted.pem_text(), true);
    return std::make_shared<RelayTunnels>(std::move(*context));
  }
  net::test::Authority authority;
  std::unique_ptr<relay::Relay> relay;
};

struct Ice : ::testing::Test {
  MediaThread thread;

  // By way of SDP, as in a call.
  static void negotiate(Side& caller, Side& callee) {
    const LocalMedia offered = caller.media();
    const std::string offer = make_offer(offered, 1, 1);
    LocalMedia capabilities;
    capabilities.codecs = offered.codecs;
    const auto remote = read_offer(offer, capabilities);
    ASSERT_TRUE(remote) << remote.error().message;
    callee.set_remote(*remote);
    const std::string answer = make_answer(callee.media(), *remote, offer, 2, 1);
    const auto answered = read_answer(answer, offered);
    ASSERT_TRUE(answered) << answered.error().message;
    caller.set_remote(*answered);
  }
  static void expect_both_ways(Side& a, Side& b) {
    EXPECT_TRUE(a.send("from a"));
    EXPECT_TRUE(b.hears("from a"));
    EXPECT_TRUE(b.send("from b"));
    EXPECT_TRUE(a.hears("from b"));
  }
  static bool connect(Side& a, Side& b) {
    return a.wait([&] { return a.connected > 0; }) && b.wait([&] { return b.connected > 0; });
  }
};

TEST_F(Ice, TwoAgentsConnectDirectly) {
  Side alice(thread, {.controlling = true}), bob(thread, {});
  EXPECT_FALSE(alice.send("nobody has consented"));
  EXPECT_EQ(alice.statistics().refused_no_path, 1u);
  alice.gather();
  bob.gather();
  negotiate(alice, bob);
  ASSERT_TRUE(connect(alice, bob)) << alice.why << bob.why;
  EXPECT_EQ(alice.pair.find("host 127.0.0.1:"), 0u) << alice.pair;
  expect_both_ways(alice, bob);
}

TEST_F(Ice, ThroughARelayOnlyOverUdpTcpAndTls) {
  const TestRelay relay;
  for (const net::Transport transport : {net::Transport::udp, net::Transport::tcp, net::Transport::tls}) {
    // Alice has the relay's end told; over TCP it goes without.
    Side alice(thread, {.relays = {relay.server(transport)},
                        .relay_only = true,
                        .controlling = true,
                        .tunnels = relay.tunnels()});
    IceConfig config{.relays = {relay.server(transport)}, .relay_only = true};
    if (transport == net::Transport::tls) config.tunnels = relay.tunnels();
    Side bob(thread, config);
    alice.gather();
    bob.gather();
    negotiate(alice, bob);
    ASSERT_TRUE(connect(alice, bob)) << alice.why << bob.why;
    EXPECT_EQ(alice.pair.find("relay 127.0.0.1:"), 0u) << alice.pair;
    EXPECT_NE(alice.pair.find("<-> relay 127.0.0.1:"), std::string::npos) << alice.pair;
    expect_both_ways(alice, bob);
  }
}

// Two questions and their answers. The quickest of ten, since another program may hold this one up.
TEST_F(Ice, ARelaysAddressIsThereWithinThirtyMilliseconds) {
  const TestRelay relay;
  base::Duration quickest = 1s;
  for (int i = 0; i < 10; ++i) {
    Side alice(thread, {.relays = {relay.server()}, .relay_only = true});
    const base::Instant begun = MediaThread::now();
    alice.gather();
    alice.media();
    quickest = std::min(quickest, MediaThread::now() - begun);
  }
  EXPECT_LT(quickest, 30ms);
}

TEST_F(Ice, RelayOnlyTellsNothingButRelayedAddresses) {
  const TestRelay one, two("127.0.0.2");
  Side alice(thread, {.relays = {one.server(), two.server()}, .relay_only = true, .controlling = true});
  alice.gather();
  const LocalMedia media = alice.media();
  EXPECT_EQ(media.candidates.size(), 2u);
  for (const Candidate& candidate : media.candidates) {
    EXPECT_EQ(candidate.type, Candidate::Type::relayed);
    EXPECT_EQ(candidate.related, net::Address{});
  }
  EXPECT_NE(media.default_rtp.port, 0);
}

TEST_F(Ice, ARestartFindsANewPathWhileTheOldOneIsUsed) {
  Side alice(thread, {.controlling = true}), bob(thread, {});
  alice.gather();
  bob.gather();
  negotiate(alice, bob);
  ASSERT_TRUE(connect(alice, bob));
  const std::string before = alice.pair;
  alice.restart();
  expect_both_ways(alice, bob);
  negotiate(alice, bob);  // bob follows by himself
  EXPECT_TRUE(alice.wait([&] { return alice.connected > 1; }));
  EXPECT_TRUE(bob.wait([&] { return bob.connected > 1; }));
  EXPECT_NE(alice.pair, before);
  expect_both_ways(alice, bob);
}

// Both answer one offer; the second has it in the end.
TEST_F(Ice, OfTwoWhoAnswerTheOtherOneCanBeFollowed) {
  Side alice(thread, {.controlling = true}), bob(thread, {}), carol(thread, {});
  alice.gather();
  bob.gather();
  carol.gather();
  const LocalMedia offered = alice.media();
  const std::string offer = make_offer(offered, 1, 1);
  const auto answer_of = [&](Side& callee) {
    const auto remote = read_offer(offer, {.codecs = offered.codecs});
    callee.set_remote(*remote);
    return *read_answer(make_answer(callee.media(), *remote, offer, 2, 1), offered);
  };
  alice.set_remote(answer_of(bob));
  ASSERT_TRUE(connect(alice, bob)) << alice.why << bob.why;
  const int before = alice.connected;
  alice.follow(answer_of(carol));
  ASSERT_TRUE(alice.wait([&] { return alice.connected > before; })) << alice.why;
  ASSERT_TRUE(carol.wait([&] { return carol.connected > 0; })) << carol.why;
  expect_both_ways(alice, carol);
}

// Over each transport; also one that lives and is silent is not given up.
struct DeadRelay : Ice, ::testing::WithParamInterface<net::Transport> {};
INSTANTIATE_TEST_SUITE_P(Over, DeadRelay,
                         ::testing::Values(net::Transport::udp, net::Transport::tcp, net::Transport::tls));

TEST_P(DeadRelay, IsNoticedAndReplaced) {
  auto dying = std::make_unique<TestRelay>();
  const TestRelay other("127.0.0.2");
  const RelayServer first = dying->server(GetParam());
  Side alice(thread,
             {.relays = {first}, .relay_only = true, .controlling = true, .tunnels = dying->tunnels()});
  Side bob(thread, {});
  alice.gather();
  bob.gather();
  negotiate(alice, bob);
  ASSERT_TRUE(connect(alice, bob));
  EXPECT_FALSE(
      alice.wait([&] { return !alice.lost.empty(); }, limits::kRelayPause + 2 * limits::kRelayProbe));
  expect_both_ways(alice, bob);
  const base::Instant died = MediaThread::now();
  dying.reset();
  ASSERT_TRUE(alice.wait([&] { return !alice.lost.empty(); }));
  EXPECT_EQ(alice.lost.front(), first);
  const int before = alice.connected;
  const base::Instant noticed = MediaThread::now();
  alice.on_thread([&](IceAgent& agent) { return agent.restart({first, other.server()}), 0; });
  negotiate(alice, bob);
  ASSERT_TRUE(alice.wait([&] { return alice.connected > before; })) << alice.why;
  EXPECT_LT(MediaThread::now() - noticed, limits::kMoreRelays);  // the dead one is not asked again
  expect_both_ways(alice, bob);
  EXPECT_LT(MediaThread::now() - died, 3s);
}

// A phone that knows no ICE: a socket.
struct Phone {
  Phone() : fd(net::open_socket(kHere, SOCK_DGRAM)) { EXPECT_TRUE(net::bind_to(fd.get(), {kHere, 0})); }
  net::Address address() const { return net::local_address(fd.get()); }
  void send(const net::Address& to, std::string_view text) {
    EXPECT_TRUE(net::send_packet(fd.get(), to, text));
  }
  // What comes and is not STUN.
  std::string next(base::Duration patience = 2s) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < until) {
      char bytes[2048];
      const ssize_t size = ::recv(fd.get(), bytes, sizeof bytes, MSG_DONTWAIT);
      if (size > 0 && bytes[0] > 3) return {bytes, static_cast<std::size_t>(size)};
      std::this_thread::sleep_for(5ms);
    }
    return {};
  }
  net::Descriptor fd;
};

// Stands between one agent and its relay, and loses what it is told to.
class LossyWay {
 public:
  // On a thread of its own.
  using Lost = std::function<bool(std::string_view packet, bool to_relay)>;

  LossyWay(RelayServer& relay, Lost lost)
      : relay_(relay.endpoint.address), lost_(std::move(lost)), thread_([this](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            carry();
            std::this_thread::sleep_for(1ms);
          }
        }) {
    relay.endpoint.address = net::local_address(near_.fd.get());
  }

 private:
  void carry() {
    char bytes[2048];
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    auto* const agent = reinterpret_cast<sockaddr*>(&from);
    for (ssize_t size;
         (size = ::recvfrom(near_.fd.get(), bytes, sizeof bytes, MSG_DONTWAIT, agent, &length)) > 0;) {
      Phone& far = far_[net::Address::from_sockaddr(*agent)];
      if (const std::string_view packet(bytes, static_cast<std::size_t>(size)); !lost_(packet, true))
        far.send(relay_, packet);
    }
    for (auto& [socket, far] : far_)
      for (ssize_t size; (size = ::recv(far.fd.get(), bytes, sizeof bytes, MSG_DONTWAIT)) > 0;)
        if (const std::string_view packet(bytes, static_cast<std::size_t>(size)); !lost_(packet, false))
          near_.send(socket, packet);
  }

  Phone near_;
  std::map<net::Address, Phone> far_;  // by the agent's sockets
  const net::Address relay_;
  Lost lost_;
  std::jthread thread_;
};

bool takes_one(std::atomic<int>& left) { return left > 0 && left-- > 0; }

// The third question comes after 600 ms, which is longer than others are waited for.
TEST_F(Ice, ARelaysAddressForRtcpAloneIsNotEnough) {
  const TestRelay relay;
  RelayServer through = relay.server();
  std::string first;
  std::atomic<int> lost = 2;
  const LossyWay way(through, [&](std::string_view packet, bool to_relay) {
    if (first.empty()) first = packet;
    return to_relay && packet == first && takes_one(lost);
  });
  Side alice(thread, {.relays = {through}, .relay_only = true, .rtcp_port = true});
  const base::Instant begun = MediaThread::now();
  alice.gather();
  const LocalMedia media = alice.media();
  EXPECT_EQ(media.candidates.size(), 1u) << alice.why;
  EXPECT_EQ(media.rtcp_candidates.size(), 1u);
  EXPECT_GT(MediaThread::now() - begun, limits::kMoreRelays);
}

TEST_F(Ice, WhereOnlyRelaysMayBeToldTheyAreAskedOnceMore) {
  const TestRelay relay;
  RelayServer through = relay.server();
  std::atomic<int> asked = limits::kServerQuestions;
  const LossyWay way(through, [&](std::string_view, bool to_relay) { return to_relay && takes_one(asked); });
  Side alice(thread, {.controlling = true}), bob(thread, {.relays = {through}, .relay_only = true});
  alice.gather();
  bob.gather();
  negotiate(alice, bob);
  EXPECT_EQ(asked, 0);
  ASSERT_TRUE(connect(alice, bob)) << alice.why << bob.why;
  expect_both_ways(alice, bob);
}

// Three questions are all that libnice asks. What comes before the second has arrived is heard.
TEST_F(Ice, AChannelWhoseBindingWasNeverAnsweredIsBoundAgain) {
  const TestRelay relay;
  RelayServer through = relay.server();
  std::atomic<int> requests = 1, answers = 2;
  const LossyWay way(through, [&](std::string_view packet, bool to_relay) {
    const std::string_view bind = to_relay ? std::string_view("\x00\x09", 2) : "\x01\x09";
    return packet.starts_with(bind) && takes_one(to_relay ? requests : answers);
  });
  Side alice(thread, {.relays = {through}, .relay_only = true, .controlling = true}), bob(thread, {});
  alice.gather();
  bob.gather();
  negotiate(alice, bob);
  ASSERT_TRUE(connect(alice, bob)) << alice.why << bob.why;
  expect_both_ways(alice, bob);
  EXPECT_GT(answers, 0);
  const base::Instant begun = MediaThread::now();
  while (answers > 0 && MediaThread::now() - begun < limits::kBindPatience) std::this_thread::sleep_for(5ms);
  EXPECT_EQ(answers, 0);
  do bob.send("again");
  while (!alice.wait([&] { return alice.packets.back() == "again"; }, 20ms) &&
         MediaThread::now() - begun < 5s);
  EXPECT_GT(MediaThread::now() - begun, limits::kBindPatience);
  EXPECT_LT(MediaThread::now() - begun, limits::kBindPatience + 2 * limits::kBindSilence);
  EXPECT_EQ(alice.connected, 1);
  expect_both_ways(alice, bob);
}

TEST_F(Ice, BindingAnewDoesNotKeepAPathThatIsDead) {
  const TestRelay relay;
  RelayServer through = relay.server();
  std::atomic<bool> dead = false;
  const LossyWay way(through, [&](std::string_view, bool) { return dead.load(); });
  Side alice(thread, {.relays = {through}, .relay_only = true, .controlling = true}), bob(thread, {});
  alice.gather();
  bob.gather();
  negotiate(alice, bob);
  ASSERT_TRUE(connect(alice, bob)) << alice.why << bob.why;
  expect_both_ways(alice, bob);
  dead = true;
  EXPECT_TRUE(alice.wait([&] { return !alice.why.empty(); }, 20s));
  EXPECT_EQ(alice.why, "the other side no longer answers (RFC 7675)");
}

// Who does not hear the answer asks again after half a second, and keeps its sockets and its checks until
// then.
TEST_F(Ice, AnAllocationIsGivenBackOnce) {
  const TestRelay relay;
  RelayServer through = relay.server();
  std::atomic<int> given_back = 0;
  const LossyWay way(through, [&](std::string_view packet, bool to_relay) {
    if (to_relay && packet.starts_with(std::string_view("\x00\x04", 2))) ++given_back;  // Refresh
    return false;
  });
  {
    Side alice(thread, {.relays = {through}, .relay_only = true, .controlling = true}), bob(thread, {});
    alice.gather();
    bob.gather();
    negotiate(alice, bob);
    ASSERT_TRUE(connect(alice, bob)) << alice.why << bob.why;
  }
  std::this_thread::sleep_for(800ms);
  EXPECT_EQ(given_back, 1);
}

// It is asked for three times, too, and never again.
TEST_F(Ice, ANominationThatIsLostEndsSoon) {
  const TestRelay relay;
  RelayServer through = relay.server();
  std::atomic<int> nominations = limits::kCheckQuestions;
  const LossyWay way(through, [&](std::string_view packet, bool to_relay) {
    constexpr std::string_view kUseCandidate("\x00\x25\x00\x00", 4);
    return to_relay && packet.find(kUseCandidate) != std::string_view::npos && takes_one(nominations);
  });
  Side alice(thread, {.relays = {through}, .relay_only = true, .controlling = true}), bob(thread, {});
  alice.gather();
  bob.gather();
  const base::Instant begun = MediaThread::now();
  negotiate(alice, bob);
  ASSERT_TRUE(alice.wait([&] { return !alice.why.empty(); }));
  EXPECT_LT(MediaThread::now() - begun, limits::kNominationPatience);
  EXPECT_EQ(nominations, 0);
  alice.restart();
  negotiate(alice, bob);
  ASSERT_TRUE(connect(alice, bob)) << alice.why << bob.why;
  expect_both_ways(alice, bob);
}

TEST_F(Ice, WithoutIceMediaLeavesByTheRelayedAddress) {
  const TestRelay relay;
  Side alice(thread, {.relays = {relay.server()}, .controlling = true});
  alice.gather();
  const LocalMedia media = alice.media();
  Phone phone;
  alice.set_remote({.rtp = phone.address()});
  ASSERT_TRUE(alice.wait([&] { return alice.connected > 0; })) << alice.why;
  EXPECT_EQ(alice.pair, "relay " + media.default_rtp.text() + " <-> host " + phone.address().text());
  EXPECT_TRUE(alice.send("hello phone"));
  EXPECT_EQ(phone.next(), "hello phone");
  phone.send(media.default_rtp, "hello alice");
  EXPECT_TRUE(alice.hears("hello alice"));
}

TEST_F(Ice, WithoutIceAndRelayMediaLeavesByTheHost) {
  Side alice(thread, {.controlling = true});
  alice.gather();
  const LocalMedia media = alice.media();
  Phone phone, stranger;
  alice.set_remote({.rtp = phone.address()});
  ASSERT_TRUE(alice.wait([&] { return alice.connected > 0; })) << alice.why;
  EXPECT_TRUE(alice.send("hello phone"));
  EXPECT_EQ(phone.next(), "hello phone");
  phone.send(media.default_rtp, "hello alice");
  EXPECT_TRUE(alice.hears("hello alice"));
  // Moved by a re-INVITE: and back.
  Phone moved;
  alice.set_remote({.rtp = moved.address()});
  ASSERT_TRUE(alice.wait([&] { return alice.connected > 1; })) << alice.why;
  EXPECT_TRUE(alice.send("hello again"));
  EXPECT_EQ(moved.next(), "hello again");
  alice.set_remote({});  // on hold
  EXPECT_FALSE(alice.send("to nobody"));
  alice.set_remote({.rtp = phone.address()});
  ASSERT_TRUE(alice.wait([&] { return alice.connected > 2; })) << alice.why;
  EXPECT_TRUE(alice.send("and back"));
  EXPECT_EQ(phone.next(), "and back");
}

TEST_F(Ice, WithoutIceItSendsSoManyPacketsASecondAndNoMore) {
  Side alice(thread, {.controlling = true});
  alice.gather();
  alice.media();
  Phone phone;
  alice.set_remote({.rtp = phone.address()});
  ASSERT_TRUE(alice.wait([&] { return alice.connected > 0; })) << alice.why;
  std::uint64_t sent = 0;
  for (int i = 0; i < 3 * limits::kMaxSentPerSecond; ++i) sent += alice.send("flood");
  EXPECT_LE(sent, 2u * limits::kMaxSentPerSecond);
  EXPECT_GE(alice.statistics().refused_rate, static_cast<std::uint64_t>(limits::kMaxSentPerSecond));
}

TEST_F(Ice, ARelayThatProvesNothingGetsNoCredentials) {
  const TestRelay relay;
  Side alice(thread, {.relays = {relay.server(net::Transport::tls)},
                      .relay_only = true,
                      .controlling = true,
                      .tunnels = relay.tunnels(true)});
  alice.gather();
  EXPECT_TRUE(alice.wait([&] { return alice.why == "no relay has given an address"; }));
  // And without tunnels there is no TLS: it is not spoken in the clear instead.
  Side bob(thread, {.relays = {relay.server(net::Transport::tls)}, .relay_only = true});
  bob.gather();
  EXPECT_TRUE(bob.wait([&] { return bob.why == "no relay has given an address"; }));
}

TEST_F(Ice, SoManyRelaysAreUsedAndNoMore) {
  std::vector<std::unique_ptr<TestRelay>> relays;
  IceConfig config{.relay_only = true};
  for (std::size_t i = 0; i <= limits::kMaxRelays; ++i)
    config.relays.push_back(
        relays.emplace_back(std::make_unique<TestRelay>(fmt::format("127.0.0.{}", i + 1)))->server());
  Side alice(thread, config);
  alice.gather();
  EXPECT_EQ(alice.media().candidates.size(), limits::kMaxRelays);
}

void expect_checks_and_no_media(MediaThread& thread, bool controlling) {
  Side alice(thread, {.controlling = controlling});
  alice.gather();
  alice.media();
  Phone victim;
  RemoteMedia hostile{.rtp = victim.address(), .ice = IceCredentials{"abcd", "0123456789012345678901"}};
  for (unsigned i = 0; i < limits::kMaxCandidates; ++i) {
    Candidate candidate{.foundation = std::to_string(i),
                        .priority = 1000 + i,
                        .address = victim.address(),
                        .type = Candidate::Type::host,
                        .related = {}};
    hostile.candidates.push_back(candidate);
  }
  const base::Instant begun = MediaThread::now();
  alice.set_remote(hostile);
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(alice.send("a flood of media"));
  std::size_t packets = 0;
  while (!alice.wait([&] { return !alice.why.empty(); }, 5ms)) {
    char bytes[2048];
    while (::recv(victim.fd.get(), bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
      ++packets;
      EXPECT_LT(bytes[0], 4);
    }
  }
  EXPECT_EQ(alice.why, "no pair of candidates has answered");
  EXPECT_LT(MediaThread::now() - begun,
            (controlling ? limits::kNominationPatience : limits::kConnectPatience) + 1s);
  EXPECT_GT(packets, 0u);
  EXPECT_LT(packets, limits::kMaxChecks * 8u);
}

TEST_F(Ice, VictimsNamedAsCandidatesGetChecksAndNoMedia) { expect_checks_and_no_media(thread, true); }
TEST_F(Ice, VictimsNamedByTheCallerGetChecksAndNoMedia) { expect_checks_and_no_media(thread, false); }

// Bob's machine stands still. RFC 7675 5.1: consent ends after thirty seconds at the latest.
TEST_F(Ice, ConsentOutlivesASilenceOfTwelveSecondsAndNotOneOfThirty) {
  MediaThread other;
  Side alice(thread, {.controlling = true}), bob(other, {});
  alice.gather();
  bob.gather();
  negotiate(alice, bob);
  ASSERT_TRUE(connect(alice, bob));
  other.post([] { std::this_thread::sleep_for(12s); });
  EXPECT_FALSE(alice.wait([&] { return !alice.why.empty(); }, 16s)) << alice.why;
  expect_both_ways(alice, bob);
  std::this_thread::sleep_for(limits::kConsentRound - 6s);  // one round is not held against him for longer
  const base::Instant silent = MediaThread::now();
  other.post([] { std::this_thread::sleep_for(31s); });
  EXPECT_TRUE(alice.wait([&] { return !alice.why.empty(); }, 30s));
  // Two rounds are 20 seconds, of which six may have passed: libnice asks every four to six.
  EXPECT_GT(MediaThread::now() - silent, 13s);
  EXPECT_EQ(alice.why, "the other side no longer answers (RFC 7675)");
  EXPECT_FALSE(alice.send("without consent"));
  EXPECT_EQ(alice.connected, 1);
}

TEST_F(Ice, AServerThatDoesNotAnswerIsNotWaitedForLong) {
  Phone silent;
  Side alice(thread, {.relays = {{{net::Transport::udp, silent.address()}, "user", "password", {}}},
                      .stun = silent.address(),
                      .controlling = true});
  const base::Instant begun = MediaThread::now();
  alice.gather();
  EXPECT_EQ(alice.media().candidates.size(), 1u);
  EXPECT_LT(MediaThread::now() - begun, limits::kGatherPatience + 500ms);
}

TEST_F(Ice, ADeadRelayBesideOneThatLivesCostsLittle) {
  Phone dead;
  TestRelay lives;
  Side alice(thread,
             {.relays = {{{net::Transport::udp, dead.address()}, "user", "password", {}}, lives.server()},
              .relay_only = true,
              .controlling = true});
  Side bob(thread, {});
  const base::Instant begun = MediaThread::now();
  alice.gather();
  bob.gather();
  negotiate(alice, bob);
  EXPECT_LT(MediaThread::now() - begun, limits::kGatherPatience / 2);
  ASSERT_TRUE(connect(alice, bob));
  expect_both_ways(alice, bob);
}

TEST_F(Ice, WithRelaysOnlyAndNoneThatAnswersItFails) {
  Phone silent;
  Side alice(thread, {.relays = {{{net::Transport::udp, silent.address()}, "user", "password", {}}},
                      .relay_only = true,
                      .controlling = true});
  alice.gather();
  EXPECT_TRUE(alice.wait([&] { return alice.why == "no relay has given an address"; }));
}

TEST_F(Ice, WhatFloodsInIsDropped) {
  Side alice(thread, {.controlling = true});
  alice.gather();
  const LocalMedia media = alice.media();
  Phone phone;
  alice.set_remote({.rtp = phone.address()});
  ASSERT_TRUE(alice.wait([&] { return alice.connected > 0; })) << alice.why;
  for (int i = 0; i < 3 * limits::kMaxReceivedPerSecond; ++i) {
    phone.send(media.default_rtp, "flood");
    if (i % 100 == 0) std::this_thread::sleep_for(1ms);
  }
  std::this_thread::sleep_for(200ms);
  EXPECT_GT(alice.statistics().refused_rate, 0u);
  EXPECT_LE(alice.statistics().received, 2u * limits::kMaxReceivedPerSecond);
}

}  // namespace
}  // namespace causeway::ua
