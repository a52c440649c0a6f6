#include "net/tls.h"

#include <malloc.h>
#include <openssl/ssl.h>

#include "base/limits.h"
#include "net/certificates_for_test.h"
#include "net/loopback_for_test.h"

namespace causeway::net {
namespace {

using namespace std::chrono_literals;
using test::Authority;
using test::bytes;
using Context = std::unique_ptr<TlsContext>;

class Tls : public test::StreamsOnLoopback {
 protected:
  static Context must(base::Result<Context> made) {
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : nullptr;
  }
  Context member(const TlsContext::Identity& self, std::string_view alpn = "causeway") const {
    return must(TlsContext::member(self, authority.pem_text(), alpn));
  }
  Context server_for(const std::string& names) const {
    return must(TlsContext::public_server(authority.issue(names)));
  }
  Context client(bool verify = true) const {
    return must(TlsContext::public_client(authority.pem_text(), verify));
  }

  // Runs a handshake; why the asking side did not get through, or empty.
  std::string refusal(TlsContext* asking, TlsContext* asked, const std::string& name) {
    Tls::client_stream().reset();
    server.reset();
    caller = {};
    served = {};
    accepted = 0;
    listen(asked);
    connect(asking, name);
    caller.when_connected = [this] { StreamsOnLoopback::client->send(bytes("hello")); };
    run_until([&] { return caller.closed || !served.text.empty(); });
    if (!caller.closed) return {};
    EXPECT_EQ(caller.closed->reason, CloseReason::tls);
    return caller.closed->text.empty() ? "?" : caller.closed->text;
  }
  std::unique_ptr<Stream>& client_stream() { return StreamsOnLoopback::client; }

