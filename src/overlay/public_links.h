// The links of a member that cannot be reached: two, to different public peers, through which it asks the
// overlay (remote_overlay.h) and is reached (RFC 5626's flows, over TLS with certificates on both sides).
//
// A walk through the normal case. start() dials the bootstrap addresses, two at a time. Whoever answers an
// `attach` with ok is one of the two; users are told (on_link_up), put and listen there, and name it in their
// records (vias). A CRLF ping every kPing is owed a CRLF within kPong, else the link is given up, so one that
// has fallen silent, or whose NAT has forgotten it, is noticed within seconds. Then another public peer takes
// its place: one that was heard of (learn: service records, the file of known peers), or a bootstrap address;
// who has failed is tried again after a pause that doubles.
//
// One thread. Callbacks come in turns of the loop, never from inside a call.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "overlay/link_asker.h"
#include "overlay/record.h"

namespace causeway::overlay {

struct PublicLinksConfig {
  std::vector<net::Address> bootstrap;
  std::string nodes_file;  // public peers that were known when this one last ran (node_file.h); empty: none
  std::size_t wanted = 2;
};

class PublicLinks final : public LinkRequests {
 public:
  static constexpr base::Duration kPing = std::chrono::milliseconds(2000);
  static constexpr base::Duration kPong = std::chrono::milliseconds(2000);
  static constexpr base::Duration kFirstPause = std::chrono::milliseconds(500);
  static constexpr base::Duration kLongestPause = std::chrono::seconds(15);

  struct Link {
    identity::PeerId peer;
    sip::Flow flow;     // flow.remote: the public peer's link endpoint
    net::Address seen;  // where that peer sees this member
  };
  class User {
   public:
    virtual void on_link_up(const Link& link) = 0;
    virtual void on_link_down(const Link& link) = 0;
    // A public peer tells something (What::news).
    virtual void on_news(const Link& link, const LinkQuestion& news) = 0;

   protected:
    ~User() = default;
  };

  // The asker must outlive it.
  PublicLinks(LinkAsker& asker, PublicLinksConfig config);
  ~PublicLinks();

  void start();
  // Ends the links; users are told.
  void stop();
  // Told of the links that are up in the next turn, and of changes afterwards.
  void add_user(User& user);
  void remove_user(User& user);

  const std::vector<Link>& up() const;
  // The public peers through which this member is reached now: for its records.
  std::vector<ViaPeer> vias() const;
  // There is such a public peer. At most limits::kMaxPublicPeers are remembered.
  void learn(const ViaPeer& peer);
  std::size_t known() const;

  LinkAsker& asker();

  // LinkRequests: of this member's own links. Other requests are answered `not_public`.
  void on_link_request(sip::ServerTransaction& transaction, const sip::Message& request,
                       const sip::Flow& flow) override;
  void on_link_closed(const sip::Flow& flow) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::overlay
