// One libnice agent: one set of credentials, candidates and checks, and the pair that comes of them. An
// IceAgent (ice.h) makes a new one for each restart, so that the old path stays in use until the new one is
// there.
//
// On the media thread. The owner hears of it in a task of its own, never from within a call, but for packets.
#pragma once

#include <nice/agent.h>

#include <memory>
#include <string>
#include <vector>

#include "ua/ice.h"

namespace causeway::ua {

class IcePath {
 public:
  class Owner {
   public:
    virtual void path_gathered(IcePath& path) = 0;
    virtual void path_selected(IcePath& path) = 0;  // and again when another pair is selected
    virtual void path_failed(IcePath& path, const std::string& why) = 0;
    virtual void path_packet(IcePath& path, std::span<const std::uint8_t> packet) = 0;

   protected:
    ~Owner() = default;
  };

  IcePath(MediaThread& thread, const IceConfig& config, Owner& owner);
  // What has been allocated at relays is given back.
  ~IcePath();

  // False, with path_failed to come, if not even a socket could be opened.
  void gather();
  bool is_gathered() const { return gathered_; }
  void describe(LocalMedia& media) const;

  void set_remote(const RemoteMedia& remote);
  // Another one in place of the remote that there was; what this side has told stands.
  void follow(const RemoteMedia& remote);
  const std::optional<IceCredentials>& remote_credentials() const { return remote_; }
  // What was set while candidates were still being gathered.
  const std::optional<RemoteMedia>& waiting_remote() const { return waiting_; }

  bool is_selected() const { return selected_; }
  bool has_consent() const { return !by_signalling_; }  // false: without ICE
  std::string pair() const { return pair_; }
  // The relay that the selected pair's local candidate belongs to.
  std::optional<net::Address> relay() const { return relay_; }
  bool send(std::span<const std::uint8_t> packet);

 private:
  struct Callbacks;
  void later(void (IcePath::*what)());
  void hurry_gathering();
  void finish_gathering();
  void see_state();
  void see_pair();
  void lose_consent();
  bool select_again();
  void watch_channel(int repeats);
  void fail(std::string why);
  void add_relays(const IceConfig& config);
  std::vector<Candidate> described(const std::vector<NiceCandidate*>& locals) const;
  void set_candidates(guint component, const std::vector<Candidate>& candidates);
  void ask_at_most(unsigned times);
  void begin_checks(const RemoteMedia& remote);
  void begin_without_ice(const RemoteMedia& remote);
  bool select_signalled(guint component, const net::Address& remote);
  std::vector<NiceCandidate*> gathered_locals(guint component) const;

  MediaThread& thread_;
  Owner& owner_;
  const bool relay_only_, controlling_;
  NiceAgent* agent_;
  guint stream_ = 0;
  IceCredentials credentials_;
  const guint components_;
  std::vector<NiceCandidate*> locals_;       // since they have been gathered
  std::vector<NiceCandidate*> rtcp_locals_;  // of the second component
  bool rtcp_apart_ = false;                  // RTCP goes by that
  std::optional<Candidate> own_end_;         // of the selected pair
  std::optional<IceCredentials> remote_;
  std::optional<net::Address> signalled_;  // without ICE: where media goes
  int named_ = 0;                          // how many such addresses there have been
  std::optional<RemoteMedia> waiting_;     // was there before the local candidates
  bool gathered_ = false, selected_ = false, by_signalling_ = false, failed_ = false;
  bool channel_awaited_ = false;  // at the relay, and nothing has been sent yet
  bool heard_ = false;            // a packet, since channel_ has begun to listen
  std::string pair_, local_foundation_, remote_foundation_;
  std::optional<net::Address> relay_;
  base::Instant unanswered_{};  // when a round of consent has ended without an answer
  MediaTimer patience_;
  MediaTimer channel_;              // at the relay: whether it was bound
  std::shared_ptr<IcePath*> self_;  // what tasks hold on to
};

}  // namespace causeway::ua
