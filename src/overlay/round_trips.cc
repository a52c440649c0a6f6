#include "overlay/round_trips.h"

#include <algorithm>
#include <array>
#include <list>
#include <map>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "stun/writer.h"

namespace causeway::overlay {
namespace {

using Transaction = std::array<std::uint8_t, stun::kTransactionSize>;

}  // namespace

struct RoundTrips::Impl final : net::UdpHandler {
  struct Known {
    std::optional<base::Duration> time;
    base::Instant when{};
  };
  struct Request {
    Transaction transaction;
    base::Instant sent;
  };
  struct Probe {
    Probe(base::Timers& timers, std::function<void()> on_time) : again(timers, std::move(on_time)) {}
    bool was_silent = false;  // the last time
    std::vector<Request> requests;
    base::Timer again;
  };
  struct Measurement {
    Measurement(base::Timers& timers, std::function<void()> on_time) : slack(timers, std::move(on_time)) {}
    std::vector<Place> places;
    Times times;  // of the places
    std::size_t enough = 0;
    std::function<void(Times)> done;
    base::Timer slack;
    std::optional<base::Instant> until;  // once one has answered

    void note(const net::Address& address, base::Duration time) {
      for (std::size_t i = 0; i < places.size(); ++i)
        if (std::ranges::find(places[i], address) != places[i].end())
          times[i] = std::min(times[i].value_or(time), time);
    }
  };

  Impl(base::Loop& the_loop, net::Network& the_network, base::Random& the_random, base::Metrics& metrics)
      : loop(the_loop),
        network(the_network),
        random(the_random),
        answered(metrics.counter("overlay_round_trips_total{outcome=\"answered\"}",
                                 "addresses whose distance was to be measured")),
        silent(metrics.counter("overlay_round_trips_total{outcome=\"silent\"}",
                               "addresses whose distance was to be measured")),
        strays(metrics.counter("overlay_round_trip_strays_total",
                               "datagrams that answer no measurement that is under way")) {}

  void measure(std::vector<Place> places, std::size_t enough, std::function<void(Times)> done) {
    measurements.emplace_back(loop.timers(), [this] { settle(); });
    Measurement& made = measurements.back();
    made.places = std::move(places);
    made.times.resize(made.places.size());
    made.enough = enough;
    made.done = std::move(done);
    for (const Place& place : made.places)
      for (const net::Address& address : place) {
        const Known* one = believed(address);
        if (!one)
          probe(address);
        else if (one->time)
          made.note(address, *one->time);
      }
    settle();
  }

  // ---- one address

  const Known* believed(const net::Address& address) const {
    const auto at = known.find(address);
    if (at == known.end()) return nullptr;
    const base::Duration age = loop.now() - at->second.when;
    return age < (at->second.time ? kBelieved : kSilenceBelieved) ? &at->second : nullptr;
  }

  void probe(const net::Address& address) {
    if (probes.contains(address)) return;
    if (!socket_for(address.ip)) return learn(address, std::nullopt);
    auto made = std::make_unique<Probe>(loop.timers(), [this, address] { on_time(address); });
    Probe& begun = *made;
    const auto before = known.find(address);
    begun.was_silent = before != known.end() && !before->second.time;
    probes.emplace(address, std::move(made));
    send(address, begun);
  }

  void send(const net::Address& to, Probe& from) {
    Request& request = from.requests.emplace_back(Request{{}, loop.now()});
    random.fill(request.transaction);
    char room[stun::kHeaderSize];
    const stun::Writer out(
        room, stun::Class::request, stun::Method::binding,
        {reinterpret_cast<const char*>(request.transaction.data()), request.transaction.size()});
    socket_for(to.ip)->send(to, base::Buffer::copy_of(out.view()));
    from.again.start(kAgain);
  }

  void on_time(const net::Address& address) {
    Probe& probe = *probes.at(address);
    if (loop.now() - probe.requests.front().sent < kPatience) return send(address, probe);
    ++silent;
    finish(address, std::nullopt);
  }

  void finish(const net::Address& address, std::optional<base::Duration> time) {
    // Not from within its own timer.
    auto gone = std::make_shared<std::unique_ptr<Probe>>(std::move(probes.at(address)));
    probes.erase(address);
    (*gone)->again.stop();
    loop.post([gone] { gone->reset(); });
    learn(address, time);
    if (time)
      for (Measurement& one : measurements) one.note(address, *time);
    settle();
  }

