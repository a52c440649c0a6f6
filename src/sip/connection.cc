#include "sip/connection.h"

#include "base/limits.h"

namespace causeway::sip {

Connection::Connection(Owner& owner, base::Loop& loop, Flow flow, std::string name)
    : owner_(owner),
      flow_(flow),
      name_(std::move(name)),
      idle_(loop.timers(), [this] { close(End::idle, "idle for too long"); }),
      message_(loop.timers(),
               [this] { close(End::slow_message, "a message was begun and not completed in time"); }) {}

void Connection::adopt(std::unique_ptr<net::Stream> stream) {
  stream_ = std::move(stream);
  idle_.start(limits::kStreamIdle);
}

void Connection::send(base::Buffer bytes) {
  if (closed_) return;
  idle_.start(limits::kStreamIdle);
  stream_->send(std::move(bytes));
}

void Connection::close(End end, std::string_view why) {
  if (closed_) return;
  closed_ = true;
  idle_.stop();
  message_.stop();
  owner_.on_stream_closed(*this, end, why);
}

void Connection::on_connected() {
  if (!closed_) owner_.on_stream_connected(*this);
}

void Connection::on_bytes(std::span<const char> bytes) {
  if (closed_) return;
  idle_.start(limits::kStreamIdle);
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
