// Keys by DTLS, and SRTP under them.
#include "ua/dtls.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <array>
#include <deque>
#include <thread>

#include "base/encoding.h"
#include "ua/limits.h"
#include "ua/rtp.h"

namespace causeway::ua {
namespace {

using namespace std::chrono_literals;

base::Instant now() { return std::chrono::time_point_cast<base::Duration>(std::chrono::steady_clock::now()); }

struct End {
  std::shared_ptr<const DtlsIdentity> identity = *DtlsIdentity::make();
  std::unique_ptr<DtlsSession> session;
  std::deque<std::string> sent;
  int lose = 0;  // so many of the next packets

  void begin(DtlsSession::Role role, const std::string& fingerprint) {
    auto made = DtlsSession::make(*identity, role, fingerprint, [this](std::string_view packet) {
      EXPECT_LE(packet.size(), limits::kMaxPacket);
      if (lose > 0)
        --lose;
      else
        sent.emplace_back(packet);
    });
    ASSERT_TRUE(made) << made.error().message;
    session = std::move(*made);
  }
  bool is(DtlsSession::State state) const { return session->state() == state; }
};

struct Dtls : ::testing::Test {
  End client, server;
  void SetUp() override {
    client.begin(DtlsSession::Role::client, server.identity->fingerprint());
    server.begin(DtlsSession::Role::server, client.identity->fingerprint());
  }
  static bool carry(End& from, End& to) {
    if (from.sent.empty()) return false;
    const std::string packet = from.sent.front();
    from.sent.pop_front();
    to.session->on_packet(packet, now());
    return true;
  }
  void exchange() {
    while (carry(client, server) || carry(server, client)) {
    }
  }
  void exchange_in_time(base::Duration patience) {
    const base::Instant end = now() + patience;
    while (now() < end && !(client.is(DtlsSession::State::done) && server.is(DtlsSession::State::done))) {
      exchange();
      for (End* one : {&client, &server})
        if (one->session->next_wake(now()) <= now()) one->session->on_time(now());
      std::this_thread::sleep_for(5ms);
    }
  }
};

TEST_F(Dtls, BothSidesComeToTheSameKeys) {
  client.session->start(now());
  exchange();
  ASSERT_TRUE(client.is(DtlsSession::State::done)) << client.session->failure();
  ASSERT_TRUE(server.is(DtlsSession::State::done)) << server.session->failure();
  const auto ours = client.session->keys(), theirs = server.session->keys();
  ASSERT_TRUE(ours && theirs);
  EXPECT_EQ(ours->profile, SrtpProfile::aead_aes_128_gcm);
  EXPECT_EQ(ours->ours, theirs->theirs);
  EXPECT_EQ(ours->theirs, theirs->ours);
  EXPECT_NE(ours->ours, ours->theirs);
  EXPECT_EQ(ours->ours.size(), 16U + 12);
  EXPECT_EQ(client.session->next_wake(now()), base::Instant::max());
}

TEST_F(Dtls, AnotherCertificateThanTheFingerprintSaysIsRefused) {
  End stranger;
  client.begin(DtlsSession::Role::client, stranger.identity->fingerprint());
  client.session->start(now());
  exchange();
  EXPECT_TRUE(client.is(DtlsSession::State::failed));
  EXPECT_NE(client.session->failure().find("another fingerprint"), std::string::npos)
      << client.session->failure();
  EXPECT_FALSE(server.is(DtlsSession::State::done));
  EXPECT_FALSE(client.session->keys());
}

TEST_F(Dtls, AClientWithAnotherCertificateIsRefusedToo) {
  End stranger;
  server.begin(DtlsSession::Role::server, stranger.identity->fingerprint());
  client.session->start(now());
  exchange();
  EXPECT_TRUE(server.is(DtlsSession::State::failed));
  EXPECT_NE(server.session->failure().find("another fingerprint"), std::string::npos);
}

TEST_F(Dtls, FingerprintsThatProveNothing) {
  const auto refused = [&](const std::string& fingerprint) {
    return !DtlsSession::make(*client.identity, DtlsSession::Role::client, fingerprint,
                              [](std::string_view) {});
  };
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused("sha-256"));
  EXPECT_TRUE(refused("sha-256 AB:CD"));
  EXPECT_TRUE(refused("sha-1 " + client.identity->fingerprint().substr(8, 59)));
  EXPECT_TRUE(refused("sha-256 zz" + client.identity->fingerprint().substr(10)));
  EXPECT_FALSE(refused(client.identity->fingerprint()));
}

TEST_F(Dtls, WhatIsLostIsSaidAgain) {
  client.lose = 1;  // the ClientHello
  server.lose = 1;
  client.session->start(now());
  EXPECT_GT(client.session->next_wake(now()), now());
  EXPECT_LE(client.session->next_wake(now()), now() + limits::kDtlsRepeat + 20ms);
  exchange_in_time(5s);
  EXPECT_TRUE(client.is(DtlsSession::State::done)) << client.session->failure();
  EXPECT_TRUE(server.is(DtlsSession::State::done)) << server.session->failure();
}

TEST_F(Dtls, TheLastMessagesLostAreSaidAgain) {
  client.session->start(now());
  carry(client, server);
  while (carry(server, client)) {
  }
  server.lose = 1;  // its Finished: only the client knows that something is missing
  while (carry(client, server)) {
  }
  EXPECT_FALSE(client.is(DtlsSession::State::done));
  exchange_in_time(5s);
  EXPECT_TRUE(client.is(DtlsSession::State::done));
}

TEST_F(Dtls, SilenceEndsWithPatience) {
  client.session->start(now());
  client.session->on_time(now() + limits::kDtlsPatience);
  EXPECT_TRUE(client.is(DtlsSession::State::failed));
  EXPECT_NE(client.session->failure().find("20s"), std::string::npos) << client.session->failure();
}

TEST_F(Dtls, AChainWithoutEndIsNotRead) {
  X509* own = SSL_CTX_get0_certificate(client.identity->native());
  for (int i = 0; i < 40; ++i) SSL_CTX_add1_chain_cert(client.identity->native(), own);
  client.begin(DtlsSession::Role::client, server.identity->fingerprint());
  client.session->start(now());
  exchange();
  EXPECT_TRUE(server.is(DtlsSession::State::failed));
  EXPECT_NE(server.session->failure().find("excessive message size"), std::string::npos)
      << server.session->failure();
}

TEST_F(Dtls, TheEndIsToldAndGarbageChangesNothing) {
  client.session->start(now());
  exchange();
  ASSERT_TRUE(server.is(DtlsSession::State::done));
  server.session->on_packet("\x16\xfe\xfd garbage", now());
  EXPECT_TRUE(server.is(DtlsSession::State::done));
  client.session->close();
  exchange();
  EXPECT_TRUE(server.is(DtlsSession::State::closed));
}

TEST_F(Dtls, SoManyPacketsAfterTheHandshakeAreLookedAt) {
  client.session->start(now());
  exchange();
  for (std::size_t i = 0; i < limits::kMaxDtlsAfter; ++i)
    server.session->on_packet("\x16\xfe\xfd garbage", now());
  client.session->close();
  exchange();
  EXPECT_TRUE(server.is(DtlsSession::State::done));  // even the end is not
}

// ---- SRTP

struct Keyed : ::testing::TestWithParam<SrtpProfile> {
  std::unique_ptr<Srtp> ours, theirs;
  std::array<char, limits::kMaxPacket + Srtp::kTrailer> packet{};

