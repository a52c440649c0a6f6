#include "net/real_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "base/log.h"
#include "net/tls.h"

namespace causeway::net {
namespace {

CloseReason reason_of(int error) {
  switch (error) {
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EACCES:
    case EPERM:
      return CloseReason::refused;
    case ETIMEDOUT:
      return CloseReason::timeout;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
      return CloseReason::reset;
    default:
      return CloseReason::local;
  }
}

std::string explain_connect_error(int error) {
  switch (error) {
    case ECONNREFUSED:
      return "connection refused: nothing listens there, or a firewall rejects it";
    case EHOSTUNREACH:
      return "no such host can be reached (a router or the local network said so)";
    case ENETUNREACH:
      return "no route to that network; does this machine have a default route?";
    case EMFILE:
    case ENFILE:
      return "out of file descriptors; raise the limit (ulimit -n)";
    default:
      return error_text(error);
  }
}

void set_stream_options(int fd) {
  const auto seconds = [](base::Duration d) {
    return static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(d).count());
  };
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds(limits::kKeepAliveIdle));
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds(limits::kKeepAliveInterval));
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(limits::kPeerSilence.count()));
}

IoResult from_errno(ssize_t result, IoResult::Kind blocked) {
  if (result >= 0) return {IoResult::Kind::done, static_cast<std::size_t>(result)};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {blocked};
  return {IoResult::Kind::failed, 0, errno};
}

}  // namespace

template <class Call>
bool RealStream::call_handler(Call&& call) {
  bool gone = false;
  gone_ = &gone;
  call();
  if (gone) return false;
  gone_ = nullptr;
  return true;
}

// --- Beginning -----------------------------------------------------------------------------------

RealStream::RealStream(NetworkCore& core, Descriptor fd, const Address& remote)
    : Flushable(core),
      fd_(std::move(fd)),
      remote_(remote),
      deadline_(*this, [](base::TimerNode& node) { static_cast<Alarm&>(node).stream.on_deadline(); }),
      again_(*this, [](base::TimerNode& node) { static_cast<Alarm&>(node).stream.on_again(); }),
      state_(State::connecting) {
  if (!fd_) return;
  watch_ = core_.loop.watch(fd_.get());
  set_stream_options(fd_.get());
}

std::unique_ptr<RealStream> RealStream::connect(NetworkCore& core, const Address& remote,
                                                const TlsClient& tls, StreamHandler& handler) {
  Descriptor fd = open_socket(remote.ip, SOCK_STREAM);
  const int error = fd ? 0 : errno;
  std::unique_ptr<RealStream> stream(new RealStream(core, std::move(fd), remote));
  stream->handler_ = &handler;
  stream->tls_context_ = tls.context;
  stream->tls_name_ = tls.name;
  ++core.metrics.connects;
  if (error == 0)
    stream->begin_connect();
  else
    stream->end_later(reason_of(error), explain_connect_error(error));
  return stream;
}

std::unique_ptr<RealStream> RealStream::accepted(NetworkCore& core, Descriptor fd, const Address& remote,
                                                 std::shared_ptr<AcceptedStreams> all, TlsContext* tls,
                                                 Gate& gate) {
  std::unique_ptr<RealStream> stream(new RealStream(core, std::move(fd), remote));
  stream->local_ = local_address(stream->fd_.get());
  stream->tls_context_ = tls;
  stream->all_ = std::move(all);
  stream->in_all_ = stream->all_->add(*stream, remote.ip);
  stream->state_ = tls ? State::handshaking : State::open;
  if (tls) stream->gate_ = &gate;
  return stream;
}

void RealStream::start() {
  if (state_ != State::handshaking) return;
  core_.loop.timers().start(deadline_, limits::kHandshakeTimeout);
  begin_handshake();
}

void RealStream::set_handler(StreamHandler& handler) {
  const bool first = handler_ == nullptr;
  handler_ = &handler;
  // Not now: the caller is not ready for the bytes that may lie here already.
  if (first && (state_ == State::open || ending_)) core_.loop.timers().start(again_, base::Duration::zero());
}

