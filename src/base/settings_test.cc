#include "base/settings.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include <gtest/gtest.h>

namespace causeway::base {
namespace {

class Settings : public ::testing::Test {
 protected:
  std::string domain = "example.org";
  std::int64_t port = 5060;
  bool open = false;
  Duration expiry = 1h;
  std::string role = "registrar";
  std::vector<std::string> udp{"0.0.0.0:5060"};
  SettingsTable table{{
      text_setting("domain", "the domain that the peer belongs to", domain, "domain name"),
      number_setting("sip.port", "port for everything", port, 1, 65535),
      list_setting("sip.udp", "where SIP over UDP is received", udp, "address:port", &Settings::check),
      flag_setting("registrar.open", "whether anyone may register", open),
      duration_setting("registrar.expiry", "how long a binding lives", expiry, 1min, 24h),
      choice_setting("registrar.role", "what it is | does", role, {"registrar", "proxy"}),
  }};

  static Status check(std::string_view text) {
    if (text.contains(':')) return {};
    return fail("expected an address and a port, found '{}'", text);
  }
  std::string error(std::string_view toml) {
    const Status status = table.read_text(toml, "peer.toml");
    return status ? "" : status.error().message;
  }
};

TEST_F(Settings, EveryKindIsRead) {
  EXPECT_EQ(error(R"(domain = "p2psip.org"
[sip]
port = 5080
udp = ["127.0.0.1:5060", "[::1]:5060"]
[registrar]
open = true
expiry = "10m"
role = "proxy")"),
            "");
  EXPECT_EQ(domain, "p2psip.org");
  EXPECT_EQ(port, 5080);
  EXPECT_EQ(udp, (std::vector<std::string>{"127.0.0.1:5060", "[::1]:5060"}));
  EXPECT_TRUE(open);
  EXPECT_EQ(expiry, 10min);
  EXPECT_EQ(role, "proxy");
}

TEST_F(Settings, WhatIsNotSetKeepsItsDefault) {
  EXPECT_EQ(error("sip.port = 7"), "");
  EXPECT_EQ(error(""), "");
  EXPECT_EQ(domain, "example.org");
  EXPECT_EQ(udp, std::vector<std::string>{"0.0.0.0:5060"});
  EXPECT_EQ(error("sip.udp = []"), "");
  EXPECT_TRUE(udp.empty());
}

TEST_F(Settings, ErrorsNamePlaceKeyExpectationAndValue) {
  EXPECT_EQ(error("[sip]\nport = 70000"),
            "peer.toml:2:8: sip.port: expected a number from 1 to 65535, found '70000'");
  EXPECT_EQ(error("[sip]\nport = \"x\""),
            "peer.toml:2:8: sip.port: expected a number from 1 to 65535, found 'x'");
  EXPECT_EQ(error("[sip]\nport = 5.5"),
            "peer.toml:2:8: sip.port: expected a number from 1 to 65535, found '5.5'");
  EXPECT_EQ(error("[sip]\nport = [5060]"),
            "peer.toml:2:8: sip.port: expected number from 1 to 65535, found a list");
  EXPECT_EQ(error("[sip]\nudp = \"1.2.3.4:5\""),
            "peer.toml:2:7: sip.udp: expected a list of address:port, found '1.2.3.4:5'");
  EXPECT_EQ(error("[sip]\nudp = [\"1.2.3.4:5\",\n  \"1.2.3.4\"]"),
            "peer.toml:3:3: sip.udp: expected an address and a port, found '1.2.3.4'");
  EXPECT_EQ(error("[sip]\nudp = [[\"1.2.3.4:5\"]]"),
            "peer.toml:2:8: sip.udp: expected address:port, found a list");
  EXPECT_EQ(error("[registrar]\nopen = \"yes\""),
            "peer.toml:2:8: registrar.open: expected true or false, found 'yes'");
  EXPECT_EQ(error("[registrar]\nexpiry = \"5s\""),
            "peer.toml:2:10: registrar.expiry: expected a duration from 1m to 1d, found '5s'");
  EXPECT_EQ(
      error("[registrar]\nexpiry = 600"),
      "peer.toml:2:10: registrar.expiry: expected a duration such as 250ms, 30s, 10m, 1h or 7d, found '600'");
  EXPECT_EQ(error("registrar.role = \"relay\""),
            "peer.toml:1:18: registrar.role: expected one of registrar|proxy, found 'relay'");
  EXPECT_EQ(error("domain = 2026-01-01"),
            "peer.toml:1:10: domain: expected domain name, found a date or time");
  EXPECT_EQ(error("sip = 5"), "peer.toml:1:1: sip: expected a section, [sip], found '5'");
}

TEST_F(Settings, UnknownKeysNameTheNearestKnownOne) {
  EXPECT_EQ(error("[sip]\nprot = 5"), "peer.toml:2:1: sip.prot: unknown setting; did you mean sip.port?");
  EXPECT_EQ(error("udp = []"), "peer.toml:1:1: udp: unknown setting; did you mean sip.udp?");
  EXPECT_EQ(error("[registar]\nopen = true"),
            "peer.toml:1:2: registar: unknown setting; did you mean registrar?");
  EXPECT_EQ(error("colour = 1"), "peer.toml:1:1: colour: unknown setting; the sample file lists them all");
  EXPECT_NE(error(std::string(10000, 'x') + " = 1"), "");
}

TEST_F(Settings, TheFirstErrorOfTheFileIsShown) {
  EXPECT_TRUE(error("[sip]\nport = 0\n[registrar]\nopen = 3").starts_with("peer.toml:2:8: sip.port"));
}

TEST_F(Settings, WhatIsNotTomlIsSaidSo) {
  EXPECT_TRUE(error("[sip\n").starts_with("peer.toml:1:")) << error("[sip\n");
  EXPECT_TRUE(error("domain = example.org").contains("expected TOML")) << error("domain = example.org");
  EXPECT_NE(error("domain = \"a\"\ndomain = \"b\""), "");
  EXPECT_NE(error("domain = \"\xff\""), "");
  EXPECT_NE(error("dom\xc3\xa4ne = 5"), "");
  EXPECT_NE(error("[&"), "");
}

TEST_F(Settings, FilesAreReadAndTheirAbsenceExplained) {
  const std::string path = ::testing::TempDir() + "causeway_settings_" + std::to_string(::getpid()) + ".toml";
  std::ofstream(path) << "domain = \"x.org\"\nsip.port = 0\n";
  Status status = table.read_file(path);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, path + ":2:12: sip.port: expected a number from 1 to 65535, found '0'");
  std::ofstream(path).close();
  EXPECT_TRUE(table.read_file(path));
  std::remove(path.c_str());
  status = table.read_file(path);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, path + ": expected a settings file, No such file or directory");
  EXPECT_FALSE(table.read_file(::testing::TempDir()));
}

