#include "overlay/record.h"
#include "base/limits.h"

#include <functional>

#include <gtest/gtest.h>

#include "base/msgpack.h"
#include "base/random.h"

namespace causeway::overlay {
namespace {

using identity::Credential;
using identity::PrivateKey;

constexpr std::string_view kDomain = "p2psip.org";
constexpr base::UnixMs kNow = 1'800'000'000'000;
constexpr base::UnixMs kMinute = 60'000;

struct RecordTest : testing::Test {
  base::Random random{1};
  base::Metrics metrics;
  PrivateKey authority = PrivateKey::generate(random);
  RecordChecker checker{std::string(kDomain), authority.public_key(), metrics};

  Signer registrar = member({"sip:*@"});
  Signer proxy = member({"sip:"});
  Signer relay = member({"turn:", "teredo:"});
  Signer alice = member({"sip:alice@"});
  Signer nobody = member({});

  Signer member(std::vector<std::string> covers) {
    return member_of(authority, std::string(kDomain), std::move(covers), kNow - kMinute,
                     kNow + 1000 * kMinute);
  }
  Signer member_of(const PrivateKey& by, std::string domain, std::vector<std::string> covers,
                   base::UnixMs from, base::UnixMs to) {
    Signer out{PrivateKey::generate(random), {}};
    out.credential.domain = std::move(domain);
    out.credential.key = out.key.public_key();
    out.credential.covers = std::move(covers);
    out.credential.not_before = static_cast<std::uint64_t>(from / 1000);
    out.credential.not_after = static_cast<std::uint64_t>(to / 1000);
    out.credential.sign(by);
    return out;
  }

  static identity::PeerId id(const Signer& signer) { return signer.key.public_key().peer_id(); }
  static std::string peer_uri(const Signer& signer) { return "sip:_" + id(signer).text() + "@p2psip.org"; }
  static net::Address address(std::string_view text) { return net::Address::parse(text).value(); }
  static UserContact contact(const identity::PeerId& home, std::uint64_t instance = 1) {
    UserContact out;
    out.instance = instance;
    out.home = home;
    out.endpoints = {address("192.0.2.1:7401")};
    out.token = "abcDEF_-123";
    out.registered = kNow;
    out.expiry = kNow + 60 * kMinute;
    return out;
  }
  static base::Bytes user_body(const Signer& home) { return encode(UserBody{{contact(id(home))}}); }
  static base::Bytes service_body(const Signer& peer) {
    return encode(ServiceBody{
        id(peer), {address("192.0.2.1:7401")}, {{net::Transport::udp, address("192.0.2.1:5060")}}, 1000, 10});
  }
  static Record user(const Signer& by, std::string uri = "sip:alice@p2psip.org") {
    return by.sign(Kind::user, std::move(uri), kNow, kNow + 5 * kMinute, user_body(by));
  }
  static Record service(const Signer& by, std::string uri = "sip:p2psip.org") {
    return by.sign(Kind::service, std::move(uri), kNow, kNow + kMinute, service_body(by));
  }
  static Record peer(const Signer& by, std::string uri) {
    return by.sign(Kind::peer, std::move(uri), kNow, kNow + kMinute,
                   encode(PeerBody{{address("192.0.2.1:7401")}}));
  }

