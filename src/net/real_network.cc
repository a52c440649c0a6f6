#include "net/real_network.h"

#include <sys/socket.h>

#include <csignal>

#include "net/descriptor.h"
#include "net/network_core.h"
#include "net/real_listener.h"
#include "net/real_stream.h"
#include "net/udp_batch.h"
#include "net/udp_socket.h"

namespace causeway::net {
namespace {

class RealNetwork final : public Network {
 public:
  RealNetwork(base::Loop& loop, base::Metrics& metrics, const MostConnections& most, PortSharing sharing)
      : core_(loop, metrics, most, sharing) {
    std::signal(SIGPIPE, SIG_IGN);
  }

  base::Result<std::unique_ptr<UdpSocket>> open_udp(const Address& local, UdpHandler& handler) override {
    return RealUdpSocket::open(core_, local, handler);
  }

  base::Result<std::unique_ptr<Listener>> listen(const Address& local, TlsContext* tls,
                                                 Accept on_accept) override {
    return RealListener::open(core_, local, tls, std::move(on_accept));
  }

  std::unique_ptr<Stream> connect(const Address& remote, const TlsClient& tls,
                                  StreamHandler& handler) override {
    return RealStream::connect(core_, remote, tls, handler);
  }

  std::chrono::microseconds waited() const override { return core_.waited; }

  Ip source_ip_for(const Ip& remote) override {
    const Ip unknown = remote.is_v4() ? Ip() : Ip::v6({});
    const Descriptor fd = open_socket(remote, SOCK_DGRAM);
    if (!fd) return unknown;
    sockaddr_storage to{};
    const socklen_t length = Address{remote, 9}.to_sockaddr(to);  // any port: connecting sends nothing
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), length) != 0) return unknown;
    return local_address(fd.get()).ip;
  }

 private:
  NetworkCore core_;
};

}  // namespace

std::unique_ptr<Network> make_real_network(base::Loop& loop, base::Metrics& metrics,
                                           const MostConnections& most, PortSharing sharing) {
  return std::make_unique<RealNetwork>(loop, metrics, most, sharing);
}

}  // namespace causeway::net
