#include "identity/bundle.h"

#include <filesystem>
#include <fstream>
#include <functional>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "identity/authority.h"
#include "identity/certificate.h"
#include "identity/toml_reading.h"

namespace causeway::identity {
namespace {

struct BundleTest : testing::Test {
  base::Random random{9};
  Authority authority = Authority::create("p2psip.org", random).value();
  std::string good = issue(authority).text();

  Bundle issue(Authority& by) {
    EXPECT_TRUE(by.add_user("alice", "secret"));
    Authority::Request request;
    request.roles = {Role::registrar, Role::proxy};
    request.bootstrap = {"192.0.2.1:7400", "[2001:db8::1]:7400", "first.example.org:7400"};
    request.now = 1'800'000'000'000;
    return by.issue(request, random).value();
  }
  static std::string error(std::string_view text) {
    auto result = Bundle::read_text(text, "b.bundle");
    return result ? "accepted" : result.error().message;
  }
  // The good text with the value of this key replaced (a whole line, or a block of lines).
  std::string with(std::string_view key, std::string_view value) {
    std::string text = good;
    std::size_t from = text.find("\n" + std::string(key) + " = ") + 1;
    std::size_t to = text.find('\n', from);
    if (text.substr(to - 3, 3) == "'''") to = text.find('\n', text.find("'''", to));
    return text.replace(from, to - from, value.empty() ? "" : fmt::format("{} = {}", key, value));
  }
  bool says(std::string_view text, std::string_view what) {
    std::string message = error(text);
    bool found = message.find(what) != std::string::npos;
    if (!found) ADD_FAILURE() << "expected '" << what << "' in: " << message;
    return found;
  }
};

TEST_F(BundleTest, RoundTrip) {
  auto bundle = Bundle::read_text(good, "b.bundle");
  ASSERT_TRUE(bundle) << bundle.error().message;
  EXPECT_EQ(bundle->text(), good);
  EXPECT_EQ(bundle->domain, "p2psip.org");
  EXPECT_EQ(bundle->bootstrap.size(), 3u);
  EXPECT_EQ(bundle->bootstrap[1], "[2001:db8::1]:7400");
  EXPECT_EQ(bundle->accounts.size(), 1u);
  EXPECT_EQ(bundle->authority, authority.key());
  EXPECT_EQ(bundle->key.public_key().peer_id(), bundle->peer_id());
  EXPECT_EQ(bundle->credential.covers, (std::vector<std::string>{"sip:*@", "sip:"}));
}

TEST_F(BundleTest, EveryKeyButTwoMustBeThere) {
  for (std::string_view key : {"version", "domain", "credential", "key", "certificate", "authority",
                               "authority_certificate", "network_key"})
    says(with(key, ""), fmt::format("{}: expected", key));
  EXPECT_EQ(error(with("bootstrap", "")), "accepted");
  EXPECT_EQ(error(good.substr(0, good.find("[accounts]"))), "accepted");
  says("", "b.bundle:1: version: expected a number, but the key is missing");
  EXPECT_EQ(error("# caf\xc3\xa9\n" + good), "accepted");
  says(good + "\xcb\xa5", "expected TOML");
}

TEST_F(BundleTest, ErrorsNameLineKeyAndWhatCame) {
  says(with("version", "2"), "b.bundle:2: version: expected 1, found 2");
  says(with("version", "\"1\""), "b.bundle:2: version: expected a number, found text");
  says(with("domain", "7"), "b.bundle:3: domain: expected text, found a number");
  says(with("domain", "\"p2psip\""), "b.bundle:3: domain: expected a fully qualified domain name");
  says(with("domain", "\"p2psip.com\""),
       "b.bundle:4: credential: expected one for p2psip.com, found one for p2psip.org");
  says(with("credential", "\"not base64!\""), "b.bundle:4: credential: expected base64, found 11 characters");
  says(with("credential", "\"AAAA\""), "b.bundle:4: credential: expected a credential");
  says(with("network_key", "\"AAAA\""), "network_key: expected 32 bytes in base64, found 3");
  says(with("authority", "\"" + std::string(44, 'A') + "\""), "authority: expected");
  says(with("key", "\"hello\""), "b.bundle:5: key: expected an unencrypted private key in PEM");
  says(with("certificate", "\"hello\""), "certificate: expected a certificate in PEM");
  says(with("bootstrap", "\"192.0.2.1:7400\""), "bootstrap: expected a list of texts, found text");
  says(with("bootstrap", "[1]"), "bootstrap: expected a list of texts, found one with a number");
  says(with("bootstrap", "[\"nowhere\"]"), "bootstrap: expected host:port such as 192.0.2.1:7400");
  std::string many;
  for (std::size_t i = 0; i <= limits::kMaxBootstrap; ++i) many += "\"192.0.2.1:7400\", ";
  says(with("bootstrap", "[" + many + "]"), "bootstrap: expected at most 64 addresses, found 65");
  says("colour = 1\n" + good, "b.bundle:1: colour: expected one of version, domain");
  says(good + "bob = 5\n", "accounts: bob: expected {");
  says("version = = 1\n", "b.bundle:1: expected TOML");
  for (const std::string& text : {std::string(300, '['), std::string("[=]"), "x = " + std::string(5000, '[')})
    says(text, "b.bundle:1: expected TOML");
}

// Of a certificate only so much is looked at.
TEST_F(BundleTest, ACertificateFarDownATextIsNotLookedFor) {
  const Bundle bundle = issue(authority);
  EXPECT_TRUE(check_authority_certificate(std::string(1000, '\n') + bundle.authority_certificate_pem,
                                          authority.key()));
  EXPECT_FALSE(check_authority_certificate(
      std::string(limits::kMaxPem, '\n') + bundle.authority_certificate_pem, authority.key()));
}

TEST_F(BundleTest, PartsOfAnotherBundleAreSeen) {
  Authority other = Authority::create("p2psip.org", random).value();
  Bundle brother = issue(authority), stranger = issue(other);
  auto block = [](const std::string& pem) { return "'''\n" + pem + "'''"; };
  says(with("key", block(brother.key_pem)), "key: expected the private key of the credential, found another");
  says(with("certificate", block(brother.certificate_pem)),
       "certificate: expected a certificate of the same key");
  says(with("credential", "\"" + base::base64(stranger.credential.encode()) + "\""),
       "credential: expected one signed by the authority in this file");
  says(with("authority_certificate", block(stranger.authority_certificate_pem)),
       "authority_certificate: expected the certificate of the authority of this domain");
  says(with("authority", "\"" + base::base64(stranger.authority.bytes()) + "\""),
       "authority_certificate: expected");
}

TEST_F(BundleTest, SecretsAreNotRepeatedInErrors) {
  std::string half = base::base64(issue(authority).network_key).substr(0, 20);
  EXPECT_EQ(error(with("network_key", "\"" + half + "\"")).find(half), std::string::npos);
}

TEST_F(BundleTest, FilesAreForTheirOwner) {
  char name[] = "/tmp/causeway_bundle_XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  std::string folder = name, path = folder + "/a.bundle";
  ASSERT_TRUE(write_private_file(path, "old"));
  ASSERT_TRUE(write_private_file(path, good));
  struct stat about {};
  ASSERT_EQ(::stat(path.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  EXPECT_TRUE(Bundle::read_file(path));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1) << "no temporary file stays";

  ::chmod(path.c_str(), 0644);
  testing::internal::CaptureStderr();
  EXPECT_TRUE(Bundle::read_file(path));
  EXPECT_NE(testing::internal::GetCapturedStderr().find("chmod 600 " + path), std::string::npos);

  EXPECT_NE(Bundle::read_file(folder + "/none").error().message.find("No such file"), std::string::npos);
  EXPECT_NE(Bundle::read_file(folder).error().message.find("expected a file"), std::string::npos);
  std::filesystem::resize_file(path, limits::kMaxFile + 1);  // of holes
  EXPECT_NE(Bundle::read_file(path).error().message.find("expected at most 67108864 bytes"),
            std::string::npos);
  EXPECT_FALSE(write_private_file(folder + "/no/such/folder", "x"));
  std::filesystem::remove_all(folder);
}

TEST(PeerHost, ThereAndBack) {
  PeerId peer = PrivateKey::generate().public_key().peer_id();
  std::string host = peer_host(peer, "p2psip.org"), upper = host;
  EXPECT_EQ(host, peer.text() + ".peers.p2psip.org");
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(peer_of_host(host, "p2psip.org"), peer);
  EXPECT_EQ(peer_of_host(upper, "p2psip.org"), peer);
  EXPECT_EQ(peer_of_host(host + ".", "p2psip.org"), peer);
  for (const std::string& bad :
       {host + "x", "x" + host, "a." + host, host + "..", peer.text() + ".p2psip.org",
        peer.text() + ".peers.p2psip.com", peer.text(), std::string(), std::string(300, 'a')})
    EXPECT_FALSE(peer_of_host(bad, "p2psip.org")) << bad;
  EXPECT_FALSE(peer_of_host(host, "org"));
}

// ---- accounts

TEST(Accounts, RoundTrip) {
  Accounts accounts;
  accounts.set("alice", {std::string(32, 'a'), std::string(64, 'b')});
  accounts.set("bob", {"", std::string(64, 'c'), AccountMedia::anchor});
  accounts.set("o'brien+x;y=z", {std::string(32, '0'), ""});
  auto again = Accounts::read_text(accounts.text(), "a.toml");
  ASSERT_TRUE(again) << again.error().message << accounts.text();
  EXPECT_EQ(again->text(), accounts.text());
  ASSERT_NE(again->find("o'brien+x;y=z"), nullptr);
  EXPECT_EQ(again->find("bob")->ha1_md5, "");
  EXPECT_EQ(again->find("bob")->media, AccountMedia::anchor);
  EXPECT_EQ(again->find("alice")->media, AccountMedia::direct);
  EXPECT_EQ(again->anchored(), 1u);
  again->set("bob", {"", std::string(64, 'c')});
  EXPECT_EQ(again->anchored(), 0u);
  EXPECT_EQ(again->find("Alice"), nullptr);
  EXPECT_TRUE(Accounts::read_text("", "a.toml")->empty());
  EXPECT_TRUE(Accounts::read_text(Accounts().text(), "a.toml")->empty());
}

TEST(Accounts, UpperCaseDigitsAreMadeLower) {
  auto accounts =
      Accounts::read_text("[accounts]\nalice = { md5 = \"" + std::string(32, 'A') + "\" }", "a.toml");
  EXPECT_EQ(accounts->find("alice")->ha1_md5, std::string(32, 'a'));
}

TEST(Accounts, ErrorsNameTheLine) {
  std::string md5 = "\"" + std::string(32, 'a') + "\"";
  auto error = [](const std::string& text) {
    auto result = Accounts::read_text("[accounts]\n" + text, "a.toml");
    return result ? "accepted" : result.error().message;
  };
  auto says = [&](const std::string& text, std::string_view what) {
    EXPECT_NE(error(text).find(what), std::string::npos) << error(text);
  };
  says("alice = { md5 = \"abc\" }", "a.toml:2: md5: expected 32 hex digits, found 3 characters");
  says("ok = { md5 = " + md5 + " }\nalice = { sha256 = " + md5 + " }",
       "a.toml:3: sha256: expected 64 hex digits, found 32 characters");
  says("alice = { md5 = \"" + std::string(32, 'g') + "\" }", "not all hex digits");
  says("alice = { md5 = " + md5 + ", password = \"x\" }",
       "a.toml:2: password: expected one of md5, sha256, media");
  says("alice = { md5 = " + md5 + ", media = \"relay\" }",
       "a.toml:2: media: expected \"direct\" or \"anchor\", found \"relay\"");
  says("alice = { md5 = " + md5 + ", media = 1 }", "a.toml:2: media: expected text, found a number");
  says("alice = {}", "alice: expected md5, sha256 or both, found neither");
  says("alice = \"secret\"", "a.toml:2: accounts: alice: expected { md5");
  says("\"_x\" = { md5 = " + md5 + " }", "expected the user part of a SIP address, found \"_x\"");
  says("\"*\" = { md5 = " + md5 + " }", "expected the user part");
  says("\"a b\" = { md5 = " + md5 + " }", "expected the user part");
  says("alice = { md5 = 5 }", "md5: expected text, found a number");
  says("alice = { md5 = " + md5 + " }\nalice = { md5 = " + md5 + " }", "a.toml:3: expected TOML");
  EXPECT_NE(
      Accounts::read_text("x = 1", "a.toml").error().message.find("a.toml:1: x: expected one of accounts"),
      std::string::npos);
  EXPECT_NE(
      Accounts::read_text("accounts = 1", "a.toml").error().message.find("expected a table, found a number"),
      std::string::npos);
}

TEST(Toml, QuotingSurvives) {
  std::string nasty = "a\"b\\c\n\t\x01\x7f '";
  auto table = TomlTable::read("x = " + toml_quoted(nasty) + "\n" + toml_key(nasty) + " = 1\n", "t");
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ(table->text("x").value(), nasty);
  EXPECT_EQ(table->number(nasty).value(), 1);
  EXPECT_TRUE(table->no_others());
}

}  // namespace
}  // namespace causeway::identity
