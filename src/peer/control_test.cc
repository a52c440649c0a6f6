#include "peer/control.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "base/epoll_loop.h"
#include "base/limits.h"
#include "peer/control_request.h"
#include "peer/report.h"

namespace causeway::peer {
namespace {

using namespace std::chrono_literals;

class ControlSocket : public ::testing::Test {
 protected:
  ControlSocket() {
    char name[] = "/tmp/causeway_control_XXXXXX";
    folder = ::mkdtemp(name);
    auto opened = Control::open(*loop, metrics, folder + "/control",
                                [this](std::string_view request, Control::Answer answer) {
                                  asked.emplace_back(request);
                                  answer("answer " + std::to_string(asked.size()));
                                });
    EXPECT_TRUE(opened) << opened.error().message;
    control = std::move(*opened);
  }
  ~ControlSocket() override {
    for (int fd : clients) ::close(fd);
    control.reset();
    std::filesystem::remove_all(folder);
  }
  int client() {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::strncpy(to.sun_path, (folder + "/control").c_str(), sizeof to.sun_path - 1);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    clients.push_back(fd);
    loop->run_for(5ms);
    return fd;
  }
  void say(int fd, std::string_view text) {
    EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    loop->run_for(20ms);
  }
  // "closed" if the other side has closed, "" if nothing has come.
  static std::string heard(int fd) {
    char text[1024];
    const auto n = ::recv(fd, text, sizeof text, MSG_DONTWAIT);
    return n == 0 ? "closed" : n < 0 ? "" : std::string(text, static_cast<std::size_t>(n));
  }

  std::unique_ptr<base::Loop> loop = base::make_epoll_loop();
  base::Metrics metrics;
  std::string folder;
  std::vector<std::string> asked;
  std::vector<int> clients;
  std::unique_ptr<Control> control;
};

TEST_F(ControlSocket, ManyQuestionsOnOneConnection) {
  const int fd = client();
  say(fd, "one\ntw");
  say(fd, "o\n");
  EXPECT_EQ(asked, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(heard(fd), "answer 1\nanswer 2\n");
}

TEST_F(ControlSocket, ALineWithoutEndIsCutOff) {
  const int good = client(), bad = client();
  for (std::size_t sent = 0; sent <= limits::kMaxControlRequest; sent += 1024)
    say(bad, std::string(1024, 'x'));
  EXPECT_EQ(heard(bad), "closed");
  EXPECT_EQ(metrics.value("control_refused_total{reason=\"length\"}"), 1u);
  say(good, "hello\n");
  EXPECT_EQ(heard(good), "answer 1\n");
}

TEST_F(ControlSocket, SoManyClientsAndNoMore) {
  for (std::size_t i = 0; i < limits::kMaxControlClients; ++i) client();
  const int refused = client();
  EXPECT_EQ(heard(refused), "closed");
  EXPECT_EQ(metrics.value("control_refused_total{reason=\"clients\"}"), 1u);
  ::close(clients.front());
  clients.erase(clients.begin());
  loop->run_for(20ms);
  const int next = client();
  say(next, "hello\n");
  EXPECT_EQ(heard(next), "answer 1\n");
}

TEST(ControlRequests, WhatIsUnderstoodAndWhatIsNot) {
  using Command = ControlRequest::Command;
  EXPECT_EQ(parse_control(R"({"command": "status"})")->command, Command::status);
  const auto lookup = parse_control(R"({"command": "lookup", "uri": "alice"})");
  EXPECT_EQ(lookup->command, Command::lookup);
  EXPECT_EQ(lookup->uri, "alice");
  EXPECT_EQ(parse_control(R"({"command": "lookup", "uri": 7})")->uri, "");
  const auto token = parse_control(
      R"({"command": "relay_token", "user": "sip:alice@p2psip.org", "lifetime_s": 60, "relays": 2})");
  EXPECT_EQ(token->command, Command::relay_token);
  EXPECT_EQ(token->uri, "sip:alice@p2psip.org");
  EXPECT_EQ(token->lifetime_s, 60);
  EXPECT_EQ(token->relays, 2);
  for (const char* lifetime : {"-1", "1e99", "\"60\"", "18446744073709551615", "60.5"})
    EXPECT_EQ(
        parse_control(fmt::format(R"({{"command": "relay_token", "lifetime_s": {}}})", lifetime))->lifetime_s,
        0)
        << lifetime;
  EXPECT_TRUE(parse_control(R"({"command": "drain", "on": true})")->on);
  EXPECT_FALSE(parse_control(R"({"command": "drain", "on": false})")->on);
  for (const char* text : {"", "{", "status", "[]", R"({"command": 5})", R"({"command": "stop"})", "\xff\xfe",
                           R"({"command": "drain"})", R"({"command": "drain", "on": 1})"})
    EXPECT_FALSE(parse_control(text)) << text;
  EXPECT_FALSE(report_error("not UTF-8: \xff").empty());
}

TEST(LookupKeys, OfServicesNameThisDomain) {
  EXPECT_EQ(*lookup_key("turn:P2PSIP.org", "p2psip.org"), "turn:p2psip.org");
  EXPECT_EQ(*lookup_key("teredo:p2psip.org", "p2psip.org"), "teredo:p2psip.org");
  EXPECT_EQ(*lookup_key("alice", "p2psip.org"), "sip:alice@p2psip.org");
  for (const char* uri : {"turn:", "turn:other.org", "turn:alice@p2psip.org", "turn:p2psip.org:3478"})
    EXPECT_FALSE(lookup_key(uri, "p2psip.org")) << uri;
}

}  // namespace
}  // namespace causeway::peer