  void learn(const net::Address& address, std::optional<base::Duration> time) {
    if (known.size() >= limits::kMaxRoundTrips && !known.contains(address)) known.clear();
    known[address] = {time, loop.now()};
  }

  // Null where this machine has no such addresses.
  net::UdpSocket* socket_for(const net::Ip& ip) {
    auto& socket = ip.is_v4() ? socket4 : socket6;
    bool& tried = ip.is_v4() ? tried4 : tried6;
    if (!std::exchange(tried, true)) {
      auto opened = network.open_udp({ip.is_v4() ? net::Ip() : net::Ip::v6({}), 0}, *this);
      if (opened)
        socket = std::move(*opened);
      else
        base::log::info("overlay", "no distances over {}: {}", ip.is_v4() ? "IPv4" : "IPv6",
                        opened.error().message);
    }
    return socket.get();
  }

  void on_datagrams(std::span<net::Datagram> batch) override {
    for (const net::Datagram& datagram : batch) {
      const auto message = stun::Message::parse({datagram.bytes.data(), datagram.bytes.size()});
      const auto probe = probes.find(datagram.from);
      if (!message || message->method() != stun::Method::binding || probe == probes.end() ||
          message->kind() != stun::Class::success) {
        ++strays;
        continue;
      }
      const auto& requests = probe->second->requests;
      const auto request = std::ranges::find_if(requests, [&](const Request& one) {
        return std::ranges::equal(one.transaction, message->transaction(),
                                  [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); });
      });
      if (request == requests.end()) {
        ++strays;
        continue;
      }
      ++answered;
      finish(datagram.from, loop.now() - request->sent);
    }
  }

  // Nobody listens there any more. Who forges that only takes a place off the list for kSilenceBelieved.
  void on_unreachable(const net::Address& to) override {
    if (!probes.contains(to)) return;
    ++silent;
    finish(to, std::nullopt);
  }

  // ---- who asked

  bool is_over(Measurement& one) {
    std::size_t with_time = 0, asked = 0, waited_for = 0;
    for (std::size_t i = 0; i < one.places.size(); ++i) {
      if (one.times[i]) {
        ++with_time;
        continue;
      }
      const auto any = [&](auto condition) { return std::ranges::any_of(one.places[i], condition); };
      asked += any([this](const auto& at) { return probes.contains(at); });
      waited_for += any([this](const auto& at) {
        const auto probe = probes.find(at);
        return probe != probes.end() && !probe->second->was_silent;
      });
    }
    if (one.enough == kAll || asked == 0) return asked == 0;
    if (waited_for == 0) return true;
    if (with_time == 0) return false;
    const base::Instant until = loop.now() + (with_time < one.enough ? kSlackForMore : kSlack);
    if (!one.until || until < *one.until) {
      one.until = until;
      one.slack.start(until - loop.now());
    }
    return loop.now() >= *one.until;
  }

  // Ends the measurements that are over.
  void settle() {
    for (auto at = measurements.begin(); at != measurements.end();) {
      if (!is_over(*at)) {
        ++at;
        continue;
      }
      // The list's node goes with the task: this may be its own timer.
      auto over = std::make_shared<std::list<Measurement>>();
      over->splice(over->begin(), measurements, at++);
      over->front().slack.stop();
      loop.post([over, alive = std::weak_ptr(alive_)] {
        if (Measurement& one = over->front(); !alive.expired()) one.done(std::move(one.times));
      });
    }
  }

  base::Loop& loop;
  net::Network& network;
  base::Random& random;
  base::Counter &answered, &silent, &strays;
  std::unique_ptr<net::UdpSocket> socket4, socket6;
  bool tried4 = false, tried6 = false;
  std::map<net::Address, Known> known;
  std::map<net::Address, std::unique_ptr<Probe>> probes;
  std::list<Measurement> measurements;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

RoundTrips::RoundTrips(base::Loop& loop, net::Network& network, base::Random& random, base::Metrics& metrics)
    : impl_(std::make_unique<Impl>(loop, network, random, metrics)) {}
RoundTrips::~RoundTrips() = default;
void RoundTrips::measure(std::vector<Place> places, std::size_t enough, std::function<void(Times)> done) {
  impl_->measure(std::move(places), enough, std::move(done));
}

}  // namespace causeway::overlay
