// The overlay on OpenDHT (Kademlia), embedded: one node of class dht::Dht, driven from our Loop over
// our own sealed datagrams (sealed_socket.h).
//
// How a record gets there and back. put: the record becomes a value under the key of its URI (the
// first 20 bytes of the URI's SHA-256), with an id that is the hash of the record, so that each version
// is a value of its own and nobody can take its place. The eight members nearest to the key are asked
// to hold it; each applies the one rule, and keeps the newest version of each signer (held_records.h).
// get: the same members are asked; each distinct answer is checked once (check_memory.h).
//
// What the engine does by itself: it finds others and remembers them (bootstrap.h, node_file.h), looks
// up random places after it has joined so that others know it, keeps what it was given to put while it
// was alone and puts it out when it meets the first other member.
//
// Limits, each with its reason: limits.h. Values of any type but ours are refused, which takes an entry
// for each of the 65,536 types (11 MiB).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/loop.h"
#include "base/random.h"
#include "identity/bundle.h"
#include "net/network.h"
#include "overlay/overlay.h"

namespace causeway::overlay {

struct OpenDhtConfig {
  std::string domain;
  identity::PeerId peer;
  identity::NetworkKey network_key{};
  std::vector<net::Address> listen;              // at most one of each IP version
  std::vector<net::Address> bootstrap;           // names are resolved by the caller; none: the first peer
  std::size_t most_stored = limits::kMaxStored;  // bytes of records held for others
  std::string nodes_file;                        // where known members are saved; empty: nowhere
  base::Duration save_every = std::chrono::minutes(3);

  // A peer that knows many members from its last run waits a random part of this before it joins.
  base::Duration jitter = std::chrono::seconds(2);
  // Lookups of random keys after joining, and the time over which they are spread.
  int random_lookups = 8;
  base::Duration lookup_spread = std::chrono::seconds(2);

  // Type ids below this are refused one by one. For simulations with hundreds of peers in a process.
  std::uint32_t refused_types = 65536;
};

// All references must outlive the overlay. Fails if the addresses cannot be listened at.
base::Result<std::unique_ptr<Engine>> make_opendht_overlay(base::Loop& loop, net::Network& network,
                                                           base::Random& random, base::Metrics& metrics,
                                                           RecordChecker& checker, OpenDhtConfig config);

}  // namespace causeway::overlay
