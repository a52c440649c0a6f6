// A listening socket. It keeps count of what it has accepted (limits::kMaxAccepted), holds
// connections until their TLS handshake is done, and survives running out of descriptors.
#pragma once

#include <memory>
#include <unordered_map>

#include "net/real_stream.h"

namespace causeway::net {

class RealListener final : public Listener, private Gate {
 public:
  static base::Result<std::unique_ptr<Listener>> open(NetworkCore& core, const Address& local,
                                                      TlsContext* tls, Accept on_accept);
  ~RealListener() override;
  const Address& local() const override { return local_; }

 private:
  RealListener(NetworkCore& core, Descriptor fd, TlsContext* tls, Accept on_accept);
  void wait();
  void on_readable();
  bool accept_one();
  bool turn_away();
  void on_handshake_done(RealStream& stream) override;
  void on_handshake_failed(RealStream& stream, const StreamClosed& why) override;

  NetworkCore& core_;
  Descriptor fd_;
  Descriptor reserve_;  // given up for a moment to turn somebody away when there are no others
  std::unique_ptr<base::Loop::Watch> watch_;
  TlsContext* tls_;
  Accept on_accept_;
  Address local_;
  std::shared_ptr<AcceptedStreams> all_ = std::make_shared<AcceptedStreams>();
  std::unordered_map<RealStream*, std::unique_ptr<RealStream>> in_handshake_;
  base::Timer pause_;
  bool* gone_ = nullptr;  // set while on_accept_ runs, which may destroy this listener
  base::Instant next_warning_{};
};

}  // namespace causeway::net
