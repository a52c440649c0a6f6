#include <gtest/gtest.h>

#include "base/limits.h"
#include "base/msgpack.h"
#include "overlay/record.h"

namespace causeway::overlay {
namespace {

constexpr base::UnixMs kNow = 1'800'000'000'000;

net::Address address(std::string_view text) { return net::Address::parse(text).value(); }
identity::PeerId peer(std::uint8_t fill) {
  std::array<std::uint8_t, 20> bytes;
  bytes.fill(fill);
  return identity::PeerId(bytes);
}
UserContact contact(std::uint64_t instance, std::uint8_t home, base::UnixMs registered,
                    std::uint16_t q = 1000) {
  UserContact out;
  out.instance = instance;
  out.home = peer(home);
  out.endpoints = {address("192.0.2.1:7401")};
  out.token = "token";
  out.q = q;
  out.registered = registered;
  out.expiry = kNow + 1000;
  return out;
}

// Readers trust what the one rule has passed, so no signatures are needed here.
struct Signers {
  base::Random random{4};
  std::vector<identity::PublicKey> keys;
  Signers() {
    for (int i = 0; i < 3; ++i) keys.push_back(identity::PrivateKey::generate(random).public_key());
  }
  Record record(int signer, base::UnixMs sequence, std::vector<UserContact> contacts) {
    Record out;
    out.kind = Kind::user;
    out.uri = "sip:alice@p2psip.org";
    out.sequence = sequence;
    out.expiry = kNow + 1000;
    out.credential.key = keys[signer];
    if (!contacts.empty()) out.body = encode(UserBody{std::move(contacts)});
    out.encoded = out.body;
    return out;
  }
};

TEST(RecordBody, UserRoundTrip) {
  UserBody in{{contact(UINT64_MAX, 1, kNow), contact(0, 2, 0, 0)}};
  in.contacts[1].endpoints = {address("[2001:db8::1]:1"), address("198.51.100.7:65535")};
  in.contacts[1].token = std::string(limits::kMaxToken, 'x');
  auto out = decode_user(encode(in));
  ASSERT_TRUE(out) << out.error().message;
  ASSERT_EQ(out->contacts.size(), 2u);
  for (int i = 0; i < 2; ++i) {
    const UserContact &a = in.contacts[i], &b = out->contacts[i];
    EXPECT_EQ(std::tie(a.instance, a.home, a.endpoints, a.token, a.q, a.registered, a.expiry),
              std::tie(b.instance, b.home, b.endpoints, b.token, b.q, b.registered, b.expiry));
  }
  EXPECT_TRUE(decode_user(encode(UserBody{}))->contacts.empty());
  EXPECT_FALSE(encode(UserBody{}).empty()) << "no contacts are not a tombstone";
}

TEST(RecordBody, ServiceAndPeerRoundTrip) {
  ServiceBody in{peer(3),
                 {address("192.0.2.1:1")},
                 {{net::Transport::tls, address("[2001:db8::1]:5061")}},
                 UINT32_MAX,
                 7};
  auto out = decode_service(encode(in));
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_EQ(std::tie(in.peer, in.links, in.endpoints, in.capacity, in.load),
            std::tie(out->peer, out->links, out->endpoints, out->capacity, out->load));
  PeerBody links{{address("192.0.2.1:1"), address("[2001:db8::1]:2")}};
  EXPECT_EQ(decode_peer(encode(links))->links, links.links);
}

TEST(RecordBody, TooManyAreLeftOut) {
  UserBody in;
  for (std::size_t i = 0; i < limits::kMaxContacts + 3; ++i) in.contacts.push_back(contact(i, 1, kNow));
  in.contacts[0].endpoints.assign(limits::kMaxEndpoints + 2, address("192.0.2.1:1"));
  auto out = decode_user(encode(in));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->contacts.size(), limits::kMaxContacts);
  EXPECT_EQ(out->contacts[0].endpoints.size(), limits::kMaxEndpoints);
  EXPECT_EQ(out->contacts[7].instance, 7u);
}

TEST(RecordBody, EightUsualContactsFit) {
  UserBody in;
  for (std::size_t i = 0; i < limits::kMaxContacts; ++i) {
    in.contacts.push_back(contact(~i, 1, kNow));
    in.contacts[i].token = std::string(48, 'x');
    in.contacts[i].endpoints.push_back(address("[2001:db8::1]:7401"));
  }
  EXPECT_LT(encode(in).size() + 250 + 100, limits::kMaxRecord) << "with credential, URI and signature";
}

TEST(RecordBody, ContactsThatAreRefused) {
  auto refused = [](auto change) {
    UserBody body{{contact(1, 1, kNow)}};
    change(body.contacts[0]);
    return !decode_user(encode(body));
  };
  EXPECT_FALSE(refused([](UserContact&) {}));
  EXPECT_TRUE(refused([](UserContact& c) { c.token = ""; }));
  EXPECT_TRUE(refused([](UserContact& c) { c.token = "a@b"; }));
  EXPECT_TRUE(refused([](UserContact& c) { c.token = "a>\r\nVia: x"; }));
  EXPECT_TRUE(refused([](UserContact& c) { c.token = std::string(limits::kMaxToken + 1, 'x'); }));
  EXPECT_TRUE(refused([](UserContact& c) { c.q = 1001; }));
  EXPECT_TRUE(refused([](UserContact& c) { c.endpoints[0].port = 0; }));
  EXPECT_TRUE(refused([](UserContact& c) { c.endpoints[0].ip = net::Ip(); }));
  EXPECT_TRUE(refused([](UserContact& c) { c.expiry = INT64_MAX; }));
}

TEST(RecordBody, ARelaySaysItsTokenKeyAndEightEndpoints) {
  ServiceBody in{peer(3), {address("192.0.2.1:7400")}, {}, 100, 7, identity::TokenKey{1, 2, 3}};
  for (std::uint16_t port = 1; port <= limits::kMaxServiceEndpoints; ++port)
    in.endpoints.push_back({net::Transport::udp, {*net::Ip::parse("2001:db8::1"), port}});
  EXPECT_EQ(*decode_service(encode(in)), in);
  EXPECT_LT(encode(in).size() + 250 + 100, 600u) << "with credential, URI and signature: one datagram";
  // A later version's fields stand behind the key; where the key should be nothing else is taken.
  base::Bytes body = encode(in);
  ASSERT_EQ(body[0], 0x96);
  body[0] = 0x97;
  body.push_back(0x2a);
  EXPECT_EQ(*decode_service(body), in);
  in.token_key.reset();
  body = encode(in);
  body[0] = 0x96;
  body.push_back(0x2a);
  EXPECT_FALSE(decode_service(body));
}

TEST(RecordBody, ThePeersThatLeadToOneThatCannotBeReached) {
  const std::vector<ViaPeer> vias{{peer(3), {address("192.0.2.3:7400")}},
                                  {peer(4), {address("192.0.2.4:7400"), address("[2001:db8::4]:7400")}}};
  UserBody user{{contact(1, 1, kNow), contact(2, 1, kNow)}, vias};
  for (UserContact& c : user.contacts) c.endpoints.clear();
  EXPECT_EQ(decode_user(encode(user))->vias, vias);
  EXPECT_EQ(decode_peer(encode(PeerBody{{}, vias}))->vias, vias);
  EXPECT_TRUE(decode_peer(encode(PeerBody{{}, {}}))->vias.empty());
  user.vias.assign(limits::kMaxVias + 1, vias[0]);  // what is beyond is left out
  EXPECT_EQ(decode_user(encode(user))->vias.size(), limits::kMaxVias);
  Signers s;
  user.vias = vias;
  Record record = s.record(0, 10, user.contacts);
  record.body = encode(user);
  for (const UserContact& c : contacts_of({record}, kNow)) EXPECT_EQ(c.vias, vias);
}

TEST(RecordBody, EveryCutAndNoTails) {
  base::Bytes bodies[] = {encode(UserBody{{contact(1, 1, kNow)}}),
                          encode(ServiceBody{peer(1), {address("192.0.2.1:1")}, {}, 1, 2}),
                          encode(PeerBody{{address("192.0.2.1:1")}, {}}),
                          encode(PeerBody{{}, {{peer(1), {address("192.0.2.1:1")}}}})};
  for (base::Bytes& body : bodies) {
    for (std::size_t n = 0; n < body.size(); ++n) {
      auto cut = std::span(body).first(n);
      ASSERT_FALSE(decode_user(cut) || decode_service(cut) || decode_peer(cut)) << n;
    }
    body.push_back(0);
    EXPECT_FALSE(decode_user(body) || decode_service(body) || decode_peer(body));
  }
}

TEST(RecordBody, FieldsOfLaterVersionsArePassedOver) {
  base::Bytes body = encode(PeerBody{{address("192.0.2.1:1")}});
  body[0] = 0x93;  // three fields, of which the second has been added since
  body.push_back(0x90);
  body.push_back(0x2a);
  ASSERT_TRUE(decode_peer(body));
  EXPECT_EQ(decode_peer(body)->links.size(), 1u);
  base::Bytes wide = body;
  wide.pop_back();
  wide[0] = static_cast<std::uint8_t>(0xdc);  // array of 16 bits
  wide.insert(wide.begin() + 1, {0, static_cast<std::uint8_t>(1 + limits::kMaxMoreFields)});
  wide.insert(wide.end(), limits::kMaxMoreFields - 1, 0x2a);
  EXPECT_TRUE(decode_peer(wide));
  ++wide[2];
  wide.push_back(0x2a);
  EXPECT_FALSE(decode_peer(wide));
  // An endpoint of a transport that is not known yet: left out, the others stay.
  ServiceBody service{peer(1),
                      {},
                      {{static_cast<net::Transport>(9), address("192.0.2.1:1")},
                       {net::Transport::udp, address("192.0.2.1:2")}},
                      1,
                      2};
  auto read = decode_service(encode(service));
  ASSERT_TRUE(read);
  ASSERT_EQ(read->endpoints.size(), 1u);
  EXPECT_EQ(read->endpoints[0].address.port, 2);
}

// ---- readers

TEST(NewestPerSigner, AReplayedRecordLosesToTheNewer) {
  Signers s;
  Record newer = s.record(0, 20, {contact(1, 1, kNow)}), older = s.record(0, 10, {contact(2, 1, kNow)});
  for (auto records : {std::vector{newer, older}, std::vector{older, newer}}) {
    auto out = newest_per_signer(records, kNow);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].sequence, 20);
  }
}

