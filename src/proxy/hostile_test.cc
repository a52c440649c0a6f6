// Attacks from the network, and what becomes of them: the counter moves, others are served meanwhile and
// afterwards, and nothing is left. docs/security.md has them all in one table; what needs real sockets is in
// tests/lab/test_hostile.py, what a stranger is answered in strangers_test.cc.
#include "proxy/world_test.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/limits.h"

namespace causeway::proxy::testing {
namespace {

class Hostile : public ProxyTest {
 protected:
  Peer& p = world.peer({.proxy = true, .tcp = true});
  Ua& alice = world.phone("alice", p);
  Ua& bob = world.phone("bob", p);
  Ua& mallory = world.outsider("sip:mallory@example.com", p);

  // Somebody at the other end of a TCP connection.
  struct Stream final : net::StreamHandler {
    Stream(World& world, const char* ip, const net::Address& to)
        : host(world.net.host(*net::Ip::parse(ip))), stream(host->connect(to, {}, *this)) {}
    void on_bytes(std::span<const char> bytes) override { got.append(bytes.data(), bytes.size()); }
    void on_closed(const net::StreamClosed&) override { closed = true; }
    void send(std::string_view text) { stream->send(base::Buffer::copy_of(text)); }
    std::unique_ptr<net::Network> host;
    std::string got;
    bool closed = false;
    std::unique_ptr<net::Stream> stream;
  };
  std::unique_ptr<Stream> stream(const char* ip = "192.0.2.66") {
    return std::make_unique<Stream>(world, ip, p.address());
  }

