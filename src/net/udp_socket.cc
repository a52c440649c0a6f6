#include "net/udp_socket.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "net/error_queue.h"

namespace causeway::net {
namespace {

// Errors that an ICMP message causes. They are reported by whatever call comes next on the socket and
// say nothing about that call.
bool is_unreachable(int error) {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || error == EHOSTDOWN ||
         error == ENOPROTOOPT;
}

void enlarge_kernel_buffers(int fd, const Address& local) {
  enlarge_buffers(fd);
  int got = 0;
  socklen_t length = sizeof got;
  ::getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &length);
  // The kernel reports twice what was asked for (socket(7)).
  if (got / 2 < limits::kUdpSocketBuffer)
    base::log::info(
        "net",
        "udp {}: the kernel gives a receive buffer of {} kB, {} kB wanted for bursts; raise it with "
        "sysctl net.core.rmem_max={}",
        local.text(), got / 2048, limits::kUdpSocketBuffer / 1024, limits::kUdpSocketBuffer);
}

}  // namespace

base::Result<std::unique_ptr<UdpSocket>> RealUdpSocket::open(NetworkCore& core, const Address& local,
                                                             UdpHandler& handler) {
  Descriptor fd = open_socket(local.ip, SOCK_DGRAM);
  if (!fd || !bind_to(fd.get(), local, core.sharing))
    return std::unexpected(base::Error{explain_bind_error("udp", local, errno)});
  enlarge_kernel_buffers(fd.get(), local);
  if (local.ip.is_v4())
    set_option(fd.get(), IPPROTO_IP, IP_RECVERR, 1);
  else
    set_option(fd.get(), IPPROTO_IPV6, IPV6_RECVERR, 1);
  UdpBatch::prepare(fd.get());
  return std::unique_ptr<UdpSocket>(new RealUdpSocket(core, std::move(fd), handler));
}

RealUdpSocket::RealUdpSocket(NetworkCore& core, Descriptor fd, UdpHandler& handler)
    : Flushable(core),
      handler_(handler),
      fd_(std::move(fd)),
      local_(local_address(fd_.get())),
      watch_(core.loop.watch(fd_.get())),
      tell_(core.loop.timers(), [this] { tell_unreachable(); }) {
  wait_readable();
}

RealUdpSocket::~RealUdpSocket() {
  if (gone_) *gone_ = true;
  flush_queues();
  note_kernel_drops();
}

void RealUdpSocket::wait_readable() {
  watch_->wait(base::Ready::read, [this] { on_readable(); });
}

void RealUdpSocket::on_readable() {
  constexpr std::size_t kMost = limits::kReadRounds * limits::kBatch;
  std::size_t read = 0;
  for (int rounds = 0; rounds < limits::kReadRounds && read < kMost; ++rounds) {
    const int count = core_.udp_batch->receive(fd_.get());
    ++core_.metrics.udp_receive_calls;
    if (count < 0) {
      // The socket itself cannot break: whatever this is, it is news about something sent before.
      if (errno == EINTR) continue;
      if (errno != EAGAIN || rounds == 0) read_error_queue();
      if (errno == EAGAIN) break;
      continue;
    }
    for (auto some = core_.udp_batch->next(); !some.empty(); some = core_.udp_batch->next()) {
      read += some.size();
      if (!hand_over(some)) return;
    }
    if (count < static_cast<int>(limits::kBatch)) break;
  }
  if (read >= kMost) note_kernel_drops();
  wait_readable();
}

// False if the handler has destroyed this socket.
bool RealUdpSocket::hand_over(std::span<Datagram> datagrams) {
  core_.metrics.udp_received.add(datagrams.size());
  core_.waited = core_.udp_batch->waited();
  bool gone = false;
  gone_ = &gone;
  handler_.on_datagrams(datagrams);
  if (gone) return false;
  gone_ = nullptr;
  return true;
}

void RealUdpSocket::queue(std::vector<UdpBatch::Outgoing>& queue, const Address& to, base::Buffer bytes) {
  if (queue.size() >= limits::kMaxUdpQueued) {
    ++core_.metrics.udp_dropped_queue_full;
    return;
  }
  queue.push_back({to, std::move(bytes)});
  if (waits_for_room_) return;
  if (queue.size() >= limits::kUdpFlush)
    flush_queues();
  else
    flush_at_end_of_turn();
}

void RealUdpSocket::flush() {
  if (!waits_for_room_) flush_queues();
}

void RealUdpSocket::flush_queues() {
  flush_queue(queue_);
  if (waits_for_room_ || unordered_.empty()) return;
  std::ranges::sort(unordered_, {}, [](const auto& one) { return std::pair(one.to, one.bytes.size()); });
  flush_queue(unordered_);
}

void RealUdpSocket::flush_queue(std::vector<UdpBatch::Outgoing>& queue) {
  std::size_t sent = 0;
  bool retried = false;
  while (sent < queue.size()) {
    const int count = core_.udp_batch->send(fd_.get(), std::span(queue).subspan(sent));
    ++core_.metrics.udp_send_calls;
    if (count > 0) {
      sent += static_cast<std::size_t>(count);
      core_.metrics.udp_sent.add(static_cast<std::uint64_t>(count));
      retried = false;
      continue;
    }
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EAGAIN || error == EWOULDBLOCK) {
      waits_for_room_ = true;
      break;
    }
    // Perhaps an earlier datagram's ICMP error: reported once, so a second try tells.
    if (is_unreachable(error) && !retried) {
      retried = true;
      continue;
    }
    retried = false;
    drop_refused(queue[sent].to, error);
    ++sent;
  }
  queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(sent));
  if (waits_for_room_)
    watch_->wait(base::Ready::write, [this] {
      waits_for_room_ = false;
      flush_queues();
    });
}

void RealUdpSocket::drop_refused(const Address& to, int error) {
  ++core_.metrics.udp_dropped_refused;
  base::log::debug("net", "udp {} to {}: not sent: {}", local_.text(), to.text(), error_text(error));
  if (is_unreachable(error)) note_unreachable(to);
}

void RealUdpSocket::note_unreachable(const Address& to) {
  if (unreachable_.size() >= limits::kBatch) return;
  unreachable_.push_back(to);
  if (!tell_.pending()) tell_.start(base::Duration::zero());
}

void RealUdpSocket::tell_unreachable() {
  std::vector<Address> addresses;
  addresses.swap(unreachable_);
  bool gone = false;
  gone_ = &gone;
  for (const Address& address : addresses) {
    handler_.on_unreachable(address);
    if (gone) return;
  }
  gone_ = nullptr;
}

void RealUdpSocket::read_error_queue() {
  for_each_socket_error(fd_.get(), [this](const Address& to, const sock_extended_err& error) {
    if (!is_unreachable(static_cast<int>(error.ee_errno))) return;
    ++core_.metrics.udp_unreachable;
    note_unreachable(to);
  });
}

void RealUdpSocket::note_kernel_drops() {
  std::array<std::uint32_t, SK_MEMINFO_VARS> info{};
  socklen_t length = sizeof info;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_MEMINFO, info.data(), &length) != 0) return;
  core_.metrics.udp_dropped_by_kernel.add(info[SK_MEMINFO_DROPS] - kernel_drops_);
  kernel_drops_ = info[SK_MEMINFO_DROPS];
}

}  // namespace causeway::net
