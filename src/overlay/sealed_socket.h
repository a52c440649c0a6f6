// Datagrams between members, sealed with the domain's network key: what an outsider sends is never
// seen above this line, and what members send no outsider can read.
//
// Inside the seal: the number of a burst (4 bytes, big endian), the place in it (1 byte), see in_order.h;
// then the library's datagram, one MessagePack value.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/loop.h"
#include "base/metrics.h"
#include "identity/sealing.h"
#include "net/network.h"
#include "overlay/in_order.h"
#include "overlay/silence.h"

namespace causeway::overlay {

class SealedSocket final : private net::UdpHandler {
 public:
  // Called with each datagram that was opened; the bytes are gone when it returns.
  using OnPlain = std::function<void(const net::Address& from, std::span<const std::uint8_t> plain)>;
  // Called after each batch.
  using OnBatchEnd = std::function<void()>;

  SealedSocket(base::Loop& loop, base::Random& random, base::Metrics& metrics,
               const identity::NetworkKey& key);
  ~SealedSocket();

  // At most one address of each family.
  base::Status open(net::Network& network, std::span<const net::Address> addresses);
  void set_handlers(OnPlain on_plain, OnBatchEnd on_batch_end);
  enum class Sent {
    ok,
    silent,      // sent, but whoever was there has fallen silent (silence.h)
    unsendable,  // no socket of that family, or too long
  };
  Sent send(const net::Address& to, std::span<const std::uint8_t> plain);
  // Nothing is received or sent any more.
  void close();

  bool has_v4() const { return v4_ != nullptr; }
  bool has_v6() const { return v6_ != nullptr; }
  std::optional<net::Address> local(bool v4) const;

 private:
  void on_datagrams(std::span<net::Datagram> batch) override;
  void on_unreachable(const net::Address& to) override;
  void refuse(const net::Datagram& datagram, identity::DatagramSealer::Opened why);

  base::Loop& loop_;
  identity::DatagramSealer sealer_;
  Silence silence_;
  InOrder in_order_;
  OnPlain on_plain_;
  OnBatchEnd on_batch_end_;
  base::Bytes opened_, marked_, sealed_;
  base::Instant clock_warned_{};
  base::Counter &in_, &out_, &too_long_, &too_short_, &wrong_day_, &forged_, &malformed_, &unsendable_;
  std::unique_ptr<net::UdpSocket> v4_, v6_;  // last: they call back
};

}  // namespace causeway::overlay