void RealStream::begin_connect() {
  sockaddr_storage to{};
  const socklen_t length = remote_.to_sockaddr(to);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), length) != 0 && errno != EINPROGRESS) {
    const int error = errno;
    end_later(reason_of(error), explain_connect_error(error));
    return;
  }
  local_ = local_address(fd_.get());
  core_.loop.timers().start(deadline_, limits::kConnectTimeout);
  wait(base::Ready::write);
}

void RealStream::on_connect_ready() {
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error != 0) {
    end(reason_of(error), explain_connect_error(error));
    return;
  }
  if (tls_context_)
    begin_handshake();
  else
    on_open();
}

void RealStream::begin_handshake() {
  state_ = State::handshaking;
  tls_ = gate_ ? TlsSession::server(*tls_context_, fd_.get())
               : TlsSession::client(*tls_context_, fd_.get(), tls_name_);
  if (tls_)
    step_handshake();
  else
    end(CloseReason::tls, "TLS cannot be set up: out of memory, or a context without certificates");
}

void RealStream::step_handshake() {
  using enum IoResult::Kind;
  const IoResult result = tls_->handshake();
  switch (result.kind) {
    case done:
      return on_open();
    case want_read:
      return wait(base::Ready::read);
    case want_write:
      return wait(base::Ready::write);
    case end:
      return this->end(CloseReason::tls, "the other side closed the connection in the TLS handshake");
    case failed:
      return end_by_error(result, "TLS handshake");
  }
}

void RealStream::on_open() {
  deadline_.stop();
  state_ = State::open;
  tls_name_ = {};
  if (tls_) certified_names_ = tls_->certified_names();
  if (gate_) return gate_->on_handshake_done(*this);
  if (queued_ > 0) flush_at_end_of_turn();
  if (!call_handler([this] { handler_->on_connected(); })) return;
  read_on();
}

// --- Reading -------------------------------------------------------------------------------------

IoResult RealStream::read_some() {
  const std::span<char> to(core_.read_buffer);
  // A side that sends two small messages waits for the first one's acknowledgement (Nagle); delaying
  // that by the kernel's 40 ms would stand between 180 and 200. The option must be set each time.
  set_option(fd_.get(), IPPROTO_TCP, TCP_QUICKACK, 1);
  if (tls_) return tls_->read(to);
  const IoResult result = from_errno(::recv(fd_.get(), to.data(), to.size(), 0), IoResult::Kind::want_read);
  if (result.kind == IoResult::Kind::done && result.bytes == 0) return {IoResult::Kind::end};
  return result;
}

bool RealStream::deliver(std::size_t size) {
  if (all_) all_->has_spoken(in_all_);
  core_.waited = core_.waited_in_stream();
  return call_handler([&] { handler_->on_bytes(std::span<const char>(core_.read_buffer).first(size)); });
}

void RealStream::read_on() {
  if (tls_ && tls_->has_pending()) return on_readable();
  wait(base::Ready::read);
}

void RealStream::on_readable() {
  using enum IoResult::Kind;
  if (queued_ > 0 && !write_blocked_) flush_at_end_of_turn();
  for (int round = 0; round < limits::kReadRounds; ++round) {
    const IoResult result = read_some();
    switch (result.kind) {
      case done:
        if (!deliver(result.bytes)) return;
        if (tls_ ? tls_->has_pending() : result.bytes == core_.read_buffer.size()) continue;
        return wait(base::Ready::read);
      case want_read:
        return wait(base::Ready::read);
      case want_write:
        read_needs_write_ = true;
        return wait(base::Ready::write);
      case end:
        write_queue();  // an answer to what came just before the end
        return this->end(CloseReason::remote, "the other side closed the connection");
      case failed:
        return end_by_error(result, "reading");
    }
  }
  // The others' turn now. The descriptor will not announce again what TLS holds already.
  core_.loop.timers().start(again_, base::Duration::zero());
}

// --- Writing -------------------------------------------------------------------------------------

