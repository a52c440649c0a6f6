// The overlay: records put under URIs and got from there by anyone, held by all members together.
//
// Two engines: OpenDHT (opendht_overlay.h) and one in memory (memory_overlay.h) for tests of what
// stands above. Both give only records that pass the one rule. Threads beside the engine's have a client of
// it (overlay_share.h).
//
// One thread: that of the Loop. Callbacks never come after destruction.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "overlay/record.h"

namespace causeway::overlay {

class Overlay {
 public:
  virtual ~Overlay() = default;

  // Publishes a record (signed, see Signer). The engine does not refresh it: whoever owns the record
  // puts a newer version before it expires. "Sent" is not "accepted": who needs to know, gets.
  virtual void put(const Record& record) = 0;

  // All valid records under the URI, newest per signer, tombstones included so that callers can
  // tell "gone" from "never". `on_record` (may be null) is called for each as it comes and returns
  // false to stop there; then `on_done` with all that were found, after at most `patience`.
  using OnRecord = std::function<bool(const Record&)>;
  using OnDone = std::function<void(std::vector<Record>)>;
  virtual void get(std::string_view uri, base::Duration patience, OnRecord on_record, OnDone on_done) = 0;

  // Calls for every record that comes to stand under the URI, first those that are there.
  using ListenId = std::uint64_t;
  virtual ListenId listen(std::string_view uri, std::function<void(const Record&)> on_record) = 0;
  virtual void unlisten(ListenId id) = 0;

  // True if no other member is known: what this peer has put is then the whole overlay, and get
  // answers at once, or waits for somebody to ask (remote_overlay.h).
  virtual bool alone() const = 0;
};

// What the operator asks besides.
class Engine : public Overlay {
 public:
  struct Found {  // for `causeway lookup`: everything, valid or not
    base::Bytes encoded;
    base::Result<Record> checked;
    std::vector<std::string> holders;  // node ids and addresses that answered
  };
  virtual void inspect(std::string_view uri, base::Duration patience,
                       std::function<void(std::vector<Found>)> done) = 0;

  struct Health {
    std::string engine;
    std::size_t good_nodes = 0, known_nodes = 0, stored_records = 0, stored_bytes = 0;
    bool connected = false;
  };
  virtual Health health() const = 0;
};

}  // namespace causeway::overlay
