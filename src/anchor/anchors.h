// Phones that know neither ICE nor TURN: this peer stands in the path of their media, and the world sees an
// ICE user agent in their place (accounts with media = "anchor").
//
//   alice's phone  --RTP-->  phone_side.h | bridge.h | ua/ice.h  --ICE-->  the world
//   her messages   --SIP-->  door.h | Anchors | call.h           --SIP-->
//
// Anchors holds the calls of all workers, and the thread of their media. A lock guards what has to do with
// signalling; no packet waits for it. Each worker has a Door, which is what its proxy knows.
//
// A call is there while a transaction of it is under way, and from a 2xx to INVITE on until BYE, or until
// neither side has sent anything for limits::kSilence.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "anchor/call.h"
#include "anchor/limits.h"
#include "base/counted_mutex.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "base/random.h"
#include "ua/relay_server.h"

namespace causeway::anchor {

struct AnchorConfig {
  PortRange ports{20000, 29999};  // towards phones
  std::size_t most_calls = limits::kMaxCalls;
  std::size_t most_of_user = limits::kMaxUserCalls;  // of these
  std::optional<net::Ip> advertise;      // what phones are told in place of an address of its family
  std::vector<net::Ip> local_addresses;  // of candidates; empty: of all interfaces
  std::vector<net::Range> allowed;       // for media, although destinations.h says no
  Bridge::Patience patience;
};

class Anchors : public std::enable_shared_from_this<Anchors> {
 public:
  explicit Anchors(AnchorConfig config);
  ~Anchors();

  // Any thread. From now on there are no calls, and no more tasks for the loops of workers: before these go.
  void stop();

  using Id = std::uint64_t;
  struct Answer {
    enum class Is : std::uint8_t { goes_on, waits, refused } is = Is::goes_on;
    int status = 0;                        // refused
    std::string reason;                    // refused
    base::Buffer request;                  // goes on: in place of the request, if anything else
    std::shared_ptr<proxy::PhoneLeg> leg;  // goes on: for responses; null: they are of no concern
    Id id = 0;                             // waits: for wait()
    bool gather = false;                   // ... and for gather(), since nobody has asked for that yet
  };

  // ---- for doors, any thread
  // `at`: where a port for the phone is to be opened, if one is needed; `phone`: where it signals from.
  using Local = std::function<net::Ip()>;
  Answer take(const sip::Message& request, proxy::Crossing crossing, std::string_view user,
              const net::Ip& phone, const Local& at);
  // `again` runs in a turn of `loop` when the candidates are there: to take the request again.
  void wait(Id id, base::Loop& loop, base::Task again);
  Answer take_again(Id id, const sip::Message& request, proxy::Crossing crossing);
  void gather(Id id, std::vector<ua::RelayServer> relays);

  // ---- for the operator, any thread but the media's
  std::vector<base::Metrics::Row> counters();
  std::size_t calls() const;

 private:
  class Leg;
  struct Place {
    std::unique_ptr<Call> call;
    std::size_t legs = 0;  // held by transactions
    bool gathers = false;  // somebody has been told to ask for it
    struct Waiter {
      base::Loop* loop;
      base::Task again;
    };
    std::vector<Waiter> waiters;
    bool is_over() const { return legs == 0 && waiters.empty() && !call->is_established(); }
  };
  using Lock = std::lock_guard<base::CountedMutex>;

  base::Buffer respond(Id id, const sip::Message& response, proxy::Crossing crossing);
  void release(Id id);
  void gathered(Id id, std::optional<ua::LocalMedia> local);
  void set_way(Id id, bool there);
  void silent(Id id);

  // With the lock held.
  Place* place(Id id);
  Id find(const sip::Message& request, proxy::Crossing crossing, std::string_view user);
  Answer open(const sip::Message& request, std::string_view user, const net::Ip& phone, const Local& at);
  Answer judge(Id id, const sip::Message& request, proxy::Crossing crossing);
  Answer refuse(int status, std::string_view reason, base::Counter& counter);
  void wake(Place& at);
  void end(Id id);

  struct Metrics {
    explicit Metrics(base::Metrics& m);
    base::Counter &begun, &now, &silent;
    base::Counter &calls, &of_user, &ports, &descriptors, &description, &no_path, &no_call;  // refused
    base::Counter& addresses;
  };

  const AnchorConfig config_;
  mutable base::CountedMutex mutex_;
  base::Random random_;
  base::Metrics counters_;
  Metrics metrics_{counters_};
  const Destinations destinations_;
  std::map<Id, Place> places_;
  std::unordered_multimap<std::string, Id> by_call_id_;
  Id last_ = 0;
  bool stopped_ = false;
  base::Metrics media_counters_;  // the media thread's
  MediaMetrics media_metrics_{media_counters_};
  std::unique_ptr<ua::MediaThread> thread_;  // from the first call on
};

}  // namespace causeway::anchor