void RealStream::send(base::Buffer bytes) {
  if (state_ == State::closed || ending_) {
    ++core_.metrics.sent_after_close;
    return;
  }
  if (bytes.size() == 0) return;
  queued_ += bytes.size();
  queue_.push_back(std::move(bytes));
  if (queued_ > limits::kMaxQueued && state_ == State::open && !write_blocked_) write_queue();
  if (queued_ > limits::kMaxQueued)
    return end_later(CloseReason::overflow,
                     fmt::format("the other side does not read: {} bytes wait", queued_));
  if (state_ == State::open && !write_blocked_) flush_at_end_of_turn();
}

void RealStream::flush() {
  if (state_ == State::open && !write_blocked_) write_queue();
}

// Always the first bytes of the queue: after want_write, TLS must be given the same bytes again.
std::span<const char> RealStream::gather() {
  const base::Buffer& first = queue_[queue_head_];
  const std::size_t in_first = first.size() - head_offset_;
  if (in_first >= limits::kMaxWrite || in_first == queued_ || tls_context_->messages_apart())
    return {first.data() + head_offset_, std::min(in_first, limits::kMaxWrite)};
  std::size_t filled = 0;
  std::size_t offset = head_offset_;
  for (std::size_t i = queue_head_; i < queue_.size() && filled < limits::kMaxWrite; ++i) {
    const std::size_t part = std::min(queue_[i].size() - offset, limits::kMaxWrite - filled);
    std::memcpy(core_.write_buffer.data() + filled, queue_[i].data() + offset, part);
    filled += part;
    offset = 0;
  }
  return {core_.write_buffer.data(), filled};
}

IoResult RealStream::write_some() {
  if (tls_) return tls_->write(gather());
  std::array<iovec, 64> pieces;
  std::size_t count = 0;
  std::size_t offset = head_offset_;
  for (std::size_t i = queue_head_; i < queue_.size() && count < pieces.size(); ++i) {
    pieces[count++] = {queue_[i].data() + offset, queue_[i].size() - offset};
    offset = 0;
  }
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = count;
  return from_errno(::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT), IoResult::Kind::want_write);
}

void RealStream::write_queue() {
  using enum IoResult::Kind;
  while (queued_ > 0 && !ending_) {
    const IoResult result = write_some();
    switch (result.kind) {
      case done:
        take_from_queue(result.bytes);
        continue;
      case want_read:
        return;  // on_readable tries again
      case want_write:
        write_blocked_ = true;
        return wait(base::Ready::write);
      case end:
      case failed:
        // What the other side sent before it went may still lie here to be read: see on_again.
        return end_later(result.error ? reason_of(result.error) : CloseReason::reset,
                         result.error ? error_text(result.error) : tls_->failure());
    }
  }
}

void RealStream::take_from_queue(std::size_t bytes) {
  queued_ -= bytes;
  head_offset_ += bytes;
  while (queue_head_ < queue_.size() && head_offset_ >= queue_[queue_head_].size()) {
    head_offset_ -= queue_[queue_head_].size();
    queue_[queue_head_++] = {};
  }
  if (queue_head_ < queue_.size()) return;
  queue_head_ = 0;
  if (queue_.capacity() > 16)
    queue_ = {};  // thousands of idle connections would keep it
  else
    queue_.clear();
}

// --- Events --------------------------------------------------------------------------------------

void RealStream::wait(base::Ready what) {
  if (what == base::Ready::read)
    watch_->wait(what, [this] {
      if (state_ == State::handshaking) return step_handshake();
      on_readable();
    });
  else
    watch_->wait(what, [this] { on_writable(); });
}

void RealStream::on_writable() {
  if (state_ == State::connecting) return on_connect_ready();
  if (state_ == State::handshaking) return step_handshake();
  write_blocked_ = false;
  write_queue();
  if (std::exchange(read_needs_write_, false)) on_readable();
}

void RealStream::on_deadline() {
  if (state_ == State::connecting)
    return end(CloseReason::timeout,
               fmt::format("no answer within {} ms; is the host up, does a firewall drop packets?",
                           limits::kConnectTimeout.count()));
  if (gate_) ++core_.metrics.handshake_timeouts;
  end(CloseReason::timeout, "the TLS handshake was not finished in time");
}

