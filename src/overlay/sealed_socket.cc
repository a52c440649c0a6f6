#include "overlay/sealed_socket.h"

#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "overlay/msgpack_shape.h"

namespace causeway::overlay {
namespace {

using namespace std::chrono_literals;
using Opened = identity::DatagramSealer::Opened;

constexpr base::Duration kClockWarning = 60s;
constexpr std::size_t kMark = 5;

base::Counter& dropped(base::Metrics& metrics, std::string_view reason) {
  return metrics.counter(fmt::format("overlay_datagrams_dropped_total{{reason=\"{}\"}}", reason),
                         "overlay datagrams that were not let through");
}

}  // namespace

SealedSocket::SealedSocket(base::Loop& loop, base::Random& random, base::Metrics& metrics,
                           const identity::NetworkKey& key)
    : loop_(loop),
      sealer_(key, random),
      in_order_(
          loop, metrics,
          [this](const net::Address& from, std::span<const std::uint8_t> plain) {
            if (on_plain_) on_plain_(from, plain);
          },
          [this] {
            if (on_batch_end_) on_batch_end_();
          }),
      in_(metrics.counter("overlay_datagrams_in_total", "overlay datagrams received from members")),
      out_(metrics.counter("overlay_datagrams_out_total", "overlay datagrams sent")),
      too_long_(dropped(metrics, "too_long")),
      too_short_(dropped(metrics, "too_short")),
      wrong_day_(dropped(metrics, "wrong_day")),
      forged_(dropped(metrics, "forged")),
      malformed_(dropped(metrics, "malformed")),
      unsendable_(dropped(metrics, "unsendable")) {}

SealedSocket::~SealedSocket() = default;

base::Status SealedSocket::open(net::Network& network, std::span<const net::Address> addresses) {
  if (addresses.empty()) return base::fail("expected an address to receive overlay datagrams at, found none");
  for (const net::Address& address : addresses) {
    auto& slot = address.ip.is_v4() ? v4_ : v6_;
    if (slot)
      return base::fail("expected at most one overlay address for each IP version, found {} beside {}",
                        address.text(), slot->local().text());
    auto socket = network.open_udp(address, *this);
    if (!socket) return std::unexpected(socket.error());
    slot = std::move(*socket);
  }
  return {};
}

void SealedSocket::set_handlers(OnPlain on_plain, OnBatchEnd on_batch_end) {
  on_plain_ = std::move(on_plain);
  on_batch_end_ = std::move(on_batch_end);
}

void SealedSocket::close() {
  set_handlers({}, {});
  v4_.reset();
  v6_.reset();
}

std::optional<net::Address> SealedSocket::local(bool v4) const {
  const auto& socket = v4 ? v4_ : v6_;
  return socket ? std::optional(socket->local()) : std::nullopt;
}

SealedSocket::Sent SealedSocket::send(const net::Address& to, std::span<const std::uint8_t> plain) {
  const auto& socket = to.ip.is_v4() ? v4_ : v6_;
  if (!socket || plain.size() + kMark + identity::DatagramSealer::kOverhead > limits::kMaxDatagram) {
    ++unsendable_;
    return Sent::unsendable;
  }
  InOrder::Mark mark = in_order_.mark(to);
  marked_.assign({static_cast<std::uint8_t>(mark.burst >> 24), static_cast<std::uint8_t>(mark.burst >> 16),
                  static_cast<std::uint8_t>(mark.burst >> 8), static_cast<std::uint8_t>(mark.burst),
                  mark.place});
  marked_.insert(marked_.end(), plain.begin(), plain.end());
  sealer_.seal(marked_, loop_.unix_now(), sealed_);
  socket->send(to, base::Buffer::copy_of(base::as_text(sealed_)));
  ++out_;
  return silence_.sent(to, plain, loop_.now()) ? Sent::silent : Sent::ok;
}

void SealedSocket::on_unreachable(const net::Address& to) { silence_.unreachable(to, loop_.now()); }

void SealedSocket::on_datagrams(std::span<net::Datagram> batch) {
  for (const net::Datagram& datagram : batch) {
    if (datagram.bytes.size() > limits::kMaxDatagram) {
      ++too_long_;
      continue;
    }
    std::span sealed(reinterpret_cast<const std::uint8_t*>(datagram.bytes.data()), datagram.bytes.size());
    auto result = sealer_.open(sealed, loop_.unix_now(), opened_);
    if (result == Opened::ok && opened_.size() <= kMark) result = Opened::too_short;
    if (result != Opened::ok) {
      refuse(datagram, result);
      continue;
    }
    ++in_;
    silence_.heard(datagram.from, loop_.now());
    std::span<const std::uint8_t> plain(opened_);
    if (!is_one_msgpack_value(plain.subspan(kMark))) {
      ++malformed_;
      continue;
    }
    std::uint32_t burst = 0;
    for (std::uint8_t byte : plain.first(kMark - 1)) burst = burst << 8 | byte;
    in_order_.take(datagram.from, {burst, plain[kMark - 1]}, plain.subspan(kMark));
  }
  if (on_batch_end_) on_batch_end_();
}

void SealedSocket::refuse(const net::Datagram& datagram, Opened why) {
  switch (why) {
    case Opened::ok:
      return;
    case Opened::too_short:
      ++too_short_;
      return;
    case Opened::forged:
      ++forged_;
      return;
    case Opened::wrong_day:
      break;
  }
  ++wrong_day_;
  if (clock_warned_ != base::Instant{} && loop_.now() - clock_warned_ < kClockWarning) return;
  clock_warned_ = loop_.now();
  base::log::warn("overlay",
                  "a datagram from {} is of a day more than one off: if that is a member, its clock or the "
                  "clock of this machine is wrong; set it by NTP",
                  datagram.from.text());
}

}  // namespace causeway::overlay
