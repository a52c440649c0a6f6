// Can other peers reach this one? It asks those that it knows of to call it back (overlay/link_service.h).
//
// One "yes" decides. "No" decides when nobody else has said "yes" a moment later. If nobody can tell, because
// nobody is there, none of them knows it of himself yet, or the way there says nothing about the way back
// (the machine itself; an address that is not the one listened on, with no NAT between), nothing is known.
// Behind a NAT it is worth waiting some seconds for somebody who can tell.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/network.h"
#include "overlay/link_asker.h"

namespace causeway::peer {

enum class Reach : std::uint8_t { unknown, yes, no };

class Reachability {
 public:
  struct Question {
    std::vector<net::Address> ask;        // link endpoints of other peers; at most kMost are asked
    std::vector<net::Address> listening;  // where this peer's links listen, as advertised
  };
  static constexpr std::size_t kMost = 6;
  // A connection, and limits::kCheckPatience at the other end.
  static constexpr base::Duration kPatience = std::chrono::milliseconds(4500);
  // Whoever may still say "yes" when one has said "no".
  static constexpr base::Duration kSecondOpinion = std::chrono::milliseconds(1000);

  // The asker must outlive it.
  Reachability(overlay::LinkAsker& asker, net::Network& network);
  ~Reachability();

  // Calls `done` once, in a later turn. Asking again ends what was asked before.
  void find_out(Question question, std::function<void(Reach)> done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::peer
