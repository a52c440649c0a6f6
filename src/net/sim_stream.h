// Simulated streams. A Connection has two ends and two lanes, one for each direction; what is in a
// lane arrives in order: first the handshake (request, reply, confirm), then bytes, then the end. A
// lane whose way is blocked tries again, as TCP retransmits. Internal to SimNetwork.
//
// A connection lives in the world until neither end is left and nothing is under way.
#pragma once

#include <deque>

#include "net/sim_world.h"

namespace causeway::net::sim {

class StreamEnd;

struct Segment {
  enum class Kind : std::uint8_t { request, refused, tls_failed, accepted, confirm, bytes, end, reset };
  Kind kind;
  base::Instant due;
  base::Buffer bytes;  // or, tls_failed: the reason
};

class Connection {
 public:
  enum Side : std::uint8_t { client, server };
  Connection(World& world, const Address& from, const Address& to, const TlsClient& tls);

  void request(StreamEnd& end);
  void send(Side from, base::Buffer bytes);
  // The end leaves: what it sent still arrives, then the other is told.
  void leave(Side side, Segment::Kind farewell);
  // Bytes that cannot get through at present.
  std::size_t stalled(Side from) const { return lanes_[from].blocked ? lanes_[from].queued : 0; }

 private:
  friend class StreamEnd;
  struct Lane {
    Lane(Connection& c, base::TimerNode::Fire fire) : alarm(c, fire) {}
    Alarm<Connection> alarm;
    std::deque<Segment> segments;
    base::Instant last_due{};
    std::size_t queued = 0;
    bool blocked = false;
    base::Instant blocked_since{};
  };
  void push(Side from, Segment::Kind kind, base::Buffer bytes = {}, int extra_trips = 0);
  void run(Side from);
  bool still_blocked(Side from);
  void deliver(Side from, Segment segment);
  void on_request();
  void on_confirm();
  std::string check_tls(const ListenEnd& listener);
  void clear(Side from);
  bool will_hear(Side side) const;
  void erase_if_over();

  World& world_;
  Address addresses_[2];
  StreamEnd* ends_[2] = {};
  Lane lanes_[2];
  TlsClient tls_;
  TlsContext* server_tls_ = nullptr;
  bool confirmed_ = false;  // the server's end has been made
};

class StreamEnd final : public Stream {
 public:
  StreamEnd(World& world, const Address& local, const Address& remote);
  ~StreamEnd() override;
  void attach(Connection& connection, Connection::Side side);

  void set_handler(StreamHandler& handler) override { handler_ = &handler; }
  const Address& local() const override { return local_; }
  const Address& remote() const override { return remote_; }
  bool connected() const override { return open_; }
  void send(base::Buffer bytes) override;
  const std::vector<std::string>& certified_names() const override { return names_; }
  std::size_t queued() const override;

  bool ready() const { return handler_ != nullptr; }
  void on_open(std::vector<std::string> names);
  void on_bytes(const base::Buffer& bytes) { handler_->on_bytes({bytes.data(), bytes.size()}); }
  void end(CloseReason reason, std::string text);

 private:
  friend class Connection;
  void on_alarm();

  World& world_;
  Address local_;
  Address remote_;
  StreamHandler* handler_ = nullptr;
  Connection* connection_ = nullptr;  // null: closed
  Connection::Side side_ = Connection::client;
  bool open_ = false;
  std::vector<std::string> names_;
  std::vector<base::Buffer> waiting_;  // sent before it was open
  std::size_t waiting_bytes_ = 0;
  bool overflow_ = false;
  Alarm<StreamEnd> alarm_;  // the connect timeout; an overflow to be told
};

class ListenEnd final : public Listener {
 public:
  ListenEnd(World& world, const Address& local, TlsContext* t, Accept a)
      : tls(t), on_accept(std::move(a)), world_(world), local_(local) {
    world_.listeners.emplace(local_, this);
  }
  ~ListenEnd() override { world_.listeners.erase(local_); }
  const Address& local() const override { return local_; }

  TlsContext* tls;
  Accept on_accept;

 private:
  World& world_;
  Address local_;
};

}  // namespace causeway::net::sim