  void others_are_served() {
    auto c = call(alice, bob, "sip:bob@p2psip.org");
    EXPECT_TRUE(c.up);
    EXPECT_TRUE(bye(alice, c.caller, bob));
  }
  void nothing_is_left() {
    world.run(15min);
    EXPECT_EQ(p.transactions().server_count(), 0u);
    EXPECT_EQ(p.transactions().client_count(), 0u);
    EXPECT_EQ(p.proxy().calls_in_setup(), 0u);
  }
  void TearDown() override {
    others_are_served();
    nothing_is_left();
    world.check_wire();
  }
  static std::string with(std::string text, std::string_view from, std::string_view to) {
    return text.replace(text.find(from), from.size(), to);
  }
  std::string over_tcp(std::string text) { return with(std::move(text), "SIP/2.0/UDP", "SIP/2.0/TCP"); }
};

// ---- streams

TEST_F(Hostile, AByteASecond) {
  auto slow = stream();
  const auto text = over_tcp(mallory.write({.method = "OPTIONS", .uri = "sip:p2psip.org"}));
  for (std::size_t i = 0; i < 60 && !slow->closed; ++i) {
    slow->send(text.substr(i, 1));
    world.run(1s);
    if (i == 10) others_are_served();
  }
  EXPECT_TRUE(slow->closed);
  EXPECT_EQ(p.count("sip_connections_ended_total{reason=\"slow message\"}"), 1u);
  // Line ends alone keep a connection open (RFC 5626), as they should, and make no memory.
  auto quiet = stream("192.0.2.67");
  for (int i = 0; i < 100; ++i) {
    quiet->send(i % 2 ? "\n" : "\r");
    world.run(1s);
  }
  EXPECT_FALSE(quiet->closed);
}

TEST_F(Hostile, HeadersWithoutEnd) {
  auto endless = stream();
  endless->send("OPTIONS sip:p2psip.org SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.66;branch=z9hG4bKx\r\n");
  for (int i = 0; i < 2000 && !endless->closed; ++i) {
    endless->send("X-Header: another line of some length, and then one more\r\n");
    world.run(10ms);
    if (i == 100) others_are_served();
  }
  EXPECT_TRUE(endless->closed);
  EXPECT_TRUE(is(endless->got, "SIP/2.0 513"));
  auto one_line = stream("192.0.2.67");
  one_line->send("OPTIONS sip:p2psip.org SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.66;branch=z9hG4bKy\r\nX: ");
  for (int i = 0; i < 100 && !one_line->closed; ++i) one_line->send(std::string(1000, 'x')), world.run(10ms);
  EXPECT_TRUE(one_line->closed);
  EXPECT_EQ(p.count("sip_dropped_total{reason=\"too large\"}"), 2u);
  EXPECT_EQ(p.count("sip_connections_ended_total{reason=\"not SIP\"}"), 2u);
  // In one datagram: more lines than are read.
  auto lines = mallory.write({.method = "OPTIONS", .uri = "sip:p2psip.org"});
  std::string many;
  for (int i = 0; i < 300; ++i) many += "X: y\r\n";
  mallory.send(with(lines, "Max-Forwards", many + "Max-Forwards"));
  EXPECT_FALSE(mallory.wait("SIP/2.0 513").empty());
  EXPECT_EQ(p.count("sip_dropped_total{reason=\"too large\"}"), 3u);
}

// What is said about the body is believed if it can be true, and only once.
TEST_F(Hostile, LiesAboutContentLength) {
  const auto lie = [&](const std::string& lines, const std::string& body = "") {
    return with(mallory.write({.method = "OPTIONS", .uri = "sip:p2psip.org"}), "Content-Length: 0\r\n\r\n",
                lines + "\r\n" + body);
  };
  struct Lie {
    std::string lines, body;
    std::string udp, tcp;  // the answers
    bool closes;
  };
  const std::vector<Lie> lies = {
      {"Content-Length: 4000000000\r\n", "x", "400", "413", true},
      {"Content-Length: 99999999999999999999\r\n", "x", "400", "413", true},
      {"Content-Length: 70000\r\n", "x", "400", "413", true},
      {"Content-Length: -1\r\n", "x", "400", "400", true},
      {"Content-Length: 0x10\r\n", "x", "400", "400", true},
      {"Content-Length: 1\r\nl: 2\r\n", "xx", "400", "400", true},
      {"Content-Length: 1\r\nContent-Length: 1\r\n", "x", "200", "200", false},
      {"Content-Length: 1\r\n", "xyz\r\n\r\n", "200", "200", true},  // the rest: cut off; no message
      {"", "", "200", "400", true},
  };
  const auto before = p.count("sip_dropped_total{reason=\"malformed\"}");
  int n = 0;
  for (const auto& l : lies) {
    mallory.send(lie(l.lines, l.body));
    EXPECT_EQ(mallory.wait("SIP/2.0 ").substr(8, 3), l.udp) << l.lines;
    auto one = stream(fmt::format("192.0.2.{}", 100 + ++n).c_str());
    one->send(over_tcp(lie(l.lines, l.body)));
    world.run(1s);
    EXPECT_EQ(one->got.substr(0, 11), "SIP/2.0 " + l.tcp) << l.lines;
    EXPECT_EQ(one->closed, l.closes) << l.lines;
    EXPECT_EQ(one->got.find("\r\nSIP/2.0"), std::string::npos) << "a second answer: " << one->got;
  }
  EXPECT_GE(p.count("sip_dropped_total{reason=\"malformed\"}"), before + 11);
  EXPECT_EQ(p.count("sip_dropped_total{reason=\"too large\"}"), 3u);
  others_are_served();
}

// Who closes his connection before the answer comes makes us open one to where his Via says (18.2.2): not for
// ever.
TEST_F(Hostile, ConnectionsThatAreGoneBeforeTheAnswer) {
  constexpr int kRounds = 50, kAtOnce = 20;
  const auto begun = world.loop.now();
  for (int i = 0; i < kRounds; ++i) {
    std::vector<std::unique_ptr<Stream>> streams;
    for (int j = 0; j < kAtOnce; ++j) {
      streams.push_back(stream());
      const auto request = over_tcp(mallory.write({.method = "MESSAGE", .uri = "sip:bob@p2psip.org"}));
      streams.back()->send(with(request, mallory.address.text(), "victim.example.net:25"));
    }
    world.run(30ms);
    streams.clear();
    world.run(20ms);
    for (const auto& in : std::exchange(bob.inbox, {})) bob.answer(in, 200);
  }
  world.run(1s);
  const auto seconds =
      std::chrono::ceil<std::chrono::seconds>(world.loop.now() - begun + sip::limits::kStrangerBurst);
  EXPECT_LE(p.count("sip_connections_opened_total"), 50u * static_cast<std::uint64_t>(seconds.count()));
  EXPECT_GT(p.count("sip_stranger_unanswered_total{reason=\"rate\"}"), 0u);
}

// ---- datagrams

TEST_F(Hostile, TheLargestDatagrams) {
  const auto message = [&](std::size_t size, bool in_body) {
    auto text = mallory.write({.method = "MESSAGE", .uri = "sip:bob@p2psip.org"});
    const std::string padding(size - text.size() - 20, 'x');
    return in_body ? with(text, "Content-Length: 0\r\n\r\n",
                          fmt::format("Content-Length: {}\r\n\r\n", padding.size()) + padding)
                   : with(text, "Max-Forwards", "Subject: " + padding + "\r\nMax-Forwards");
  };
  for (const bool in_body : {true, false}) {
    mallory.send(message(60'000, in_body));
    auto in = bob.wait("MESSAGE");
    ASSERT_FALSE(in.empty());
    EXPECT_GT(in.size(), 59'000u);
    bob.answer(in, 200);
    EXPECT_FALSE(mallory.wait("SIP/2.0 200").empty());
    // With our Via it fits no datagram: nothing comes of it, and the sender is told when he has given up.
    mallory.send(message(65'500, in_body));
    EXPECT_TRUE(bob.wait("MESSAGE", 1s).empty());
  }
  others_are_served();
  std::string noise(65'507, '\0');
  for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(world.random.u64());
  const auto malformed = p.count("sip_dropped_total{reason=\"malformed\"}");
  for (int i = 0; i < 100; ++i) mallory.send(noise);
  world.run(1s);
  EXPECT_EQ(p.count("sip_dropped_total{reason=\"malformed\"}"), malformed + 100);
}

// A thousand hops behind the sender: in one line they are read and come back; in a line each they are too
// many.
TEST_F(Hostile, AThousandVias) {
  std::string one_line, lines;
  for (int i = 0; i < 1000; ++i) {
    const auto via = fmt::format("SIP/2.0/UDP h{}.example.com;branch=z9hG4bK{}", i, i);
    one_line += (i ? "," : "Via: ") + via;
    lines += "Via: " + via + "\r\n";
  }
  auto text = mallory.write({.method = "MESSAGE", .uri = "sip:bob@p2psip.org"});
  mallory.send(with(text, "Max-Forwards", one_line + "\r\nMax-Forwards"));
  auto in = bob.wait("MESSAGE");
  ASSERT_FALSE(in.empty());
  EXPECT_EQ(values(in, "Via").size(), 1002u);
  bob.answer(in, 200);
  EXPECT_EQ(values(mallory.wait("SIP/2.0 200"), "Via").size(), 1001u);
  text = mallory.write({.method = "MESSAGE", .uri = "sip:bob@p2psip.org"});
  mallory.send(with(text, "Max-Forwards", lines + "Max-Forwards"));
  EXPECT_FALSE(mallory.wait("SIP/2.0 513").empty());
  EXPECT_TRUE(bob.quiet());
  EXPECT_EQ(p.count("sip_dropped_total{reason=\"too large\"}"), 1u);
}

TEST_F(Hostile, CancelAndAckOfNothing) {
  const auto before = p.transactions().server_count();  // the phones' registrations
  for (int i = 0; i < 1000; ++i) {
    mallory.send(mallory.write({.method = "CANCEL", .uri = "sip:bob@p2psip.org"}));
    mallory.send(mallory.write({.method = "ACK", .uri = "sip:nobody@p2psip.org"}));
    mallory.send(mallory.write({.method = "ACK", .uri = "sip:x@elsewhere.example"}));
  }
  world.run(100ms);
  EXPECT_EQ(p.count("sip_server_cancel_unmatched_total"), 1000u);
  EXPECT_EQ(p.count("proxy_acks_dropped_total"), 2000u);
  EXPECT_LE(mallory.inbox.size(), 205u);  // a stranger: no more than his share
  for (const auto& answer : mallory.inbox) EXPECT_TRUE(is(answer, "SIP/2.0 481")) << answer;
  EXPECT_TRUE(bob.inbox.empty());
  EXPECT_EQ(p.transactions().server_count(), before);
  // An ACK for a phone goes there (16.2: without state), once, and nowhere else.
  mallory.send(mallory.write({.method = "ACK", .uri = "sip:bob@p2psip.org"}));
  EXPECT_FALSE(bob.wait("ACK").empty());
  EXPECT_TRUE(bob.quiet());
}

TEST_F(Hostile, ResponsesThatNobodyAskedFor) {
  const auto c = call(alice, bob, "sip:bob@p2psip.org");
  const auto own = values(c.invite_in, "Via").front();  // a branch of ours, whose transaction lives
  const auto response = [&](int status, std::string vias, std::string method = "INVITE") {
    return fmt::format(
        "SIP/2.0 {} Hello\r\n{}From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 {}\r\n"
        "Content-Length: 0\r\n\r\n",
        status, vias, method);
  };
  const std::string via = "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=";
  const std::string back = "Via: SIP/2.0/UDP " + alice.address.text() + ";branch=z9hG4bKa\r\n";
  const auto strays = p.count("sip_stray_responses_total"),
             foreign = p.count("sip_dropped_total{reason=\"response not ours\"}");
  for (int status : {100, 180, 200, 302, 407, 487, 503, 600}) {
    mallory.send(response(status, via + "z9hG4bKnothing\r\n" + back));
    mallory.send(response(status, via + "z9hG4bK.0.0.0123456789abcdef.00000000\r\n" + back));
    mallory.send(response(status, via + "z9hG4bK.0.ffffffff.0123456789abcdef.00000000\r\n" + back));
    mallory.send(response(status, "Via: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bK1\r\n" + back));
    mallory.send(
        response(status, "Via: " + own + "\r\n" + back, "OPTIONS"));  // overheard, for another method
  }
  world.run(1s);
  EXPECT_EQ(p.count("sip_stray_responses_total"), strays + 8 * 4);
  EXPECT_EQ(p.count("sip_dropped_total{reason=\"response not ours\"}"), foreign + 8);
  EXPECT_TRUE(alice.inbox.empty());
  // Without a second Via it is meant for us, who have asked for nothing (16.7 step 3).
  const auto mine = p.count("proxy_stray_responses_total");
  mallory.send(response(200, "Via: " + own + "\r\n"));
  world.run(1s);
  EXPECT_EQ(p.count("proxy_stray_responses_total"), mine + 1);
  EXPECT_TRUE(alice.quiet());
}

// Every message of a call three times, as a network may do it, or somebody who replays what he has overheard.
TEST_F(Hostile, EverythingThrice) {
  const auto thrice = [&](Ua& from, const std::string& text) {
    for (int i = 0; i < 3; ++i) from.send(text);
    world.run(50ms);
  };
  const auto came = [&](Ua& ua, std::string_view begins) {
    const auto count = std::ranges::count_if(ua.inbox, [&](const auto& m) { return m.starts_with(begins); });
    return static_cast<int>(count);
  };
  const auto invite = mallory.write({.method = "INVITE", .uri = "sip:bob@p2psip.org"});
  thrice(mallory, invite);
  EXPECT_EQ(came(bob, "INVITE"), 1);
  const auto in = bob.wait("INVITE");
  for (int i = 0; i < 3; ++i) bob.answer(in, 180);
  world.run(50ms);
  EXPECT_EQ(came(mallory, "SIP/2.0 180"), 3);
  const auto ok = bob.answer(in, 200);
  for (int i = 0; i < 2; ++i) bob.answer(in, 200);
  world.run(50ms);
  EXPECT_EQ(came(mallory, "SIP/2.0 200"), 3);  // RFC 6026: each goes to who must acknowledge it
  const auto first = mallory.wait("SIP/2.0 200");
  auto d = mallory.as_caller(invite, first);
  thrice(mallory, mallory.write({"ACK", d.target, "", d.from, d.to, d.call_id, d.cseq, d.routes, true}));
  EXPECT_EQ(came(bob, "ACK"), 3);
  mallory.inbox.clear();
  const auto bye = mallory.write({"BYE", d.target, "", d.from, d.to, d.call_id, d.cseq + 1, d.routes, false});
  thrice(mallory, bye);
  EXPECT_EQ(came(bob, "BYE"), 1);
  const auto bye_in = bob.wait("BYE");
  for (int i = 0; i < 3; ++i) bob.answer(bye_in, 200);
  world.run(50ms);
  EXPECT_EQ(came(mallory, "SIP/2.0 200"), 1);
  thrice(mallory, bye);
  EXPECT_EQ(came(bob, "BYE"), 0);
  EXPECT_EQ(came(mallory, "SIP/2.0 200"), 4);
  // A replayed REGISTER (its digest is good for five minutes) changes nothing: its CSeq is old.
  const auto registered = std::ranges::find_if(world.wire, [&](const auto& seen) {
    return seen.from == bob.address && seen.text.find("Authorization:") != std::string::npos;
  });
  ASSERT_NE(registered, world.wire.end());
  world.run(1min);  // the transaction is over
  mallory.inbox.clear();
  thrice(mallory, with(registered->text, "branch=z9hG4bK", "rport;branch=z9hG4bKagain"));
  EXPECT_FALSE(mallory.wait("SIP/2.0 400 CSeq").empty());
  bob.inbox.clear();
}

// ---- forking, loops, routes

// RFC 5393 3: users whose contacts are each other. One request becomes many; how many is bounded, and it
// ends.
TEST_F(Hostile, ContactsThatLeadToEachOther) {
  world.zone.hosts["p2psip.org"] = {"10.0.0.1"};
  const std::vector<std::string> users = {"alice", "bob", "eve"};
  for (const auto& user : users) {
    auto& phone = world.phone_of(user, p);
    std::string contacts;
    for (int i = 0; i < 7; ++i)
      for (const auto& other : users)
        if (other != user && i < 3)
          contacts += fmt::format("Contact: <sip:{}@p2psip.org;n={}{}>\r\n", other, user, i);
    phone.ask({.method = "REGISTER",
               .uri = "sip:p2psip.org",
               .extra = contacts,
               .to = "<" + phone.uri + ">",
               .contact = false});
    EXPECT_FALSE(phone.wait("SIP/2.0 200").empty());
  }
  const auto forwarded = p.count("proxy_forwarded_total");
  mallory.send(mallory.write({.method = "MESSAGE", .uri = "sip:eve@p2psip.org"}));
  for (int i = 0; i < 600 && (i < 5 || p.transactions().client_count() != 0); ++i) {
    world.run(100ms);
    for (auto* phone : {&alice, &bob})
      for (const auto& in : std::exchange(phone->inbox, {}))
        if (is(in, "MESSAGE")) phone->answer(in, 486);
  }
  const auto sent = p.count("proxy_forwarded_total") - forwarded;
  EXPECT_GT(sent, 20u);
  EXPECT_LE(sent, 60u * limits::kMaxPasses);
  EXPECT_GT(p.count("proxy_refused_total{reason=\"loop\"}"), 0u);
  EXPECT_GT(p.count("proxy_forks_left_out_total"), 0u);
  EXPECT_FALSE(mallory.wait("SIP/2.0 4").empty());
  alice.inbox.clear();
  bob.inbox.clear();
}

// A request that comes back with another Request-URI each time is no loop, but it ends.
TEST_F(Hostile, ASpiralWithoutEnd) {
  auto& echo = world.outsider("sip:x@example.org", p);
  // Eve has her calls sent to a provider, who sends them back under another name.
  auto& eve = world.phone_of("eve", p);
  eve.ask({.method = "REGISTER",
           .uri = "sip:p2psip.org",
           .extra = "Contact: <sip:eve@example.org>\r\n",
           .to = "<" + eve.uri + ">",
           .contact = false});
  EXPECT_FALSE(eve.wait("SIP/2.0 200").empty());
  mallory.send(mallory.write({.method = "INVITE", .uri = "sip:eve@p2psip.org"}));
  int turns = 0;
  for (auto in = echo.wait("INVITE"); !in.empty() && turns < 100; in = echo.wait("INVITE")) {
    echo.answer(in, 100);  // it is not sent again
    ++turns;
    const auto again =
        with(in, in.substr(0, in.find(" SIP/2.0")), fmt::format("INVITE sip:eve@p2psip.org;turn={}", turns));
    echo.send(with(
        again,
        "Via: ", fmt::format("Via: SIP/2.0/UDP {};branch=z9hG4bKe{}\r\nVia: ", echo.address.text(), turns)));
  }
  EXPECT_EQ(turns, limits::kMaxPasses + 1);
  EXPECT_FALSE(echo.wait("SIP/2.0 483").empty());
  EXPECT_EQ(p.count("proxy_refused_total{reason=\"spiral\"}"), 1u);
}

TEST_F(Hostile, RoutesThatPointHome) {
  world.zone.hosts["home.example"] = {"10.0.0.1"};
  const auto route = [&](int times, std::string value) {
    std::string all;
    for (int i = 0; i < times; ++i) all += "Route: <" + value + ">\r\n";
    return mallory.write({.method = "MESSAGE", .uri = "sip:bob@p2psip.org", .extra = all});
  };
  for (const char* home : {"sip:p2psip.org;lr", "sip:10.0.0.1;lr", "sip:10.0.0.1:5060"}) {
    mallory.send(route(limits::kMaxOwnRoutes, home));
    const auto in = bob.wait("MESSAGE");
    EXPECT_FALSE(in.empty()) << home;
    EXPECT_TRUE(headers(in, "Route").empty()) << home;
    bob.answer(in, 200);
    mallory.send(route(limits::kMaxOwnRoutes + 1, home));
    EXPECT_FALSE(mallory.wait("SIP/2.0 400").empty()) << home;
  }
  EXPECT_EQ(p.count("proxy_refused_total{reason=\"own routes\"}"), 3u);
  // A stranger's way through another domain is not ours to go.
  mallory.send(route(1, "sip:home.example;lr"));
  EXPECT_FALSE(mallory.wait("SIP/2.0 403").empty());
  // A phone may, and meets itself: one turn, not two.
  const auto forwarded = p.count("proxy_forwarded_total");
  alice.ask({.method = "MESSAGE", .uri = "sip:bob@p2psip.org", .extra = "Route: <sip:home.example;lr>\r\n"});
  EXPECT_FALSE(alice.wait("SIP/2.0 4").empty());
  EXPECT_LE(p.count("proxy_forwarded_total") - forwarded, 2u);
  EXPECT_TRUE(bob.quiet());
}

// Calls to thousands who are not there: the overlay is not asked for more than so many at a time.
TEST_F(Hostile, CallsToThousandsWhoAreNotThere) {
  world.peer();  // so that there is an overlay to ask
  for (int i = 0; i < 5000; ++i)
    mallory.send(mallory.write({.method = "MESSAGE", .uri = fmt::format("sip:u{}@p2psip.org", i)}));
  world.run(11ms);
  EXPECT_EQ(p.count("overlay_user_lookups_total{result=\"refused\"}"),
            5000 - overlay::limits::kMaxUserLookups);
  mallory.inbox.clear();
  world.run(3s);
}

// ---- what a request may hold

TEST_F(Hostile, RegistrationsThatWantTooMuch) {
  const auto refused = [&](const std::string& lines, const char* status) {
    bob.ask({.method = "REGISTER",
             .uri = "sip:p2psip.org",
             .extra = lines,
             .to = "<" + bob.uri + ">",
             .call_id = fmt::format("much{}", ++world.serial),
             .contact = false});
    return !bob.wait(status).empty();
  };
  std::string many, paths;
  for (int i = 0; i < 17; ++i) many += fmt::format("Contact: <sip:bob@10.1.0.99:{}>\r\n", 6000 + i);
  for (int i = 0; i < 9; ++i) paths += fmt::format("Path: <sip:e{}.example;lr>\r\n", i);
  const std::string contact = "Contact: <" + bob.contact() + ">";
  EXPECT_TRUE(refused(many, "SIP/2.0 403 Too Many Contacts"));
  EXPECT_TRUE(refused(many.substr(0, many.find("Contact: <sip:bob@10.1.0.99:6008")),
                      "SIP/2.0 403 Too Many Contacts"));  // eight more
  EXPECT_TRUE(refused("Contact: <sip:bob@10.1.0.99;x=" + std::string(512, 'x') + ">\r\n",
                      "SIP/2.0 400 Contact Too Long"));
  EXPECT_TRUE(refused(contact + ";+sip.instance=\"<urn:" + std::string(130, 'x') + ">\"\r\n",
                      "SIP/2.0 400 Instance Too Long"));
  EXPECT_TRUE(refused(contact + "\r\n" + paths, "SIP/2.0 400 Path Too Long"));
  bob.ask({.method = "REGISTER",
           .uri = "sip:p2psip.org",
           .to = "<sip:" + std::string(129, 'b') + "@p2psip.org>"});
  EXPECT_FALSE(bob.wait("SIP/2.0 404").empty());
  EXPECT_EQ(p.count("registrar_requests_total{outcome=\"too_much\"}"), 6u);
  EXPECT_EQ(p.registrar().bindings().size(), 2u);
}

// What becomes of each is in tests/torture/README.md; here: whatever it is, no answer is long, and nothing
// stays behind.
TEST_F(Hostile, TheMessagesOfRfc4475And5118LeaveNothing) {
  int sent = 0;
  for (const char* folder : {"rfc4475", "rfc5118"})
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(CAUSEWAY_SOURCE_DIR "/tests/torture/") + folder)) {
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string message{std::istreambuf_iterator<char>(in), {}};
      world.wire.clear();
      mallory.send(message);
      world.run(100ms);
      for (const auto& seen : world.wire)
        if (seen.to.ip == mallory.address.ip) {
          EXPECT_LE(seen.text.size(), 2 * message.size()) << entry.path();
        }
      auto one = stream(fmt::format("192.0.2.{}", 70 + ++sent).c_str());
      one->send(message);
      world.run(100ms);
    }
  EXPECT_EQ(sent, 49 + 12);
  EXPECT_GT(p.count("sip_dropped_total{reason=\"malformed\"}"), 20u);
  world.run(1min);
  EXPECT_EQ(p.transactions().server_count(), 0u);
  EXPECT_TRUE(bob.inbox.empty());
}

// More requests than are kept at one time.
TEST_F(Hostile, MoreRequestsThanItKeeps) {
  world.run(1min);
  p.transactions().set_overload({.max_transactions = 100});
  for (int i = 0; i < 150; ++i)
    mallory.send(mallory.write({.method = "MESSAGE", .uri = "sip:bob@p2psip.org"}));
  world.run(100ms);
  EXPECT_EQ(p.count("sip_server_refused_total{reason=\"too many\"}"), 50u);
  EXPECT_FALSE(mallory.wait("SIP/2.0 503").empty());
  EXPECT_EQ(p.transactions().server_count(), 100u);
  for (const auto& in : std::exchange(bob.inbox, {})) bob.answer(in, 200);
  world.run(1min);
  mallory.inbox.clear();
}

// A request that asks for more changes than one message is given room for.
TEST_F(Hostile, TooMuchToChange) {
  std::string credentials;
  for (std::size_t i = 0; i < limits::kMaxInsertedText / 100; ++i)
    credentials +=
        "Proxy-Authorization: Digest username=\"alice\", realm=\"p2psip.org\", nonce=\"n\", uri=\"sip:x\", "
        "response=\"0123456789abcdef0123456789abcdef\"\r\n";
  alice.ask(
      {.method = "MESSAGE", .uri = "sip:bob@p2psip.org"});  // proves itself: the first credentials are good
  const auto in = bob.wait("MESSAGE");
  bob.answer(in, 200);
  alice.wait("SIP/2.0 200");
  const auto proved = std::ranges::find_if(world.wire, [&](const auto& seen) {
    return seen.from == alice.address && seen.text.starts_with("MESSAGE") &&
           seen.text.find("Proxy-Authorization") != seen.text.npos;
  });
  ASSERT_NE(proved, world.wire.end());
  auto again = with(proved->text, "branch=z9hG4bK", "branch=z9hG4bKmore");
  alice.send(with(again, "Content-Length", credentials + "Content-Length"));
  EXPECT_FALSE(alice.wait("SIP/2.0 500").empty());
  EXPECT_EQ(p.count("proxy_unsent_total"), 1u);
  // A strict router's way (16.6 step 6) with a Request-URI of more than there is room for.
  world.zone.hosts["strict.example"] = {"192.0.2.200"};
  const auto uri = "sip:bob@elsewhere.example;x=" + std::string(limits::kMaxInsertedText, 'x');
  alice.inbox.clear();
  alice.ask({.method = "MESSAGE",
             .uri = uri,
             .to = "<sip:bob@elsewhere.example>",
             .routes = {"<sip:strict.example>"}});
  EXPECT_FALSE(alice.wait("SIP/2.0 500").empty());
  EXPECT_EQ(p.count("proxy_unsent_total"), 2u);
}

// Guessing passwords is counted, and not faster than a stranger may ask.
TEST_F(Hostile, GuessingPasswords) {
  auto& guesser = world.phone_of("eve", p);
  guesser.password = "wrong";
  for (int i = 0; i < 300; ++i) {
    guesser.ask({.method = "REGISTER", .uri = "sip:p2psip.org", .to = "<" + guesser.uri + ">"});
    world.run(1ms);
  }
  const auto tried = p.count("registrar_requests_total{outcome=\"wrong_password\"}");
  EXPECT_GT(tried, 50u);
  EXPECT_GT(p.count("sip_stranger_unanswered_total{reason=\"rate\"}"), 0u);
  EXPECT_EQ(p.registrar().bindings().size(), 2u);
}

}  // namespace
}  // namespace causeway::proxy::testing
