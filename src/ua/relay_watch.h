// Whether the relay that media goes through is alive. What comes through it says so; while nothing comes it
// is asked, by STUN Binding requests from a socket of their own, since libnice hears of a dead relay only
// when it wants to renew something there, minutes later.
//
// Over TCP and TLS the end of the connection says it (relay_tunnels.h). On the media thread.
#pragma once

#include <array>
#include <functional>

#include "net/address.h"
#include "net/descriptor.h"
#include "ua/media_thread.h"

namespace causeway::ua {

class RelayWatch {
 public:
  // `on_lost` is called once for each start; it may call start or stop.
  RelayWatch(MediaThread& thread, base::Task on_lost) : timer_(thread), on_lost_(std::move(on_lost)) {}

  // Over UDP.
  void start(const net::Address& relay);
  // Over a connection: asked again and again whether that has ended.
  void start(const net::Address& relay, std::function<bool()> has_ended);
  void stop();
  // The connection has ended, and nobody has been told yet.
  bool has_ended() const { return has_ended_ && has_ended_(); }
  void heard(base::Instant now) { heard_ = now; }
  const net::Address& relay() const { return relay_; }

 private:
  void tick();
  void ask_connection();
  void probe();
  bool is_answered();

  MediaTimer timer_;
  base::Task on_lost_;
  std::function<bool()> has_ended_;
  net::Address relay_;
  net::Descriptor socket_;
  std::array<char, 12> transaction_{};
  base::Instant heard_{}, asked_{}, answered_{};  // answered_: when the last question was asked that was
  int unanswered_ = 0;
};

}  // namespace causeway::ua
