// The media of one call whose phone knows no ICE: packets between the phone (phone_side.h) and an ICE agent
// in its place (ua/ice.h). They pass as they are, or, where the world wants that, sealed on its side
// (sealed_side.h). RTCP shares RTP's way there, or has one of its own where the world wants that.
//
// Any thread may call; what is asked for happens on the media thread, in order. After close() nothing comes
// any more.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anchor/limits.h"
#include "anchor/phone_side.h"
#include "anchor/sealed_side.h"
#include "ua/ice.h"

namespace causeway::anchor {

// Whether this world wants RTCP at an address of its own.
bool has_rtcp_port(const ua::RemoteMedia& world);

class Bridge final : public std::enable_shared_from_this<Bridge>, public ua::IceAgent::Events {
 public:
  // All on the media thread.
  struct User {
    // What can be said of the path; nothing if no socket could be opened. Again after restart().
    std::function<void(std::optional<ua::LocalMedia>)> on_gathered;
    // Whether there is a way to a world that knows ICE: it was found; or it is lost, or was looked for in
    // vain as long as `search`. restart() finds another.
    std::function<void(bool there)> on_way;
    // Neither side has sent anything for `silence`, once watch() was called; close() it.
    std::function<void()> on_silence;
  };
  // `thread` and `metrics` are there until it is closed.
  struct Patience {
    base::Duration silence = limits::kSilence, search = limits::kSearch;
  };
  Bridge(ua::MediaThread& thread, MediaMetrics& metrics, User user, Patience patience);

  void open(Ports ports, const net::Ip& phone);
  void gather(ua::IceConfig config);
  // With new credentials (RFC 8445 9).
  void restart();
  // A request of the phone has come from there.
  void move_phone(const net::Ip& phone);
  void set_phone(const ua::RemoteMedia& phone);
  // `fork`: it has answered the same offer as another one before it, and takes its place.
  void set_world(const ua::RemoteMedia& world, bool fork);
  // The call is established.
  void watch();
  void close();

 private:
  void post(std::function<void(Bridge&)> task);
  void from_phone(std::string_view packet, bool rtcp);
  bool send(std::string_view packet);
  bool has_way() const;
  void seal(const ua::RemoteMedia& world);
  void look();
  void search();
  bool has_searched_in_vain() const { return given_up_ && !found_; }

  void on_gathered() override;
  void on_connected(const std::string& pair) override;
  void on_failed(const std::string& why) override;
  void on_packet(std::span<const std::uint8_t> packet) override;
  void on_relay_lost(const ua::RelayServer& relay) override;

  ua::MediaThread& thread_;
  MediaMetrics& metrics_;
  User user_;
  const Patience patience_;
  std::unique_ptr<PhoneSide> phone_;
  std::unique_ptr<ua::IceAgent> ice_;
  std::unique_ptr<SealedSide> sealed_;  // null: plain RTP
  std::unique_ptr<ua::MediaTimer> timer_;
  std::optional<ua::RemoteMedia> world_;
  bool rtcp_port_ = false;  // gathered for
  bool rtcp_ = false;       // the world takes it
  bool found_ = false;      // a way, with the credentials that are told now
  bool given_up_ = false;   // looking for it
  bool sealing_ = false;    // nothing goes in the clear
  bool closed_ = false;
  base::Instant heard_{};            // something came from the world
  base::Instant searching_since_{};  // for a way
};

}  // namespace causeway::anchor
