#include "identity/authority.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity/certificate.h"
#include "identity/openssl.h"

namespace causeway::identity {
namespace {

constexpr base::UnixMs kNow = 1'800'000'000'000;

struct AuthorityTest : testing::Test {
  base::Random random{5};
  Authority authority = Authority::create("p2psip.org", random).value();
  std::string folder;

  void SetUp() override {
    char name[] = "/tmp/causeway_authority_XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  Authority::Request request(std::vector<Role> roles, std::vector<std::string> users = {}) {
    Authority::Request out;
    out.roles = std::move(roles);
    out.users = std::move(users);
    out.bootstrap = {"192.0.2.1:7400"};
    out.now = kNow;
    return out;
  }
  static std::string read(const std::string& path) {
    std::stringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }
  static mode_t mode(const std::string& path) {
    struct stat about {};
    return ::stat(path.c_str(), &about) == 0 ? about.st_mode & 0777 : 0;
  }
};

openssl::Certificate parse(const std::string& pem) {
  openssl::Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return openssl::Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

// As TLS does: X509_V_OK, or why not.
int verify(X509* leaf, X509* ca, int purpose, std::int64_t at) {
  openssl::Owned<X509_STORE, X509_STORE_free> store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), ca);
  openssl::Owned<X509_STORE_CTX, X509_STORE_CTX_free> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), leaf, nullptr);
  X509_STORE_CTX_set_purpose(context.get(), purpose);
  X509_STORE_CTX_set_time(context.get(), 0, at);
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_X509_STRICT);
  X509_verify_cert(context.get());
  return X509_STORE_CTX_get_error(context.get());
}

TEST_F(AuthorityTest, AUsersOwnCertificateNamesHimAndAPeersNobody) {
  const auto names = [](const Bundle& bundle) {
    const auto x = parse(bundle.certificate_pem);
    std::vector<std::string> found;
    openssl::AltNames all(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x.get(), NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
      const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
      if (name->type == GEN_URI)
        found.emplace_back(
            reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.uniformResourceIdentifier)));
    }
    return found;
  };
  const std::vector<std::string> hers{"sip:alice@p2psip.org", "sip:al,ice@p2psip.org"};
  EXPECT_EQ(names(authority.issue(request({}, {"alice", "al,ice"})).value()), hers);
  EXPECT_TRUE(names(authority.issue(request({Role::registrar}, {"alice"})).value()).empty());
  EXPECT_TRUE(names(authority.issue(request({Role::proxy})).value()).empty());
  EXPECT_TRUE(names(authority.issue(request({})).value()).empty());
}

TEST_F(AuthorityTest, NeedsAFullyQualifiedName) {
  EXPECT_EQ(Authority::create("P2PSIP.Org").value().domain(), "p2psip.org");
  for (std::string_view bad : {"", "localhost", "192.0.2.1", "a_b.org"})
    EXPECT_FALSE(Authority::create(bad)) << bad;
}

TEST_F(AuthorityTest, IssuesWhatTheRolesSay) {
  Bundle bundle = authority.issue(request({Role::proxy, Role::relay, Role::proxy}, {"alice"})).value();
  EXPECT_EQ(bundle.credential.covers, (std::vector<std::string>{"sip:", "turn:", "teredo:", "sip:alice@"}));
  EXPECT_TRUE(check_credential(bundle.credential, "p2psip.org", authority.key(), kNow));
  EXPECT_EQ(bundle.credential.not_after - bundle.credential.not_before, 365u * 86400);
  EXPECT_EQ(bundle.key.public_key(), bundle.credential.key);
  EXPECT_EQ(bundle.authority, authority.key());
  EXPECT_LT(bundle.credential.encode().size(), 220u);
  Bundle next = authority.issue(request({})).value();
  EXPECT_EQ(next.credential.serial, bundle.credential.serial + 1);
  EXPECT_NE(next.peer_id(), bundle.peer_id());
  EXPECT_EQ(next.network_key, bundle.network_key);
  EXPECT_TRUE(next.credential.covers.empty());
}

TEST_F(AuthorityTest, RefusesRequestsThatMakeNoSense) {
  for (const std::string& user :
       std::initializer_list<std::string>{"*", "_x", "", "a@b", "a b", "%61", std::string(200, 'a')})
    EXPECT_FALSE(authority.issue(request({}, {user}))) << user << ": '*' would make a registrar";
  auto bad = request({});
  bad.valid_days = 0;
  EXPECT_FALSE(authority.issue(bad));
  bad = request({});
  bad.now = -1;
  EXPECT_FALSE(authority.issue(bad));
  for (std::string address :
       {"", "192.0.2.1", "192.0.2.1:0", "192.0.2.1:65536", "2001:db8::1:7400", ":7400", "a b:1", "a:\"7"}) {
    bad = request({});
    bad.bootstrap = {address};
    EXPECT_FALSE(authority.issue(bad)) << address;
  }
  std::vector<std::string> many;
  for (int i = 0; i < 31; ++i) many.push_back(std::string(60, 'a') + std::to_string(i));
  EXPECT_NE(authority.issue(request({}, many)).error().message.find("at most 1024 bytes"), std::string::npos);
  std::uint64_t serial = authority.issue(request({})).value().credential.serial;
  EXPECT_EQ(serial, 2u) << "nothing that was refused may use up a serial";
}

