// A UDP socket of the kernel: batches in and out, how long they waited, ICMP errors told apart from failures.
#pragma once

#include <memory>
#include <vector>

#include "net/descriptor.h"
#include "net/network.h"
#include "net/network_core.h"
#include "net/udp_batch.h"

namespace causeway::net {

class RealUdpSocket final : public UdpSocket, private Flushable {
 public:
  static base::Result<std::unique_ptr<UdpSocket>> open(NetworkCore& core, const Address& local,
                                                       UdpHandler& handler);
  ~RealUdpSocket() override;

  const Address& local() const override { return local_; }
  void send(const Address& to, base::Buffer bytes) override { queue(queue_, to, std::move(bytes)); }
  void send_unordered(const Address& to, base::Buffer bytes) override {
    queue(unordered_, to, std::move(bytes));
  }

 private:
  RealUdpSocket(NetworkCore& core, Descriptor fd, UdpHandler& handler);
  void on_readable();
  bool hand_over(std::span<Datagram> datagrams);
  void queue(std::vector<UdpBatch::Outgoing>& queue, const Address& to, base::Buffer bytes);
  void flush() override;
  void flush_queues();
  void flush_queue(std::vector<UdpBatch::Outgoing>& queue);
  void drop_refused(const Address& to, int error);
  void note_unreachable(const Address& to);
  void read_error_queue();
  void note_kernel_drops();
  void tell_unreachable();
  void wait_readable();

  UdpHandler& handler_;
  Descriptor fd_;
  Address local_;
  std::unique_ptr<base::Loop::Watch> watch_;
  std::vector<UdpBatch::Outgoing> queue_, unordered_;
  bool waits_for_room_ = false;
  std::uint32_t kernel_drops_ = 0;
  std::vector<Address> unreachable_;  // to be told outside of the handler's own calls
  base::Timer tell_;
  bool* gone_ = nullptr;  // set while the handler runs, who may destroy this socket
};

}  // namespace causeway::net
