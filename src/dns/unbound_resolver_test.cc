// libunbound against a name server of our own, on loopback.
#include <gtest/gtest.h>

#include <map>

#include "base/epoll_loop.h"
#include "base/limits.h"
#include "dns/resolver.h"
#include "net/real_network.h"

namespace causeway::dns {
namespace {

using namespace std::chrono_literals;

// Answers what a test has told it to; is silent about the names that begin with "silent".
class NameServer final : public net::UdpHandler {
 public:
  explicit NameServer(net::Network& network)
      : socket_(std::move(*network.open_udp(*net::Address::parse("127.0.0.1:0"), *this))) {}
  std::string name() const { return "127.0.0.1@" + std::to_string(socket_->local().port); }

  std::size_t addresses = 1;         // of every host; 0: no such name
  std::map<std::string, int> asked;  // how often

  void on_datagrams(std::span<net::Datagram> batch) override {
    for (const auto& datagram : batch) {
      std::string query(datagram.bytes.begin(), datagram.bytes.end()), host;
      std::size_t at = 12;
      while (query[at]) {
        host += query.substr(at + 1, static_cast<std::size_t>(query[at])) + ".";
        at += 1 + static_cast<std::size_t>(query[at]);
      }
      const bool is_a = query[at + 2] == 1;
      if (is_a) ++asked[host];
      if (host.starts_with("silent")) continue;
      const std::size_t count = is_a ? addresses : 0;
      std::string answer = query.substr(0, at + 5);
      answer[2] = '\x81';
      answer[3] = addresses ? '\x80' : '\x83';  // NXDOMAIN
      answer[7] = static_cast<char>(count);
      answer[9] = answer[11] = '\0';
      for (std::size_t i = 0; i < count; ++i)
        answer += std::string("\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\4\xc0\0\2", 15) + static_cast<char>(i + 1);
      socket_->send(datagram.from, base::Buffer::copy_of(answer));
    }
  }

 private:
  std::unique_ptr<net::UdpSocket> socket_;
};

class UnboundResolver : public ::testing::Test {
 protected:
  UnboundResolver() {
    auto made = make_unbound_resolver(*loop, metrics, {.servers = {server.name()}});
    EXPECT_TRUE(made) << made.error().message;
    resolver = std::move(*made);
  }
  void run_until(const std::function<bool()>& done, base::Duration limit = 20s) {
    const auto end = loop->now() + limit;
    while (!done() && loop->now() < end) loop->run_for(1ms);
    EXPECT_TRUE(done());
  }
  base::Result<std::vector<net::Ip>> lookup(const std::string& host) {
    std::optional<base::Result<std::vector<net::Ip>>> answer;
    resolver->addresses(host, true, false, [&](auto found) { answer = std::move(found); });
    run_until([&] { return answer.has_value(); });
    return answer ? *answer : base::fail("nothing came");
  }

  std::unique_ptr<base::Loop> loop = base::make_epoll_loop();
  base::Metrics metrics;
  std::unique_ptr<net::Network> network = net::make_real_network(*loop, metrics);
  NameServer server{*network};
  std::unique_ptr<Resolver> resolver;
};

TEST_F(UnboundResolver, OfAnAnswerSoManyRecordsAreLookedAt) {
  server.addresses = 40;
  const auto found = lookup("many.test");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->size(), limits::kMaxRecords);
  EXPECT_EQ(metrics.value("dns_records_left_out_total"), 40 - limits::kMaxRecords);
}

TEST_F(UnboundResolver, SilenceEndsWithPatience) {
  const auto begun = loop->now();
  const auto found = lookup("silent.test");
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("no name server answered"), std::string::npos)
      << found.error().message;
  EXPECT_GE(loop->now() - begun, limits::kPatience);
  EXPECT_LT(loop->now() - begun, limits::kPatience + 2s);
  EXPECT_EQ(metrics.value("dns_queries_unanswered_total"), 1u);
  EXPECT_TRUE(lookup("other.test"));
}

TEST_F(UnboundResolver, ANameThatIsNotThereIsAskedForAgainSoon) {
  server.addresses = 0;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(lookup("missing.test")->empty());
  EXPECT_EQ(server.asked["missing.test."], 1);
  server.addresses = 1;
  loop->run_for(limits::kNegative + 1500ms);  // libunbound has a cache as well, and counts in whole seconds
  EXPECT_EQ(lookup("missing.test")->size(), 1u);
}

TEST_F(UnboundResolver, AnswersAreRememberedAndSoManyOfThem) {
  EXPECT_TRUE(lookup("first.test"));
  EXPECT_TRUE(lookup("FIRST.test"));
  EXPECT_EQ(server.asked["first.test."], 1);
  std::size_t answered = 0;
  for (std::size_t i = 0; i < limits::kMaxCached; i += 200) {
    for (std::size_t j = i; j < i + 200; ++j)
      resolver->addresses("u" + std::to_string(j) + ".test", true, false, [&](const auto&) { ++answered; });
    run_until([&] { return answered == i + 200; });
  }
  EXPECT_EQ(metrics.value("dns_answers_forgotten_total"), limits::kMaxCached);
  EXPECT_TRUE(lookup("first.test"));  // libunbound may still know it
}

}  // namespace
}  // namespace causeway::dns
