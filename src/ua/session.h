// What a call needs of its media, as session descriptions: an offer, an answer, and what becomes of them
// (RFC 3264). A Call knows nothing of what stands in them; the real session (media_session.h) brings
// together offer_answer.h and Media, a test has one that makes up both.
//
// One exchange at a time, as RFC 3264 4 wants it: offer, then accept or withdraw; or answer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "ua/relay_server.h"

namespace causeway::ua {

struct SessionFigures {
  std::uint64_t packets_sent = 0, packets_received = 0, bytes_sent = 0, bytes_received = 0, lost = 0;
  double jitter_ms = 0;
  std::string codec, pair;
};

// All on the loop's thread, and never from inside a call into the session.
class SessionUser {
 public:
  virtual void on_allocated(const std::string& what) {
    (void)what;
  }                                                       // relayed addresses and others are there
  virtual void on_media_up(const std::string& pair) = 0;  // "relay 192.0.2.1:4 <-> srflx ..."
  virtual void on_first_audio() {}
  // The path is not the one that we have named: the other side has to be told by another offer.
  virtual void on_reoffer() {}
  // The path is gone (consent, RFC 7675; a relay that died): another offer, with restart(), finds a new one.
  virtual void on_path_lost(const std::string& why) = 0;
  virtual void on_media_failed(const std::string& why) = 0;  // for good
  virtual void on_dtmf(char digit) { (void)digit; }

 protected:
  ~SessionUser() = default;
};

class Session {
 public:
  virtual ~Session() = default;
  using Done = std::function<void(base::Result<std::string>)>;

  // An offer, when everything that goes into it has been found (candidates). `done` comes once, maybe at
  // once, and not after the session is gone.
  virtual void offer(Done done) = 0;
  // An answer to this offer, the same way. An error: there is nothing in common (488).
  virtual void answer(std::string_view offer, Done done) = 0;
  // The answer to our offer. May come again for the same offer from another fork; the last counts.
  virtual base::Status accept(std::string_view answer) = 0;
  // Our offer was refused: what was agreed before goes on.
  virtual void withdraw() = 0;

  // In the next offer or answer: the other side shall be quiet, and hears nothing.
  virtual void hold(bool held) = 0;
  // The next offer looks for a new path (RFC 8445 9), over these relays.
  virtual void restart(std::vector<RelayServer> relays) = 0;
  // Both have agreed to talk: until then nothing is played.
  virtual void talk() = 0;
  virtual void send_dtmf(std::string_view digits) = 0;
  // The other side has put us on hold.
  virtual bool held_by_other() const = 0;
  virtual SessionFigures figures() const = 0;
};

class SessionMaker {
 public:
  virtual ~SessionMaker() = default;
  // `caller`: it makes the first offer.
  virtual std::unique_ptr<Session> make(SessionUser& user, std::vector<RelayServer> relays, bool caller) = 0;
};

}  // namespace causeway::ua
