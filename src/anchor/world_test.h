// Calls of a phone on loopback through an Anchors, message by message, as its proxy would show them.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <optional>
#include <string>
#include <thread>

#include "anchor/door.h"
#include "base/epoll_loop.h"
#include "ua/ice_side_for_test.h"

namespace causeway::anchor::test {

using namespace std::chrono_literals;
using proxy::Crossing;
using ua::test::kHere;
using ua::test::Side;

inline std::string port_text(const net::Address& address) { return std::to_string(address.port); }

// A UDP port of a phone, or of a stranger.
class Socket {
 public:
  explicit Socket(const net::Ip& at = kHere) : fd_(net::open_socket(at, SOCK_DGRAM)) {
    EXPECT_TRUE(net::bind_to(fd_.get(), {at, 0}));
  }
  net::Address address() const { return net::local_address(fd_.get()); }
  void send(const net::Address& to, std::string_view packet) const;
  // The next RTP packet's payload that comes; empty: none.
  std::string next(base::Duration patience = 2s) const;
  // The next packet, whatever it is.
  std::string next_packet(base::Duration patience = 2s) const;

 private:
  net::Descriptor fd_;
};
std::string rtp(std::string_view payload);  // a packet
std::string rtcp();                         // a report

// What a phone says: an offer, or an answer to `sections` sections.
std::string phone_sdp(const net::Address& rtp, std::string_view more = "");

class World : public ::testing::Test {
 protected:
  World() { start({}); }
  ~World() override { door.reset(), anchors->stop(); }
  void start(AnchorConfig config);

  // A message of the dialogue `call` between the phone (tag p) and the world (tag w).
  struct Text {
    std::string method = "INVITE";
    int cseq = 1;
    int status = 0;  // a response
    std::string from = "p", to = "";
    std::string sdp = "";
    std::string call = "call-1";
  };
  static std::string write(const Text& text);

  // A request, until the door has answered: refused or not, and with what body.
  struct Passed {
    bool done = false;
    int refused = 0;
    std::string reason, sdp;
    std::shared_ptr<proxy::PhoneLeg> leg;
  };
  std::shared_ptr<Passed> show(const Text& text, Crossing crossing, const std::string& user = "alice");
  Passed pass(const Text& text, Crossing crossing, const std::string& user = "alice");
  // The body of a response after it has passed.
  std::string respond(proxy::PhoneLeg& leg, const Text& text, Crossing crossing);

  template <class What>
  bool wait(What what, base::Duration patience = 8s) {
    for (base::Duration waited{}; waited < patience && !what(); waited += 5ms) loop->run_for(5ms);
    return what();
  }
  std::uint64_t count(std::string_view metric);

  // Where the phone is told to send to.
  static net::Address told(const std::string& sdp);
  void expect_media(const net::Address& at, Side& far);

  std::unique_ptr<base::Loop> loop = base::make_epoll_loop();
  std::vector<ua::RelayServer> relays;
  bool relays_answer = true, is_loopback_allowed = true;
  net::Ip signals_from = kHere;  // the phone
  std::shared_ptr<Anchors> anchors;
  std::unique_ptr<Door> door;
  ua::MediaThread far_thread;
  Socket phone;
};

}  // namespace causeway::anchor::test
