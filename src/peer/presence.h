// The record that says where a peer is: sip:_PEERID@D with the addresses of its links, or the peers that lead
// to it. Put at start, refreshed while the peer runs, withdrawn when it stops.
#pragma once

#include <string>
#include <vector>

#include "base/loop.h"
#include "overlay/overlay.h"

namespace causeway::peer {

class Presence {
 public:
  static constexpr base::Duration kLife = std::chrono::seconds(120);
  static constexpr base::Duration kRefresh = std::chrono::seconds(40);

  Presence(base::Loop& loop, overlay::Overlay& overlay, const overlay::Signer& signer, std::string uri)
      : loop_(loop), overlay_(overlay), signer_(signer), uri_(std::move(uri)), timer_(loop.timers(), [this] {
          publish();
        }) {}

  void announce(std::vector<net::Address> links, std::vector<overlay::ViaPeer> vias) {
    links_ = std::move(links);
    vias_ = std::move(vias);
    publish();
  }
  void withdraw() {
    timer_.stop();
    put({});
  }

 private:
  void publish() {
    put(overlay::encode(overlay::PeerBody{.links = links_, .vias = vias_}));
    timer_.start(kRefresh);
  }
  void put(base::Bytes body) {
    sequence_ = std::max(sequence_ + 1, loop_.unix_now());
    overlay_.put(
        signer_.sign(overlay::Kind::peer, uri_, sequence_, sequence_ + kLife.count(), std::move(body)));
  }
  base::Loop& loop_;
  overlay::Overlay& overlay_;
  const overlay::Signer& signer_;
  std::string uri_;
  std::vector<net::Address> links_;
  std::vector<overlay::ViaPeer> vias_;
  base::UnixMs sequence_ = 0;
  base::Timer timer_;
};

}  // namespace causeway::peer
