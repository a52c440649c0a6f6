// The media of one call: an ICE agent (ice.h) and what runs over it (audio_session.h), on the media thread,
// as the signalling thread sees them.
//
// Every function here is called on the signalling thread and returns at once; what it asks for happens on the
// media thread, and events come back in turns of the signalling loop. Nothing comes after the destructor has
// begun.
//
// A call, as the one who calls:  make, gather(true), on_gathered: the offer;  the answer: set_remote;
// on_connected: media flows.     As the one who is called: the offer: gather(false), on_gathered: read_offer
// with what was gathered, the answer, set_remote.  Hold: set_direction, and a new offer. A new path:
// restart_ice.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "net/address.h"
#include "ua/audio_session.h"
#include "ua/ice.h"
#include "ua/media_thread.h"
#include "ua/offer_answer.h"

namespace causeway::ua {

struct MediaConfig {
  std::vector<RelayServer> relays;
  std::shared_ptr<RelayTunnels> tunnels;  // for relays over TLS; one for all calls
  std::optional<net::Address> stun;
  bool relay_only = false;
  std::vector<net::Ip> local_addresses;  // empty: all
  Keying keying = Keying::dtls_srtp;
  std::vector<std::string> codecs = {"opus", "PCMA", "PCMU"};  // by preference
  std::string play_wav, record_wav;
};

// What this side can speak, as it stands in an offer; also what read_offer is given before anything is
// gathered. The error names a codec that is not known.
base::Result<LocalMedia> capabilities(const MediaConfig& config);

class Media {
 public:
  class Events {
   public:
    virtual ~Events() = default;
    // What to say in the offer or answer, everything included; after restart_ice() once more.
    virtual void on_gathered(LocalMedia local) = 0;
    // "relay 192.0.2.1:4 <-> srflx 198.51.100.7:9"; again when another pair is selected. `local`: what to say
    // from now on, its own end of the pair as the default (RFC 8839 4.4.3).
    virtual void on_connected(std::string pair, LocalMedia local) = 0;
    // No path, or DTLS refused: the call has no media. Another offer may bring it back (restart_ice).
    virtual void on_failed(std::string why) = 0;
    virtual void on_dtmf(char) {}
    virtual void on_secured() {}
    virtual void on_first_audio() {}
    // The relay in use does not answer any more, or the other side's consent has run out: restart_ice().
    virtual void on_relay_lost(std::string why) { static_cast<void>(why); }
  };

  // Opens the files that are to be played and recorded. `thread` and `loop` outlive the Media.
  static base::Result<std::unique_ptr<Media>> make(MediaConfig config, base::Loop& loop, MediaThread& thread,
                                                   Events& events);
  // Says good-bye to the other side. May wait for what the media thread is doing at the moment
  // (milliseconds).
  ~Media();

  // `rtcp_port`: with a second address for RTCP, for another side that may not multiplex it (RFC 5761 5.1.3).
  void gather(bool controlling, bool rtcp_port = false);
  void set_remote(RemoteMedia remote);
  void set_direction(Direction direction);
  void restart_ice();
  // With other relays than before: they may have changed since the call began.
  void restart_ice(std::vector<RelayServer> relays);
  void send_dtmf(std::string_view digits);
  // As of a few milliseconds ago.
  MediaStatistics statistics() const;
  // Everything that was refused, by reason, and everything that failed. Waits for the media thread, like the
  // destructor.
  std::vector<base::Metrics::Row> counters() const;

 private:
  class Core;
  explicit Media(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  std::shared_ptr<Core> core_;
};

}  // namespace causeway::ua