  Authority authority;
  Context a = member(authority.issue("DNS:a.peers.example.org"));
  Context b = member(authority.issue("DNS:b.peers.example.org,DNS:b.example.org"));
};

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST_F(Tls, MembersKnowEachOther) {
  listen(b.get());
  connect(a.get(), "b.peers.example.org");
  client_stream()->send(bytes("sent before the handshake"));
  run_until([&] { return !served.text.empty(); });
  EXPECT_EQ(served.text, "sent before the handshake");
  EXPECT_EQ(client_stream()->certified_names(),
            (std::vector<std::string>{"b.peers.example.org", "b.example.org"}));
  EXPECT_EQ(server->certified_names(), std::vector<std::string>{"a.peers.example.org"});
  server->send(bytes("back"));
  run_until([&] { return caller.text == "back"; });
  client_stream().reset();
  run_until([&] { return served.closed.has_value(); });
  EXPECT_EQ(served.closed->reason, CloseReason::remote);
}

TEST_F(Tls, MembersThatCannotProveThemselves) {
  EXPECT_EQ(refusal(a.get(), b.get(), "B.example.ORG"), "");
  EXPECT_EQ(refusal(a.get(), b.get(), ""), "");  // any member
  EXPECT_SAYS(refusal(a.get(), b.get(), "c.peers.example.org"),
              "its certificate is for b.peers.example.org, b.example.org, expected 'c.peers.example.org'");

  const Authority other("test authority");  // the same name, another key
  const Context impostor =
      must(TlsContext::member(other.issue("DNS:b.peers.example.org"), authority.pem_text(), "causeway"));
  EXPECT_SAYS(refusal(a.get(), impostor.get(), "b.peers.example.org"), "its certificate is not acceptable");
  EXPECT_NE(refusal(impostor.get(), b.get(), "b.peers.example.org"), "");
  EXPECT_EQ(accepted, 0);

  const Context expired = member(authority.issue("DNS:b.peers.example.org", -7200, -3600));
  EXPECT_SAYS(refusal(a.get(), expired.get(), "b.peers.example.org"), "expired");
  EXPECT_SAYS(refusal(expired.get(), b.get(), "b.peers.example.org"), "refused the certificate of this side");
  const Context early = member(authority.issue("DNS:b.peers.example.org", 3600, 7200));
  EXPECT_SAYS(refusal(a.get(), early.get(), "b.peers.example.org"), "not yet valid");
  EXPECT_GE(count("net_tls_handshakes_failed_total"), 2u);  // those that the listening side refused
}

// Chains are kept in memory as long as their connection.
TEST_F(Tls, AChainWithoutEndIsNotRead) {
  const auto identity = authority.issue("DNS:b.peers.example.org");
  const Context longer = member(authority.with_long_chain(identity, 10));
  EXPECT_EQ(refusal(a.get(), longer.get(), "b.peers.example.org"), "");
  const Context endless = member(authority.with_long_chain(identity, 100));
  EXPECT_NE(refusal(a.get(), endless.get(), "b.peers.example.org"), "");
  EXPECT_GT(authority.pem_text().size() * 100 * 3 / 4,
            static_cast<std::size_t>(limits::kMaxCertificateChain));
  const auto failed = count("net_tls_handshakes_failed_total");
  EXPECT_NE(refusal(endless.get(), b.get(), "b.peers.example.org"), "");
  EXPECT_EQ(count("net_tls_handshakes_failed_total"), failed + 1);
}

TEST_F(Tls, MembersSpeakTheSameProtocolOrNothing) {
  const Context other = member(authority.issue("DNS:b.peers.example.org"), "something-else");
  EXPECT_SAYS(refusal(a.get(), other.get(), "b.peers.example.org"), "'causeway'");
  EXPECT_EQ(accepted, 0);
  const Context silent = member(authority.issue("DNS:b.peers.example.org"), "");
  EXPECT_SAYS(refusal(a.get(), silent.get(), "b.peers.example.org"), "'causeway'");
  EXPECT_SAYS(refusal(silent.get(), b.get(), "b.peers.example.org"), "this side names none");
  EXPECT_EQ(accepted, 0);
}

TEST_F(Tls, OutsidersAreNoMembers) {
  const Context outsider = client(false);
  listen(b.get());
  connect(outsider.get(), "b.peers.example.org");
  run_until([&] { return caller.closed.has_value(); });
  EXPECT_EQ(caller.closed->reason, CloseReason::tls);
  EXPECT_EQ(accepted, 0);
}

TEST_F(Tls, MemberLinksAreTls13) {
  const Context old = client(false);
  SSL_CTX_set_max_proto_version(old->native(), TLS1_2_VERSION);
  SSL_CTX_set_alpn_protos(old->native(),
                          reinterpret_cast<const unsigned char*>("\x8"
                                                                 "causeway"),
                          9);
  EXPECT_SAYS(refusal(old.get(), b.get(), "b.peers.example.org"), "no TLS version");
  const Context phones = server_for("DNS:sip.example.org");
  EXPECT_EQ(refusal(old.get(), phones.get(), "sip.example.org"), "");
}

TEST_F(Tls, NamesOfPublicServers) {  // RFC 5922 7.1, 7.2
  const Context verifying = client();
  const auto verdict = [&](const std::string& names, const std::string& asked) {
    const Context phones = server_for(names);
    const std::string text = refusal(verifying.get(), phones.get(), asked);
    EXPECT_EQ(client_stream()->certified_names().empty(), names.find("DNS:") == names.npos || !text.empty());
    return text.empty();
  };
  EXPECT_TRUE(verdict("DNS:sip.example.org", "sip.example.org"));
  EXPECT_TRUE(verdict("DNS:other.example.org,DNS:SIP.example.org", "sip.EXAMPLE.org"));
  EXPECT_TRUE(verdict("URI:sip:example.org", "example.org"));
  EXPECT_TRUE(verdict("URI:sip:example.org;transport=tls", "example.org"));
  EXPECT_TRUE(verdict("IP:127.0.0.1", "127.0.0.1"));
  EXPECT_FALSE(verdict("IP:127.0.0.2", "127.0.0.1"));
  EXPECT_FALSE(verdict("URI:sip:alice@example.org", "example.org"));
  EXPECT_FALSE(verdict("URI:http:example.org", "example.org"));
  EXPECT_FALSE(verdict("DNS:*.example.org", "sip.example.org"));
  EXPECT_FALSE(verdict("DNS:example.org", "sip.example.org"));
  EXPECT_FALSE(verdict("DNS:example.org.evil.net", "example.org"));
  EXPECT_FALSE(verdict("DNS:example.org", ""));
}

TEST_F(Tls, TheCommonNameCountsForNothing) {
  const Context phones = must(TlsContext::public_server(authority.issue("", -60, 3600, "sip.example.org")));
  const Context verifying = client();
  EXPECT_SAYS(refusal(verifying.get(), phones.get(), "sip.example.org"), "no name");
}

TEST_F(Tls, PublicClientsTrustTheirCaAlone) {
  const Authority other("another authority");
  const Context phones = must(TlsContext::public_server(other.issue("DNS:sip.example.org")));
  EXPECT_SAYS(refusal(client().get(), phones.get(), "sip.example.org"), "not acceptable");
  EXPECT_EQ(refusal(client(false).get(), phones.get(), "whatever.example.org"), "");
  EXPECT_TRUE(client_stream()->certified_names().empty());
}

TEST_F(Tls, GarbageInsteadOfTls) {
  const Context phones = server_for("DNS:sip.example.org");
  listen(phones.get());
  const std::string_view garbage[] = {"REGISTER sip:example.org SIP/2.0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
                                      "\r\n\r\n\r\n\r\n",
                                      std::string_view("\x16\x03\x01\xff\xff\x01\0\0\0\0\0\0", 12)};
  for (const std::string_view text : garbage) {
    Descriptor raw = raw_client();
    write(raw, text);
    run();
    raw.close();
    run();
  }
  EXPECT_EQ(accepted, 0);
  EXPECT_EQ(count("net_tls_handshakes_failed_total"), std::size(garbage));
  EXPECT_EQ(refusal(client().get(), phones.get(), "sip.example.org"), "");  // and it still works
}

TEST_F(Tls, ServerWithoutTls) {
  listen(nullptr);
  served.when_bytes = [&] { server->send(bytes("SIP/2.0 400 Bad Request\r\n\r\n")); };
  const Context verifying = client();
  connect(verifying.get(), "sip.example.org");
  run_until([&] { return caller.closed.has_value(); });
  EXPECT_EQ(caller.closed->reason, CloseReason::tls);
  EXPECT_SAYS(caller.closed->text, "expected TLS, found something else");
}

TEST_F(Tls, SilenceInTheHandshakeIsTimed) {
  const Context phones = server_for("DNS:sip.example.org");
  listen(phones.get());
  const Descriptor raw = raw_client();
  run_until([&] { return count("net_accepted_total") == 1; });
  loop->timers().advance(loop->now() + limits::kHandshakeTimeout);
  EXPECT_EQ(count("net_tls_handshake_timeouts_total"), 1u);
  EXPECT_EQ(count("net_tls_handshakes_failed_total"), 1u);
  char c;
  EXPECT_LE(::recv(raw.get(), &c, 1, MSG_DONTWAIT), 0);
  EXPECT_NE(errno, EAGAIN);
}

TEST_F(Tls, AClientDoesNotWaitForeverEither) {
  listen(nullptr);
  connect(a.get(), "");
  run_until([&] { return server != nullptr; });
  loop->timers().advance(loop->now() + limits::kConnectTimeout);
  ASSERT_TRUE(caller.closed);
  EXPECT_EQ(caller.closed->reason, CloseReason::timeout);
}

TEST_F(Tls, ResetInTheHandshakeAndAfter) {
  const Context phones = server_for("DNS:sip.example.org");
  listen(phones.get());
  for (int i = 0; i < 5; ++i) {
    Descriptor raw = raw_client();
    write(raw, "\x16\x03\x01");
    if (i % 2) run(1ms);
    reset_connection(raw);
  }
  run();
  EXPECT_EQ(accepted, 0);
  EXPECT_EQ(count("net_tls_handshakes_failed_total"), count("net_accepted_total"));

  listen(b.get());
  connect(a.get(), "");
  run_until([&] { return server != nullptr; });
  server->send(bytes("x"));
  server.reset();
  run_until([&] { return caller.closed.has_value(); });
  EXPECT_EQ(caller.text, "x");
}

TEST_F(Tls, MegabytesBothWays) {
  listen(b.get());
  connect(a.get(), "");
  run_until([&] { return server != nullptr && caller.connected; });
  std::string up, down;
  const auto top_up = [](Stream& stream, std::string& all, char seed) {
    while (stream.queued() < limits::kMaxQueued / 2 && all.size() < (3u << 20)) {
      const std::string piece(1 + all.size() % 20011, static_cast<char>(seed + all.size() % 25));
      all += piece;
      stream.send(bytes(piece));
    }
  };
  run_until([&] {
    top_up(*client_stream(), up, 'a');
    top_up(*server, down, 'A');
    return served.text.size() >= (3u << 20) && caller.text.size() >= (3u << 20);
  });
  EXPECT_TRUE(served.text == up);
  EXPECT_TRUE(caller.text == down);
}

TEST_F(Tls, SmallMessagesOfATurnShareARecord) {
  listen(b.get());
  connect(a.get(), "");
  run_until([&] { return server != nullptr && caller.connected; });
  for (int i = 0; i < 10; ++i) client_stream()->send(bytes("0123456789"));
  run_until([&] { return served.text.size() == 100; });
  EXPECT_EQ(served.chunks, 1);
}

TEST_F(Tls, OrNotForThoseWhoTakeARecordForAMessage) {
  a->keep_messages_apart();
  listen(b.get());
  connect(a.get(), "");
  run_until([&] { return server != nullptr && caller.connected; });
  for (int i = 0; i < 10; ++i) client_stream()->send(bytes("0123456789"));
  run_until([&] { return served.text.size() == 100; });
  EXPECT_EQ(served.chunks, 10);
}

TEST_F(Tls, WhoNeverReadsIsCutOff) {
  // A TLS client whose loop has stopped: its kernel buffers fill.
  const auto other_loop = base::make_epoll_loop();
  const auto other = make_real_network(*other_loop, metrics);
  listen(b.get());
  test::Talker idle;
  const auto sleeper = other->connect(listener->local(), {a.get(), ""}, idle);
  for (int i = 0; i < 1000 && !server; ++i) {
    run(1ms);
    other_loop->run_for(1ms);
  }
  ASSERT_TRUE(server);
  const base::Buffer piece = bytes(std::string(60000, 'x'));
  for (int i = 0; i < 2000 && !served.closed; ++i) {
    server->send(piece);
    run(0ms);
  }
  ASSERT_TRUE(served.closed);
  EXPECT_EQ(served.closed->reason, CloseReason::overflow);
}

TEST_F(Tls, HandlersMayDestroyTheirStreamInAnyCall) {
  listen(b.get());
  served.when_bytes = [&] { server.reset(); };
  caller.when_connected = [&] { client_stream()->send(bytes("x")); };
  caller.when_closed = [&] { client_stream().reset(); };
  connect(a.get(), "");
  run_until([&] { return client_stream() == nullptr && server == nullptr; });

  caller.when_connected = [&] { client_stream().reset(); };
  served.when_bytes = {};
  caller.closed.reset();
  served.closed.reset();
  connect(a.get(), "");
  run_until([&] { return client_stream() == nullptr; });
  listener.reset();
  run();
}

TEST_F(Tls, AListenerMayGoInTheMiddleOfHandshakes) {
  listen(b.get());
  const Descriptor raw = raw_client();
  connect(a.get(), "");
  run_until([&] { return count("net_accepted_total") >= 1; });
  listener.reset();
  run();
}

TEST_F(Tls, SimulatedContextsDoNotPassForRealOnes) {
  const Context fake = TlsContext::simulated(TlsContext::Kind::member);
  EXPECT_SAYS(refusal(fake.get(), b.get(), ""), "without certificates");
}

// Bytes of memory that an accepted, idle connection holds: those that come back when it goes.
TEST_F(Tls, AnIdleConnectionIsSmall) {
  if (test::kSanitized) GTEST_SKIP() << "allocations are not the usual ones";
  const auto measure = [&](TlsContext* asking, TlsContext* asked) {
    constexpr std::size_t kConnections = 100;
    std::vector<std::unique_ptr<Stream>> near, far;
    listener = *network->listen(test::at("127.0.0.1:0"), asked, [&](std::unique_ptr<Stream> s) {
      s->set_handler(served);
      far.push_back(std::move(s));
    });
    served.text.clear();
    for (std::size_t i = 0; i < kConnections; ++i) {
      near.push_back(network->connect(listener->local(), {asking, "b.example.org"}, caller));
      near.back()->send(bytes(std::string(2000, 'x')));
    }
    run_until([&] { return served.text.size() == kConnections * 2000; });
    for (auto& stream : far) stream->send(bytes(std::string(2000, 'y')));
    run();
    const std::size_t before = mallinfo2().uordblks;
    far.clear();
    return (before - mallinfo2().uordblks) / kConnections;
  };
  const Context phones = server_for("DNS:b.example.org");
  const Context phone = client();
  measure(phone.get(), phones.get());  // what is allocated once
  const std::size_t of_phone = measure(phone.get(), phones.get());
  const std::size_t of_member = measure(a.get(), b.get());
  std::printf("memory of an idle TLS connection: %zu bytes (phone), %zu bytes (member)\n", of_phone,
              of_member);
  EXPECT_LE(of_phone, 16'000u);
  EXPECT_LE(of_member, 20'000u);  // OpenSSL keeps the parsed certificate of the other side
}

TEST(TlsContexts, BadMaterialIsExplained) {
  const Authority authority;
  const TlsContext::Identity good = authority.issue("DNS:a.example.org");
  const auto says = [](const auto& result, std::string_view text) {
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().message.find(text), std::string::npos) << result.error().message;
  };
  says(TlsContext::public_server({"nonsense", good.key_pem}), "TLS certificate: expected PEM text");
  says(TlsContext::public_server({good.certificate_pem, ""}), "TLS key: expected");
  says(TlsContext::public_server({good.certificate_pem, authority.issue("").key_pem}), "does not belong");
  says(TlsContext::member(good, "", "x"), "TLS CA: expected PEM text");
  says(TlsContext::member(good, authority.pem_text(), std::string(300, 'x')), "at most 255");
  says(TlsContext::public_client("nonsense", true), "TLS CA: expected PEM text");
}

}  // namespace
}  // namespace causeway::net