TEST_F(AuthorityTest, CertificatesVerifyAgainstTheAuthority) {
  Bundle bundle = authority.issue(request({Role::proxy})).value();
  auto leaf = parse(bundle.certificate_pem), ca = parse(bundle.authority_certificate_pem);
  ASSERT_TRUE(leaf && ca);
  const std::int64_t now = kNow / 1000;
  for (int purpose : {X509_PURPOSE_SSL_SERVER, X509_PURPOSE_SSL_CLIENT})
    EXPECT_EQ(verify(leaf.get(), ca.get(), purpose, now), X509_V_OK);
  EXPECT_EQ(verify(leaf.get(), ca.get(), X509_PURPOSE_SSL_SERVER, now - 299), X509_V_OK) << "clocks differ";
  EXPECT_EQ(verify(leaf.get(), ca.get(), X509_PURPOSE_SSL_SERVER, now - 301), X509_V_ERR_CERT_NOT_YET_VALID);
  EXPECT_EQ(verify(leaf.get(), ca.get(), X509_PURPOSE_SSL_SERVER, now + 366 * 86400),
            X509_V_ERR_CERT_HAS_EXPIRED);
  std::string host = peer_host(bundle.peer_id(), "p2psip.org");
  EXPECT_EQ(X509_check_host(leaf.get(), host.data(), host.size(), 0, nullptr), 1);
  EXPECT_NE(X509_check_host(leaf.get(), "p2psip.org", 10, 0, nullptr), 1);
  EXPECT_EQ(EVP_PKEY_eq(X509_get0_pubkey(leaf.get()), bundle.key.native()), 1);
  // A member is no authority.
  EXPECT_NE(verify(ca.get(), leaf.get(), X509_PURPOSE_SSL_SERVER, now), X509_V_OK);
  EXPECT_EQ(X509_check_ca(leaf.get()), 0);
}

TEST_F(AuthorityTest, CertificatesOfAnotherAuthorityDoNot) {
  Authority other = Authority::create("p2psip.org", random).value();  // the same name
  Bundle ours = authority.issue(request({})).value(), theirs = other.issue(request({})).value();
  EXPECT_NE(verify(parse(theirs.certificate_pem).get(), parse(ours.authority_certificate_pem).get(),
                   X509_PURPOSE_SSL_SERVER, kNow / 1000),
            X509_V_OK);
  EXPECT_FALSE(check_member_certificate(theirs.certificate_pem, theirs.credential, ours.authority));
  EXPECT_FALSE(check_authority_certificate(theirs.authority_certificate_pem, ours.authority));
  EXPECT_FALSE(check_authority_certificate(ours.certificate_pem, ours.authority));
}

TEST_F(AuthorityTest, LongDomains) {
  std::string domain =
      std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + ".example.org";
  Authority far = Authority::create(domain).value();
  auto bundle = far.issue(request({Role::registrar}));
  ASSERT_TRUE(bundle) << bundle.error().message;
  EXPECT_EQ(verify(parse(bundle->certificate_pem).get(), parse(bundle->authority_certificate_pem).get(),
                   X509_PURPOSE_SSL_SERVER, kNow / 1000),
            X509_V_OK);
  EXPECT_TRUE(Bundle::read_text(bundle->text(), "long"));
}

TEST_F(AuthorityTest, ACenturyOfValidity) {
  auto long_request = request({});
  long_request.valid_days = 36500;  // ends after 2049, where the form of time in X.509 changes
  Bundle bundle = authority.issue(long_request).value();
  EXPECT_EQ(verify(parse(bundle.certificate_pem).get(), parse(bundle.authority_certificate_pem).get(),
                   X509_PURPOSE_SSL_CLIENT, kNow / 1000 + 36499LL * 86400),
            X509_V_OK);
}

TEST_F(AuthorityTest, SavedAndLoaded) {
  std::string path = folder + "/deep/er";
  ASSERT_TRUE(authority.add_user("alice", "secret"));
  Bundle first = authority.issue(request({Role::registrar})).value();
  ASSERT_TRUE(authority.save(path));
  EXPECT_EQ(mode(path + "/authority.toml"), 0600u);
  EXPECT_EQ(mode(path + "/accounts.toml"), 0600u);
  EXPECT_EQ(mode(path), 0700u);
  Authority again = Authority::load(path).value();
  EXPECT_EQ(again.domain(), "p2psip.org");
  EXPECT_EQ(again.key(), authority.key());
  EXPECT_EQ(again.accounts().size(), 1u);
  Bundle second = again.issue(request({})).value();
  EXPECT_EQ(second.credential.serial, first.credential.serial + 1);
  EXPECT_EQ(second.network_key, first.network_key);
  EXPECT_TRUE(again.save(path)) << "its own folder it may write again";
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path), {}), 2) << "no temporary files stay";
}