  // "" if taken, else the reason as the counter has it, and only that one.
  std::string refusal(std::span<const std::uint8_t> encoded, std::string_view expected = "",
                      base::UnixMs now = kNow) {
    std::vector<std::uint64_t> before;
    for (const auto& row : metrics.rows()) before.push_back(row.counter.value);
    auto result = checker.check(encoded, expected, now);
    std::string out;
    std::size_t i = 0;
    for (const auto& row : metrics.rows()) {
      if (row.counter.value == before[i++] || !row.name.starts_with("overlay_records_refused")) continue;
      std::size_t from = row.name.find('"') + 1;
      out += row.name.substr(from, row.name.size() - from - 2);
    }
    EXPECT_EQ(result.has_value(), out.empty());
    EXPECT_TRUE(result || !result.error().message.empty());
    return out;
  }
  std::string refusal(const Record& record, std::string_view expected = "", base::UnixMs now = kNow) {
    return refusal(record.encoded, expected, now);
  }
  std::string message(const Record& record, base::UnixMs now = kNow) {
    auto result = checker.check(record.encoded, "", now);
    return result ? "" : result.error().message;
  }
};

TEST_F(RecordTest, WhatIsSignedIsWhatIsRead) {
  Record made = user(registrar);
  auto read = checker.check(made.encoded, "sip:alice@p2psip.org", kNow);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->kind, Kind::user);
  EXPECT_EQ(read->uri, "sip:alice@p2psip.org");
  EXPECT_EQ(read->sequence, kNow);
  EXPECT_EQ(read->expiry, kNow + 5 * kMinute);
  EXPECT_EQ(read->body, made.body);
  EXPECT_EQ(read->encoded, made.encoded);
  EXPECT_EQ(read->signer(), id(registrar));
  EXPECT_FALSE(read->is_tombstone());
  EXPECT_LT(made.encoded.size(), 450u) << "several must fit in a datagram";
  EXPECT_EQ(metrics.value("overlay_records_accepted_total"), 1u);
}

TEST_F(RecordTest, WhoMayPutWhat) {
  EXPECT_EQ(refusal(user(registrar)), "");
  EXPECT_EQ(refusal(user(alice)), "");
  EXPECT_EQ(refusal(service(proxy)), "");
  EXPECT_EQ(refusal(service(relay, "turn:p2psip.org")), "");
  EXPECT_EQ(refusal(service(relay, "teredo:p2psip.org")), "");
  EXPECT_EQ(refusal(peer(nobody, peer_uri(nobody))), "");

  EXPECT_EQ(refusal(user(alice, "sip:bob@p2psip.org")), "not_covered");
  EXPECT_EQ(refusal(user(proxy)), "not_covered");
  EXPECT_EQ(refusal(user(nobody)), "not_covered");
  EXPECT_EQ(refusal(service(registrar)), "not_covered");
  EXPECT_EQ(refusal(service(relay)), "not_covered");
  EXPECT_EQ(refusal(service(proxy, "turn:p2psip.org")), "not_covered");
  EXPECT_EQ(refusal(peer(registrar, peer_uri(nobody))), "not_covered");
}

TEST_F(RecordTest, EveryChangedByteIsSeen) {
  for (const Record& good : {user(registrar), service(proxy), peer(nobody, peer_uri(nobody))}) {
    for (std::size_t i = 0; i < good.encoded.size(); ++i) {
      for (std::uint8_t change : {0x01, 0x80, 0xff}) {
        base::Bytes bad = good.encoded;
        bad[i] ^= change;
        ASSERT_NE(refusal(bad), "") << "byte " << i << " of a " << kind_name(good.kind) << " record";
      }
    }
    EXPECT_EQ(refusal(good), "");
  }
}

TEST_F(RecordTest, CutShortOrLonger) {
  base::Bytes good = user(registrar).encoded;
  for (std::size_t n = 0; n < good.size(); ++n)
    ASSERT_EQ(refusal(std::span(good).first(n)), "malformed") << n;
  good.push_back(0xc0);
  EXPECT_EQ(refusal(good), "malformed");
  EXPECT_EQ(refusal(base::Bytes(limits::kMaxRecord + 1, 0x98)), "malformed");
  EXPECT_EQ(refusal(base::Bytes(limits::kMaxRecord, 0x98)), "malformed");
}

TEST_F(RecordTest, CopiedUnderAnotherUri) {
  Record record = user(registrar);
  EXPECT_EQ(refusal(record, "sip:alice@p2psip.org"), "");
  EXPECT_EQ(refusal(record, "sip:bob@p2psip.org"), "wrong_uri");
  EXPECT_EQ(refusal(service(proxy), "turn:p2psip.org"), "wrong_uri");
}

TEST_F(RecordTest, WithTheCredentialOfAnother) {
  Signer thief = alice;
  thief.key = nobody.key;  // alice's credential stands in every record of hers; her key does not
  Record record = thief.sign(Kind::user, "sip:alice@p2psip.org", kNow, kNow + kMinute, user_body(alice));
  EXPECT_EQ(refusal(record), "bad_signature");
  // Her signature of one record under another.
  Record a = user(alice), b = alice.sign(Kind::user, a.uri, kNow + 1, a.expiry, a.body);
  std::copy(a.encoded.end() - 64, a.encoded.end(), b.encoded.end() - 64);
  EXPECT_EQ(refusal(b), "bad_signature");
}

TEST_F(RecordTest, CredentialsThatDoNotCount) {
  auto with = [&](const Signer& signer) { return refusal(user(signer)); };
  base::UnixMs skew = kMaxAhead.count();
  EXPECT_EQ(with(member_of(PrivateKey::generate(random), "p2psip.org", {"sip:*@"}, kNow, kNow + kMinute)),
            "bad_credential");
  EXPECT_EQ(with(member_of(authority, "p2psip.com", {"sip:*@"}, kNow, kNow + kMinute)), "bad_credential");
  EXPECT_EQ(with(member_of(authority, "p2psip.org", {"sip:*@"}, kNow - 90 * kMinute, kNow - skew - 1000)),
            "bad_credential");
  EXPECT_EQ(with(member_of(authority, "p2psip.org", {"sip:*@"}, kNow + skew + 1000, kNow + 90 * kMinute)),
            "bad_credential");
  EXPECT_EQ(with(member_of(authority, "p2psip.org", {"sip:*@"}, kNow + skew, kNow + 90 * kMinute)), "");
  Signer self_made = nobody;
  self_made.credential.covers = {"sip:*@"};
  self_made.credential.sign(self_made.key);
  EXPECT_EQ(with(self_made), "bad_credential");
}

TEST_F(RecordTest, ARememberedCredentialStillGrowsOld) {
  Signer brief = member_of(authority, "p2psip.org", {"sip:*@"}, kNow - kMinute, kNow + kMinute);
  EXPECT_EQ(refusal(user(brief)), "");
  base::UnixMs later = kNow + 10 * kMinute;
  Record record = brief.sign(Kind::user, "sip:alice@p2psip.org", later, later + kMinute, user_body(brief));
  ASSERT_EQ(refusal(record, "", later), "bad_credential");
  EXPECT_NE(checker.check(record.encoded, "", later).error().message.find("out of date since"),
            std::string::npos);
}

TEST_F(RecordTest, Times) {
  auto times = [&](base::UnixMs sequence, base::UnixMs expiry, Kind kind = Kind::user) {
    return refusal(kind == Kind::user ? registrar.sign(kind, "sip:alice@p2psip.org", sequence, expiry, {})
                                      : proxy.sign(kind, "sip:p2psip.org", sequence, expiry, {}));
  };
  base::UnixMs skew = kMaxAhead.count();
  EXPECT_EQ(times(kNow + skew, kNow + kMinute), "");
  EXPECT_EQ(times(kNow + skew + 1, kNow + kMinute), "from_future");
  EXPECT_EQ(times(0, kNow + 1), "");
  EXPECT_EQ(times(kNow, kNow), "expired");
  EXPECT_EQ(times(kNow, 0), "long_expired");
  EXPECT_EQ(times(kNow, kNow + 10 * kMinute + skew), "");
  EXPECT_EQ(times(kNow, kNow + 10 * kMinute + skew + 1), "lives_too_long");
  EXPECT_EQ(times(kNow, kNow + 2 * kMinute + skew, Kind::service), "");
  EXPECT_EQ(times(kNow, kNow + 2 * kMinute + skew + 1, Kind::service), "lives_too_long");
  EXPECT_EQ(times(kNow, INT64_MAX), "malformed");
  EXPECT_EQ(times(INT64_MAX, kNow + kMinute), "malformed");
  Record old = registrar.sign(Kind::user, "sip:alice@p2psip.org", kNow - kMinute, kNow - 12'000, {});
  EXPECT_EQ(message(old), "the record expired 12 s ago");
}

TEST_F(RecordTest, TheKindMustFitTheUri) {
  Signer all = member({"sip:*@", "sip:", "turn:", "teredo:"});
  std::string own = peer_uri(all);
  auto put = [&](Kind kind, std::string uri) {
    base::Bytes body = kind == Kind::user      ? user_body(all)
                       : kind == Kind::service ? service_body(all)
                                               : encode(PeerBody{});
    return refusal(all.sign(kind, std::move(uri), kNow, kNow + kMinute, std::move(body)));
  };
  EXPECT_EQ(put(Kind::user, "sip:alice@p2psip.org"), "");
  EXPECT_EQ(put(Kind::user, "sip:p2psip.org"), "wrong_kind");
  EXPECT_EQ(put(Kind::user, own), "wrong_kind");
  EXPECT_EQ(put(Kind::service, "sip:p2psip.org"), "");
  EXPECT_EQ(put(Kind::service, "sip:alice@p2psip.org"), "wrong_kind");
  EXPECT_EQ(put(Kind::service, own), "wrong_kind");
  EXPECT_EQ(put(Kind::peer, own), "");
  EXPECT_EQ(put(Kind::peer, "sip:p2psip.org"), "wrong_kind");
  EXPECT_EQ(put(Kind::peer, "sip:alice@p2psip.org"), "wrong_kind");
  EXPECT_EQ(put(Kind::service, "stun:p2psip.org"), "not_covered");
}

TEST_F(RecordTest, UrisThatAreNotInNormalForm) {
  for (std::string uri :
       {"SIP:alice@p2psip.org", "sip:%61lice@p2psip.org", "sip:alice@P2PSIP.org", "sip:alice",
        "sip:alice@p2psip.org:5060", "sip:alice@p2psip.org;x", "sip:a@b@p2psip.org", "", "sip:_x@p2psip.org",
        "sip:%5Fx@p2psip.org", "sips:alice@p2psip.org", "sip:@p2psip.org", "sip:alice@192.0.2.1"})
    EXPECT_EQ(refusal(registrar.sign(Kind::user, uri, kNow, kNow + kMinute, {})), "wrong_uri") << uri;
  EXPECT_EQ(refusal(user(registrar, "sip:alice@example.org")), "wrong_domain");
  EXPECT_EQ(refusal(registrar.sign(Kind::user, std::string(kMaxUri + 1, 'a'), kNow, kNow + kMinute, {})),
            "malformed");
  std::string text =
      message(registrar.sign(Kind::user, "sip:\x1b[2Jalice@p2psip.org", kNow, kNow + kMinute, {}));
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << "what a stranger writes does not reach a terminal";
}

TEST_F(RecordTest, ASignerSpeaksForItself) {
  auto put = [&](const Signer& by, Kind kind, std::string uri, base::Bytes body) {
    return refusal(by.sign(kind, std::move(uri), kNow, kNow + kMinute, std::move(body)));
  };
  EXPECT_EQ(put(registrar, Kind::user, "sip:alice@p2psip.org", user_body(proxy)), "bad_body");
  UserBody mixed{{contact(id(registrar), 1), contact(id(proxy), 2)}};
  EXPECT_EQ(put(registrar, Kind::user, "sip:alice@p2psip.org", encode(mixed)), "bad_body");
  EXPECT_EQ(put(alice, Kind::user, "sip:alice@p2psip.org", user_body(proxy)), "")
      << "a user lives where he likes";
  EXPECT_EQ(put(proxy, Kind::service, "sip:p2psip.org", service_body(relay)), "bad_body");
}

TEST_F(RecordTest, Tombstones) {
  Record tombstone = registrar.sign(Kind::user, "sip:alice@p2psip.org", kNow, kNow + kMinute, {});
  auto read = checker.check(tombstone.encoded, "sip:alice@p2psip.org", kNow);
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->is_tombstone());
  EXPECT_EQ(refusal(alice.sign(Kind::user, "sip:bob@p2psip.org", kNow, kNow + kMinute, {})), "not_covered");
}

// A record of a later version: this many fields more, signed like all others.
base::Bytes with_more_fields(const Signer& signer, const Record& like, std::size_t more,
                             const std::function<void(base::MsgpackWriter&)>& field) {
  base::MsgpackWriter out;
  out.array(8 + more);
  out.uint(1);
  out.uint(static_cast<std::uint64_t>(like.kind));
  out.text(like.uri);
  out.uint(static_cast<std::uint64_t>(like.sequence));
  out.uint(static_cast<std::uint64_t>(like.expiry));
  out.bytes(like.body);
  out.bytes(signer.credential.encode());
  for (std::size_t i = 0; i < more; ++i) field(out);
  base::Bytes signed_text;
  for (char c : std::string_view("causeway record")) signed_text.push_back(static_cast<std::uint8_t>(c));
  signed_text.insert(signed_text.end(), out.data().begin(), out.data().end());
  out.bytes(signer.key.sign(signed_text));
  return out.take();
}

TEST_F(RecordTest, FieldsOfLaterVersionsAreKeptAndSigned) {
  Record like = user(registrar);
  auto field = [](base::MsgpackWriter& out) { out.array(2), out.text("new"), out.uint(7); };
  base::Bytes later = with_more_fields(registrar, like, 3, field);
  EXPECT_EQ(with_more_fields(registrar, like, 0, field).size(), like.encoded.size());
  auto read = checker.check(later, like.uri, kNow);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->encoded, later);
  later[later.size() - 67] ^= 1;  // the 7 of the last of them
  EXPECT_EQ(refusal(later), "bad_signature");
  EXPECT_EQ(refusal(with_more_fields(registrar, like, 17, field)), "malformed");
  auto deep = [](base::MsgpackWriter& out) {
    for (int i = 0; i < 6; ++i) out.array(1);
    out.nil();
  };
  EXPECT_EQ(refusal(with_more_fields(registrar, like, 1, deep)), "malformed");
}