TEST(NewestPerSigner, ATombstoneEndsWhatItsSignerSaidBefore) {
  Signers s;
  Record before = s.record(0, 10, {contact(1, 1, kNow)}), gone = s.record(0, 20, {});
  Record other = s.record(1, 5, {contact(2, 1, kNow)});
  auto out = newest_per_signer({gone, before, other}, kNow);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].signer(), other.signer()) << "another signer's stays";
  Record again = s.record(0, 30, {contact(1, 1, kNow)});
  EXPECT_EQ(newest_per_signer({gone, before, again}, kNow).size(), 1u);
  Record same_time = s.record(0, 20, {contact(1, 1, kNow)});
  EXPECT_TRUE(newest_per_signer({same_time, gone}, kNow).empty());
  EXPECT_TRUE(newest_per_signer({gone, same_time}, kNow).empty());
}

TEST(NewestPerSigner, ExpiredOnesAreAbsentAndDoNotBringBackOlderOnes) {
  Signers s;
  Record older = s.record(0, 10, {contact(1, 1, kNow)}), newer = s.record(0, 20, {contact(1, 1, kNow)});
  newer.expiry = kNow;
  EXPECT_TRUE(newest_per_signer({older, newer}, kNow).empty());
  EXPECT_EQ(newest_per_signer({older}, kNow).size(), 1u);
  EXPECT_TRUE(newest_per_signer({older}, kNow + 1000).empty());
  EXPECT_TRUE(newest_per_signer({}, kNow).empty());
}