TEST_F(Settings, OneByOneFromTheCommandLine) {
  EXPECT_TRUE(table.set("sip.port", "99"));
  EXPECT_EQ(port, 99);
  EXPECT_TRUE(table.set("sip.udp", "1.1.1.1:1, 2.2.2.2:2"));
  EXPECT_EQ(udp, (std::vector<std::string>{"1.1.1.1:1", "2.2.2.2:2"}));
  EXPECT_TRUE(table.set("sip.udp", ""));
  EXPECT_TRUE(udp.empty());
  EXPECT_EQ(table.set("sip.port", "99x").error().message,
            "sip.port: expected a number from 1 to 65535, found '99x'");
  EXPECT_EQ(table.set("sip.udp", "1.1.1.1:1,,").error().message,
            "sip.udp: expected an address and a port, found ''");
  EXPECT_EQ(table.set("sip.pot", "1").error().message, "sip.pot: unknown setting; did you mean sip.port?");
}

TEST_F(Settings, TheSampleIsReadBackAsItself) {
  domain = "with \"quotes\" \\ and \n lines";
  SettingsTable other{{text_setting("domain", "the domain", domain),
                       list_setting("sip.udp", "where SIP over UDP is received", udp, "address:port", {}),
                       duration_setting("sip.t1", "round trip", expiry, 0ms, 24h)}};
  const std::string sample = other.sample();
  EXPECT_NE(
      sample.find("# where SIP over UDP is received (list of address:port)\n#udp = [\"0.0.0.0:5060\"]\n"),
      std::string::npos)
      << sample;
  EXPECT_TRUE(other.read_text(sample, "sample"));
  std::string active;
  std::istringstream lines(sample);
  for (std::string line; std::getline(lines, line);) {
    active += (line.starts_with("#") && !line.starts_with("# ") ? line.substr(1) : line) + "\n";
  }
  const std::string before = domain;
  domain = "";
  udp = {"x"};
  expiry = 1s;
  const Status status = other.read_text(active, "sample");
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(domain, before);
  EXPECT_EQ(udp, std::vector<std::string>{"0.0.0.0:5060"});
  EXPECT_EQ(expiry, 1h);
}

TEST_F(Settings, TheReferenceHasARowForEachSetting) {
  const std::string reference = table.reference();
  EXPECT_TRUE(
      reference.starts_with("## (no section)\n\n| setting | what | value | default |\n|---|---|---|---|\n"
                            "| `domain` | the domain that the peer belongs to | domain name | "
                            "`\"example.org\"` |\n\n## sip\n"))
      << reference;
  EXPECT_NE(reference.find("| `role` | what it is \\| does | one of registrar\\|proxy | `\"registrar\"` |"),
            std::string::npos)
      << reference;
}

}  // namespace
}  // namespace causeway::base