TEST_F(RecordTest, OtherVersionsAndKinds) {
  Record good = user(registrar);
  base::Bytes bad = good.encoded;
  bad[1] = 2;
  EXPECT_EQ(refusal(bad), "malformed");
  EXPECT_EQ(refusal(registrar.sign(static_cast<Kind>(4), "sip:alice@p2psip.org", kNow, kNow + kMinute, {})),
            "malformed");
  EXPECT_EQ(refusal(registrar.sign(static_cast<Kind>(0), "sip:alice@p2psip.org", kNow, kNow + kMinute, {})),
            "malformed");
}

TEST_F(RecordTest, CredentialsAreVerifiedOnceAndBounded) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(refusal(user(registrar)), "");
  EXPECT_EQ(metrics.value("overlay_credentials_verified_total"), 1u);
  EXPECT_EQ(checker.known_credentials(), 1u);
  Signer stranger = member_of(PrivateKey::generate(random), "p2psip.org", {"sip:*@"}, kNow, kNow + kMinute);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal(user(stranger)), "bad_credential");
  EXPECT_EQ(metrics.value("overlay_credentials_verified_total"), 4u) << "what was refused is not remembered";
  EXPECT_EQ(checker.known_credentials(), 1u);
}

TEST_F(RecordTest, ManySignersDoNotFillTheMemory) {
  // One key with many credentials: as many entries, without the time that as many keys take.
  Signer signer = nobody;
  for (std::size_t i = 0; i <= limits::kMaxKnownCredentials; ++i) {
    signer.credential.serial = i;
    signer.credential.sign(authority);
    ASSERT_TRUE(
        checker.check(signer.sign(Kind::peer, peer_uri(signer), kNow, kNow + kMinute, {}).encoded, "", kNow));
    ASSERT_LE(checker.known_credentials(), limits::kMaxKnownCredentials);
  }
  std::uint64_t before = metrics.value("overlay_credentials_verified_total");
  EXPECT_EQ(refusal(signer.sign(Kind::peer, peer_uri(signer), kNow, kNow + kMinute, {})), "");
  EXPECT_EQ(metrics.value("overlay_credentials_verified_total"), before) << "the last one is remembered";
}

TEST_F(RecordTest, AHostileMixOfAllOfIt) {
  std::vector<Record> good{user(registrar), user(alice), service(proxy), peer(nobody, peer_uri(nobody))};
  for (int i = 0; i < 3000; ++i) {
    base::Bytes bytes = good[random.below(good.size())].encoded;
    const base::Bytes& other = good[random.below(good.size())].encoded;
    std::size_t from = random.below(std::min(bytes.size(), other.size())), n = random.below(80);
    base::Bytes before = bytes;
    for (std::size_t k = from; k < std::min({from + n, bytes.size(), other.size()}); ++k) bytes[k] = other[k];
    if (random.below(2)) bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.u64());
    if (bytes != before) {
      ASSERT_NE(refusal(bytes), "");
    }
  }
}

}  // namespace
}  // namespace causeway::overlay