TEST(NewestPerSigner, OfTwoWithTheSameSequenceTheSameOneEverywhere) {
  Signers s;
  Record a = s.record(0, 10, {contact(1, 1, kNow)}), b = s.record(0, 10, {contact(2, 1, kNow)});
  EXPECT_EQ(newest_per_signer({a, b}, kNow)[0].encoded, newest_per_signer({b, a}, kNow)[0].encoded);
}

TEST(ContactsOf, ThePhoneThatMovedIsAtItsNewHome) {
  Signers s;
  Record first = s.record(0, 10, {contact(1, 1, kNow - 500), contact(2, 1, kNow - 500)});
  Record second = s.record(1, 5, {contact(1, 2, kNow - 100)});
  for (auto records : {std::vector{first, second}, std::vector{second, first}}) {
    auto out = contacts_of(records, kNow);
    ASSERT_EQ(out.size(), 2u);
    EXPECT_EQ(out[0].instance, 1u) << "of the same q the newest first";
    EXPECT_EQ(out[0].home, peer(2));
    EXPECT_EQ(out[1].instance, 2u);
  }
}

TEST(ContactsOf, ByQAndWithoutTheExpired) {
  Signers s;
  auto gone = contact(3, 1, kNow);
  gone.expiry = kNow;
  auto out = contacts_of({s.record(0, 1, {contact(1, 1, kNow, 200), gone}),
                          s.record(1, 1, {contact(2, 1, kNow, 800)}), s.record(2, 1, {})},
                         kNow);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].q, 800);
  EXPECT_EQ(out[1].q, 200);
}

TEST(ContactsOf, OnlyUserRecordsCount) {
  Signers s;
  Record record = s.record(0, 1, {contact(1, 1, kNow)});
  record.kind = Kind::service;
  EXPECT_TRUE(contacts_of({record}, kNow).empty());
  record.kind = Kind::user;
  record.body = {0xc1};
  EXPECT_TRUE(contacts_of({record}, kNow).empty());
}

}  // namespace
}  // namespace causeway::overlay
