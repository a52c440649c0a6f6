#include "net/real_listener.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/limits.h"
#include "base/log.h"

namespace causeway::net {
namespace {

Descriptor spare_descriptor() { return Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

base::Result<std::unique_ptr<Listener>> RealListener::open(NetworkCore& core, const Address& local,
                                                           TlsContext* tls, Accept on_accept) {
  const std::string_view transport = tls ? "tls" : "tcp";
  Descriptor fd = open_socket(local.ip, SOCK_STREAM);
  // Without it, connections of a peer that was just stopped keep its port for a minute.
  if (fd) set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (!fd || !bind_to(fd.get(), local, core.sharing) || ::listen(fd.get(), SOMAXCONN) != 0)
    return std::unexpected(base::Error{explain_bind_error(transport, local, errno)});
  return std::unique_ptr<Listener>(new RealListener(core, std::move(fd), tls, std::move(on_accept)));
}

RealListener::RealListener(NetworkCore& core, Descriptor fd, TlsContext* tls, Accept on_accept)
    : core_(core),
      fd_(std::move(fd)),
      reserve_(spare_descriptor()),
      watch_(core.loop.watch(fd_.get())),
      tls_(tls),
      on_accept_(std::move(on_accept)),
      local_(local_address(fd_.get())),
      pause_(core.loop.timers(), [this] { on_readable(); }) {
  wait();
}

RealListener::~RealListener() {
  if (gone_) *gone_ = true;
}

void RealListener::wait() {
  watch_->wait(base::Ready::read, [this] { on_readable(); });
}

void RealListener::on_readable() {
  bool gone = false;
  gone_ = &gone;
  bool more = true;
  for (int i = 0; i < limits::kAcceptsPerTurn && more; ++i) {
    more = accept_one();
    if (gone) return;
  }
  gone_ = nullptr;
  if (!pause_.pending()) wait();
}

// False if there is nobody left to accept, or no means to.
bool RealListener::accept_one() {
  sockaddr_storage from{};
  socklen_t length = sizeof from;
  Descriptor fd(
      ::accept4(fd_.get(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) {
    switch (errno) {
      case EAGAIN:
        return false;
      case EMFILE:
      case ENFILE:
        return turn_away();
      case ENOBUFS:
      case ENOMEM:
        ++core_.metrics.accept_failed;
        pause_.start(limits::kAcceptPause);
        return false;
      default:
        return true;  // that connection's own trouble (accept(2)): it is gone already
    }
  }
  const Address remote = Address::from_sockaddr(reinterpret_cast<const sockaddr&>(from));
  if (all_->of(remote.ip) >= core_.most.per_source) {
    ++core_.metrics.accept_refused;
    return true;
  }
  ++core_.metrics.accepted;
  if (all_->size() >= core_.most.accepted) {
    const bool* const gone = gone_;
    all_->longest_silent().make_room();
    if (*gone) return false;
  }
  std::unique_ptr<RealStream> stream = RealStream::accepted(core_, std::move(fd), remote, all_, tls_, *this);
  if (!tls_) {
    on_accept_(std::move(stream));
    return true;
  }
  RealStream& begun = *stream;
  in_handshake_.emplace(&begun, std::move(stream));
  begun.start();
  return true;
}

// No descriptor left: without one, the waiting connection could not even be refused, and the loop
// would be told of it for ever. So there is a spare one.
bool RealListener::turn_away() {
  reserve_.close();
  Descriptor refused(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const bool nobody_waits = !refused && errno == EAGAIN;  // the kernel looks for a descriptor first
  const bool turned_away = static_cast<bool>(refused);
  refused.close();
  reserve_ = spare_descriptor();
  if (nobody_waits) return false;

  ++core_.metrics.accept_failed;
  if (const base::Instant now = core_.loop.now(); now >= next_warning_) {
    next_warning_ = now + limits::kWarningPause;
    base::log::warn(
        "net", "{}: out of file descriptors, new connections are turned away; raise the limit (ulimit -n)",
        local_.text());
  }
  if (turned_away && reserve_) return true;
  pause_.start(limits::kAcceptPause);
  return false;
}

void RealListener::on_handshake_done(RealStream& stream) {
  auto node = in_handshake_.extract(&stream);
  if (node.empty()) return;
  stream.leave_gate();
  on_accept_(std::move(node.mapped()));
}

void RealListener::on_handshake_failed(RealStream& stream, const StreamClosed& why) {
  ++core_.metrics.handshakes_failed;
  base::log::debug("net", "tls {}: connection from {} refused: {}", local_.text(), stream.remote().text(),
                   why.text);
  in_handshake_.erase(&stream);
}

}  // namespace causeway::net
