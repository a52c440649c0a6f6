// A network that leads nowhere: what is measured sends as always, and a benchmark hands it what it receives.
#pragma once

#include "net/network.h"

namespace causeway::bench {

inline const net::Address kHere{*net::Ip::parse("192.0.2.1"), 5060};

// Nothing is delivered; the last datagram sent is kept.
class Nowhere final : public net::Network {
 public:
  class Socket final : public net::UdpSocket {
   public:
    explicit Socket(Nowhere& nowhere) : nowhere_(nowhere) {}
    const net::Address& local() const override { return kHere; }
    void send(const net::Address&, base::Buffer bytes) override { nowhere_.sent = std::move(bytes); }

   private:
    Nowhere& nowhere_;
  };
  base::Result<std::unique_ptr<net::UdpSocket>> open_udp(const net::Address&, net::UdpHandler& to) override {
    handler = &to;
    return std::make_unique<Socket>(*this);
  }
  base::Result<std::unique_ptr<net::Listener>> listen(const net::Address&, net::TlsContext*,
                                                      net::Accept) override {
    return base::fail("no streams here");
  }
  std::unique_ptr<net::Stream> connect(const net::Address&, const net::TlsClient&,
                                       net::StreamHandler&) override {
    return nullptr;
  }
  net::Ip source_ip_for(const net::Ip&) override { return kHere.ip; }
  std::chrono::microseconds waited() const override { return waited_; }
  void set_waited(std::chrono::microseconds waited) { waited_ = waited; }

  net::UdpHandler* handler = nullptr;
  base::Buffer sent;

 private:
  std::chrono::microseconds waited_{};
};

}  // namespace causeway::bench