  void SetUp() override {
    const std::size_t size = srtp_key_size(GetParam()) + srtp_salt_size(GetParam());
    const SrtpKeys keys{GetParam(), std::string(size, 'a'), std::string(size, 'b')};
    ours = std::move(*Srtp::make(keys));
    theirs = std::move(*Srtp::make({keys.profile, keys.theirs, keys.ours}));
  }
  std::size_t rtp(std::uint16_t sequence, std::uint32_t ssrc = 7) {
    const std::size_t size =
        write_rtp({.sequence = sequence, .ssrc = ssrc, .payload = "something to be heard"},
                  std::span(packet).first(limits::kMaxPacket));
    return ours->protect(packet.data(), size, false);
  }
};

TEST_P(Keyed, ComesBackAndOnlyOnce) {
  std::size_t size = rtp(1);
  ASSERT_GT(size, 33U);
  EXPECT_EQ(std::string_view(packet.data(), size).find("heard"), std::string_view::npos);
  std::size_t protected_size = size;
  auto copy = packet;
  ASSERT_EQ(theirs->unprotect(packet.data(), size, false), Srtp::Verdict::good);
  EXPECT_EQ(parse_rtp({packet.data(), size})->payload, "something to be heard");
  EXPECT_EQ(theirs->unprotect(copy.data(), protected_size, false), Srtp::Verdict::replayed);
}

TEST_P(Keyed, OneBitMakesItForeign) {
  for (std::uint16_t i = 0; i < 40; ++i) {
    std::size_t size = rtp(i);
    packet[12 + i % (size - 12)] ^= 1;
    EXPECT_EQ(theirs->unprotect(packet.data(), size, false), Srtp::Verdict::unauthentic);
  }
}

TEST_P(Keyed, SoManySourcesHaveState) {
  for (std::uint32_t ssrc = 0; ssrc < limits::kMaxSources; ++ssrc) {
    std::size_t size = rtp(1, ssrc);
    EXPECT_EQ(theirs->unprotect(packet.data(), size, false), Srtp::Verdict::good);
  }
  std::size_t size = rtp(1, 1000);
  EXPECT_EQ(theirs->unprotect(packet.data(), size, false), Srtp::Verdict::too_many_sources);
  size = rtp(2, 3);
  EXPECT_EQ(theirs->unprotect(packet.data(), size, false), Srtp::Verdict::good);
}

TEST_P(Keyed, ShortPacketsAreForeign) {
  for (std::size_t length = 0; length < 40; ++length) {
    std::size_t size = length;
    packet.fill('\x80');
    EXPECT_EQ(theirs->unprotect(packet.data(), size, length % 2 == 0), Srtp::Verdict::unauthentic);
  }
}

INSTANTIATE_TEST_SUITE_P(Profiles, Keyed,
                         ::testing::Values(SrtpProfile::aes128_cm_sha1_80, SrtpProfile::aead_aes_128_gcm));

TEST(Srtp, KeysOfAnotherLengthAreNone) {
  EXPECT_FALSE(Srtp::make({SrtpProfile::aead_aes_128_gcm, "short", "short"}));
}

}  // namespace
}  // namespace causeway::ua
