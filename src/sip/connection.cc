#include "sip/connection.h"

#include "base/limits.h"

namespace causeway::sip {

struct Connection::KeepAlive {
  KeepAlive(base::Timers& timers, std::function<void()> on_due) : timer(timers, std::move(on_due)) {}
  base::Timer timer;
  base::Duration ping{}, pong{};
  bool asked = false;
};

Connection::Connection(Owner& owner, base::Loop& loop, Flow flow, std::string name)
    : owner_(owner),
      loop_(loop),
      flow_(flow),
      name_(std::move(name)),
      idle_(loop.timers(), [this] { close(End::idle, "idle for too long"); }),
      message_(loop.timers(),
               [this] { close(End::slow_message, "a message was begun and not completed in time"); }) {}

Connection::~Connection() = default;

void Connection::adopt(std::unique_ptr<net::Stream> stream) {
  stream_ = std::move(stream);
  idle_.start(limits::kStreamIdle);
}

void Connection::send(base::Buffer bytes) {
  if (closed_) return;
  if (silence_ == base::Duration::zero()) idle_.start(limits::kStreamIdle);
  stream_->send(std::move(bytes));
}

// RFC 5626 4.4.1.
void Connection::keep_alive(base::Duration ping, base::Duration pong) {
  if (closed_) return;
  if (!keep_alive_)
    keep_alive_ = std::make_unique<KeepAlive>(loop_.timers(), [this] {
      if (keep_alive_->asked) return close(End::silent, "no answer to a keep-alive");
      keep_alive_->asked = true;
      keep_alive_->timer.start(keep_alive_->pong);
      send(base::Buffer::copy_of("\r\n\r\n"));
    });
  keep_alive_->ping = ping;
  keep_alive_->pong = pong;
  heard();
}

void Connection::expect(base::Duration silence) {
  silence_ = silence;
  heard();
}

void Connection::heard() {
  idle_.start(silence_ == base::Duration::zero() ? limits::kStreamIdle : silence_);
  if (!keep_alive_) return;
  keep_alive_->asked = false;
  keep_alive_->timer.start(keep_alive_->ping);
}

void Connection::close(End end, std::string_view why) {
  if (closed_) return;
  closed_ = true;
  idle_.stop();
  message_.stop();
  if (keep_alive_) keep_alive_->timer.stop();
  owner_.on_stream_closed(*this, end, why);
}

void Connection::on_connected() {
  if (!closed_) owner_.on_stream_connected(*this);
}

void Connection::on_bytes(std::span<const char> bytes) {
  if (closed_) return;
  heard();
  framer_.feed({bytes.data(), bytes.size()});
  while (!closed_) {
    const Frame frame = framer_.next();
    if (frame.kind == FrameKind::more) break;
    // The time for a message runs from its own begin.
    if (frame.kind == FrameKind::message) {
      message_.stop();
      owner_.on_stream_message(*this, frame.bytes);
    } else if (frame.kind == FrameKind::ping) {
      send(base::Buffer::copy_of("\r\n"));
    } else if (frame.kind == FrameKind::error) {
      owner_.on_stream_error(*this, frame.bytes, frame.error);
      close(End::not_sip, frame.error.what);
    }
  }
  if (closed_) return;
  if (!framer_.in_message())
    message_.stop();
  else if (!message_.pending())
    message_.start(limits::kStreamMessage);
}

void Connection::on_closed(const net::StreamClosed& why) { close(End::network, why.text); }

}  // namespace causeway::sip
