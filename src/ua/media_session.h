// The real session (session.h): descriptions by offer_answer.h, media by media.h.
//
// Nothing is played before talk(): until then a caller listens at most (a provider's
// announcements), and a callee finds a path, so that there is one when somebody lifts the receiver.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/random.h"
#include "ua/media.h"
#include "ua/session.h"

namespace causeway::ua {

class MediaSession;

class MediaSessions final : public SessionMaker {
 public:
  // `config`: its relays are those of each call. `ice`: without it media goes by the first relay, or from an
  // address of this machine, to where the other side says. `metrics`: what all its sessions have refused is
  // added there; it outlives them, and they this.
  MediaSessions(base::Loop& loop, MediaThread& thread, base::Random& random, MediaConfig config, bool ice,
                base::Metrics& metrics);
  ~MediaSessions();

  // What sessions that have ended have counted is in the metrics; now that of the others is, too. Waits for
  // the media thread (milliseconds).
  void collect();

  std::unique_ptr<Session> make(SessionUser& user, std::vector<RelayServer> relays, bool caller) override;

 private:
  friend class MediaSession;
  base::Loop& loop_;
  MediaThread& thread_;
  base::Random& random_;
  MediaConfig config_;
  bool ice_;
  base::Metrics& metrics_;
  std::set<MediaSession*> open_;
};

}  // namespace causeway::ua