TEST_F(AuthorityTest, NeverWritesOverAnother) {
  ASSERT_TRUE(authority.save(folder));
  Authority other = Authority::create("p2psip.org").value();
  std::string before = read(folder + "/authority.toml");
  EXPECT_NE(other.save(folder).error().message.find("already"), std::string::npos);
  EXPECT_EQ(read(folder + "/authority.toml"), before);
  std::ofstream(folder + "/authority.toml") << "version = 9\n";
  EXPECT_FALSE(authority.save(folder)) << "perhaps a later version's: not ours to destroy";
}

TEST_F(AuthorityTest, LoadSaysWhatIsWrong) {
  auto error = [&] {
    auto result = Authority::load(folder);
    return result ? "accepted" : result.error().message;
  };
  EXPECT_NE(error().find("authority init"), std::string::npos) << error();
  ASSERT_TRUE(authority.save(folder));
  std::string good = read(folder + "/authority.toml");
  auto with = [&](std::string_view what, std::string_view by) {
    std::string text = good;
    text.replace(text.find(what), what.size(), by);
    std::ofstream(folder + "/authority.toml") << text;
    return error();
  };
  EXPECT_NE(with("version = 1", "version = 2").find("authority.toml:3: version: expected 1, found 2"),
            std::string::npos);
  EXPECT_NE(with("next_serial = 2", "next_serial = 0").find("next_serial"), std::string::npos);
  EXPECT_NE(with("next_serial", "next_cereal").find("next_serial: expected a number, but the key is missing"),
            std::string::npos);
  EXPECT_NE(with("network_key", "x = 1\nnetwork_key").find("x: expected one of version"), std::string::npos);
  EXPECT_NE(with("BEGIN PRIVATE KEY", "BEGIN PIRATE KEY").find("key: expected"), std::string::npos);
  EXPECT_NE(with("p2psip.org\"", "p2psip\"").find("domain: expected"), std::string::npos);
  with("version", "version");
  std::ofstream(folder + "/accounts.toml") << "[accounts]\nalice = { md5 = \"12\" }\n";
  EXPECT_NE(error().find("accounts.toml:2: md5: expected 32 hex digits, found 2"), std::string::npos)
      << error();
}

TEST_F(AuthorityTest, UsersAndTheirSecrets) {
  ASSERT_TRUE(authority.add_user("alice", "secret"));
  const Account* alice = authority.accounts().find("alice");
  ASSERT_NE(alice, nullptr);
  // printf alice:p2psip.org:secret | md5sum, sha256sum
  EXPECT_EQ(alice->ha1_md5, "0ceaa8c2e594492bbc9b7d6644b42e80");
  EXPECT_EQ(alice->ha1_sha256, "2c78616df1e4a95f49be65ee388ad21a39a6f701a2256cbd2635e7c9b6f6f6b4");
  ASSERT_TRUE(authority.add_user("alice", "other"));
  EXPECT_EQ(authority.accounts().size(), 1u);
  EXPECT_EQ(authority.accounts().find("alice")->media, AccountMedia::direct);
  ASSERT_TRUE(authority.add_user("alice", "other", AccountMedia::anchor));
  ASSERT_TRUE(authority.add_user("alice", "another"));
  EXPECT_EQ(authority.accounts().find("alice")->media, AccountMedia::anchor) << "a new password changes it";
  EXPECT_NE(authority.accounts().find("alice")->ha1_md5, "0ceaa8c2e594492bbc9b7d6644b42e80");
  EXPECT_FALSE(authority.add_user("alice", ""));
  EXPECT_TRUE(authority.add_user("alice", std::string(limits::kMaxPassword, 'x')));
  EXPECT_FALSE(authority.add_user("alice", std::string(limits::kMaxPassword + 1, 'x')));
  EXPECT_FALSE(authority.add_user("*", "x"));
  EXPECT_FALSE(authority.add_user("_alice", "x"));
  EXPECT_FALSE(authority.add_user("alice@p2psip.org", "x"));
  EXPECT_EQ(authority.issue(request({Role::registrar})).value().accounts.size(), 1u);
  EXPECT_TRUE(authority.issue(request({Role::proxy})).value().accounts.empty()) << "only registrars get them";
  EXPECT_TRUE(authority.remove_user("alice"));
  EXPECT_FALSE(authority.remove_user("alice"));
}

TEST_F(AuthorityTest, ASeededOneIsTheSameAtEveryRun) {
  base::Random again(5);
  Authority twin = Authority::create("p2psip.org", again).value();
  EXPECT_EQ(twin.key(), authority.key());
  EXPECT_EQ(twin.issue(request({}), again)->peer_id(), authority.issue(request({}), random)->peer_id());
}

}  // namespace
}  // namespace causeway::identity
