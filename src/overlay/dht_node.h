// One node of the Kademlia network, in our own terms. dht_node.cc is the only file that includes
// OpenDHT; what that library does and does not do is written down there, where it matters.
//
// Callbacks come from within the library: they only note what came and act in the `after` hook, which
// runs when the library has returned.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/loop.h"
#include "overlay/node_file.h"
#include "overlay/sealed_socket.h"

namespace causeway::overlay {

using DhtKey = std::array<std::uint8_t, 20>;

struct DhtValue {
  std::uint16_t type = 0;
  std::uint64_t id = 0;
  bool plain = false;  // nothing but data: no owner, signature, recipient, cypher, user type
  std::span<const std::uint8_t> data;
};

class DhtNode {
 public:
  struct Type {
    std::uint16_t id;
    base::Duration life;  // how long holders keep a value
  };
  // Makes the value that it belongs to an empty one, wherever it is kept at this node. The library has
  // no way to remove a value that somebody else has put.
  using Empty = std::function<void()>;
  struct Hooks {
    // A member asks this node to hold a value. True: it is held.
    std::function<bool(const DhtKey&, const DhtValue&, Empty)> store;
    std::function<void()> refused_type, refused_edit;  // to count
    std::function<void()> after;
  };
  struct Config {
    identity::PeerId peer;
    std::uint32_t network = 0;
    std::vector<Type> types;
    std::uint32_t refused_types = 65536;
  };

  DhtNode(base::Loop& loop, SealedSocket& socket, const Config& config, Hooks hooks);
  ~DhtNode();

  void ping(const net::Address& to);

  // Held by the nodes nearest to the key for the life of its type.
  Empty put(const DhtKey& key, const DhtValue& value);
  // Not sent any more to those that do not hold it yet.
  void cancel_put(const DhtKey& key, std::uint64_t id);

  using OnValues = std::function<void(std::span<const DhtValue>)>;
  // `on_done` gets the nodes that were asked last, nearest first: "PEERID at ADDRESS".
  using OnDone = std::function<void(std::vector<std::string> nodes)>;
  void get(const DhtKey& key, OnValues on_values, OnDone on_done);

  using Token = std::size_t;  // 0: none
  Token listen(const DhtKey& key, OnValues on_values);
  void unlisten(const DhtKey& key, Token token);

  struct Status {
    std::size_t good = 0, known = 0;
  };
  Status status() const;
  std::vector<SavedNode> nodes() const;  // the good ones, nearest first

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::overlay