void RealStream::on_again() {
  if (!ending_) return read_on();
  if (state_ == State::closed) {  // it ended before it had a handler
    const StreamClosed why = std::move(*std::exchange(ending_, nullptr));
    return handler_->on_closed(why);
  }
  if (ending_->reason == CloseReason::reset && state_ == State::open && handler_ && !read_rest()) return;
  const StreamClosed why = std::move(*std::exchange(ending_, nullptr));
  end(why.reason, why.text);
}

// --- Ending --------------------------------------------------------------------------------------

void RealStream::end_later(CloseReason reason, std::string text) {
  if (ending_) return;
  ending_ = std::make_unique<StreamClosed>(StreamClosed{reason, std::move(text)});
  core_.loop.timers().start(again_, base::Duration::zero());
}

// A write failed: what the other side sent before it went can still be read, and may say why.
bool RealStream::read_rest() {
  for (int round = 0; round < limits::kReadRounds; ++round) {
    const IoResult result = read_some();
    if (result.kind == IoResult::Kind::failed && result.error == 0)
      *ending_ = {CloseReason::tls, tls_->failure()};
    if (result.kind != IoResult::Kind::done) break;
    if (!deliver(result.bytes)) return false;
  }
  return true;
}

void RealStream::end_by_error(const IoResult& failed, std::string_view doing) {
  if (failed.error == 0) return end(CloseReason::tls, tls_->failure());
  end(reason_of(failed.error), fmt::format("{}: {}", doing, error_text(failed.error)));
}

void RealStream::end(CloseReason reason, std::string text) {
  count(reason);
  base::log::debug("net", "stream {} ended: {}", remote_.text(), text);
  state_ = State::closed;
  release(reason == CloseReason::overflow || reason == CloseReason::timeout);
  StreamClosed why{reason, std::move(text)};
  if (gate_)
    std::exchange(gate_, nullptr)->on_handshake_failed(*this, why);
  else if (handler_)
    handler_->on_closed(why);
  else
    ending_ = std::make_unique<StreamClosed>(std::move(why));
}

void RealStream::make_room() {
  ++core_.metrics.accept_made_room;
  end(CloseReason::local,
      "closed to make room for a new connection: this one was silent for the longest time");
}

RealStream::~RealStream() {
  if (gone_) *gone_ = true;
  if (state_ == State::closed) return;
  count(CloseReason::local);
  if (state_ == State::open && !ending_) {
    if (!write_blocked_) write_queue();
    if (tls_ && queued_ == 0 && !ending_) tls_->send_close_notify();
  }
  release(false);
}

// `abort`: the other side does not read; keep nothing for it in the kernel either.
void RealStream::release(bool abort) {
  deadline_.stop();
  again_.stop();
  ending_.reset();
  if (all_) all_->remove(in_all_, remote_.ip);
  all_.reset();
  watch_.reset();
  tls_.reset();
  if (abort && fd_) {
    const linger at_once{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  } else if (fd_) {
    // Bytes that nobody read would make the kernel send a reset, and what was written last (an answer,
    // a TLS alert) be lost.
    ::recv(fd_.get(), nullptr, limits::kMaxQueued, MSG_TRUNC | MSG_DONTWAIT);
  }
  fd_.close();
  queue_ = {};
  queue_head_ = head_offset_ = queued_ = 0;
}

void RealStream::count(CloseReason reason) {
  NetworkMetrics& m = core_.metrics;
  switch (reason) {
    case CloseReason::remote:
      ++m.closed_remote;
      return;
    case CloseReason::local:
      ++m.closed_local;
      return;
    case CloseReason::refused:
      ++m.closed_refused;
      return;
    case CloseReason::timeout:
      ++m.closed_timeout;
      return;
    case CloseReason::tls:
      ++m.closed_tls;
      return;
    case CloseReason::overflow:
      ++m.closed_overflow;
      return;
    case CloseReason::reset:
      ++m.closed_reset;
      return;
  }
}

}  // namespace causeway::net
