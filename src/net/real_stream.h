// A stream over a kernel socket: TCP, with TLS in it or not.
//
//   connecting -> handshaking -> open -> closed        (outgoing)
//                 handshaking -> open -> closed        (accepted; plain TCP begins open)
//
// Who may call the handler: only what begins with an event (readable, writable, a timer). `send` and
// the flush at the end of a turn never do: what they find out is told in a later turn (end_later).
// A connection that the other side has closed for writing is closed: SIP has no use for half of one.
#pragma once

#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "net/descriptor.h"
#include "net/network.h"
#include "net/network_core.h"
#include "net/tls_session.h"

namespace causeway::net {

class RealStream;

// The accepted connections of one listener, the longest silent one first, and how many each source has.
class AcceptedStreams {
 public:
  using Place = std::list<RealStream*>::iterator;
  Place add(RealStream& stream, const Ip& source) {
    ++of_source_[source.source()];
    return all_.insert(all_.end(), &stream);
  }
  void remove(Place place, const Ip& source) {
    const auto count = of_source_.find(source.source());
    if (--count->second == 0) of_source_.erase(count);
    all_.erase(place);
  }
  void has_spoken(Place place) { all_.splice(all_.end(), all_, place); }
  std::size_t size() const { return all_.size(); }
  RealStream& longest_silent() { return *all_.front(); }
  std::size_t of(const Ip& source) const {
    const auto count = of_source_.find(source.source());
    return count == of_source_.end() ? 0 : count->second;
  }

 private:
  std::list<RealStream*> all_;
  std::unordered_map<std::uint64_t, std::size_t> of_source_;
};

// Who waits for an accepted stream to finish its handshake. Owns it until then.
class Gate {
 public:
  virtual void on_handshake_done(RealStream& stream) = 0;
  virtual void on_handshake_failed(RealStream& stream, const StreamClosed& why) = 0;

 protected:
  ~Gate() = default;
};

class RealStream final : public Stream, private Flushable {
 public:
  static std::unique_ptr<RealStream> connect(NetworkCore& core, const Address& remote, const TlsClient& tls,
                                             StreamHandler& handler);
  // `tls` null: plain TCP, and the gate is never asked.
  static std::unique_ptr<RealStream> accepted(NetworkCore& core, Descriptor fd, const Address& remote,
                                              std::shared_ptr<AcceptedStreams> all, TlsContext* tls,
                                              Gate& gate);
  ~RealStream() override;

  void set_handler(StreamHandler& handler) override;
  const Address& local() const override { return local_; }
  const Address& remote() const override { return remote_; }
  bool connected() const override { return state_ == State::open; }
  void send(base::Buffer bytes) override;
  const std::vector<std::string>& certified_names() const override { return certified_names_; }
  std::size_t queued() const override { return queued_; }

  // Accepted streams: begin; leave the gate; give way to a newer one.
  void start();
  void leave_gate() { gate_ = nullptr; }
  void make_room();

 private:
  enum class State : std::uint8_t { connecting, handshaking, open, closed };
  struct Alarm : base::TimerNode {
    Alarm(RealStream& s, Fire fire) : TimerNode(fire), stream(s) {}
    RealStream& stream;
  };

  RealStream(NetworkCore& core, Descriptor fd, const Address& remote);
  void begin_connect();
  void on_connect_ready();
  void begin_handshake();
  void step_handshake();
  void on_open();

  void read_on();
  bool read_rest();
  void on_readable();
  void on_writable();
  void on_deadline();
  void on_again();
  IoResult read_some();
  IoResult write_some();
  bool deliver(std::size_t size);
  void wait(base::Ready what);

  void flush() override;
  void write_queue();
  void take_from_queue(std::size_t bytes);
  std::span<const char> gather();

  void end_later(CloseReason reason, std::string text);
  void end_by_error(const IoResult& failed, std::string_view doing);
  void end(CloseReason reason, std::string text);
  void release(bool abort);
  void count(CloseReason reason);
  // False if the handler has destroyed the stream.
  template <class Call>
  bool call_handler(Call&& call);

  StreamHandler* handler_ = nullptr;
  Gate* gate_ = nullptr;
  Descriptor fd_;
  std::unique_ptr<base::Loop::Watch> watch_;
  std::unique_ptr<TlsSession> tls_;
  TlsContext* tls_context_ = nullptr;
  std::string tls_name_;
  Address local_;
  Address remote_;
  std::vector<base::Buffer> queue_;
  std::size_t queue_head_ = 0;   // buffers of queue_ that are written
  std::size_t head_offset_ = 0;  // bytes written of the next one
  std::size_t queued_ = 0;
  std::vector<std::string> certified_names_;
  Alarm deadline_;  // connect and handshake
  Alarm again_;     // what must not wait for the descriptor, and must not happen now
  std::unique_ptr<StreamClosed> ending_;
  std::shared_ptr<AcceptedStreams> all_;
  AcceptedStreams::Place in_all_;
  bool* gone_ = nullptr;
  State state_;
  bool write_blocked_ = false;
  bool read_needs_write_ = false;
};

}  // namespace causeway::net
