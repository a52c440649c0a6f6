// Responses whose connection has gone (RFC 3261 18.2.2, RFC 3263 5).
//
// A new connection to where the request came from, at the port of its sent-by, is tried first. If it
// cannot be made and the sent-by names a host, that host is located like the domain of a request, and each
// place is tried in turn until one takes the connection. The responses wait here meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/buffer.h"
#include "base/metrics.h"
#include "sip/flow.h"

namespace causeway::sip {

class LateResponses {
 public:
  using Found = std::function<void(std::vector<Target>)>;
  using Locate = std::function<void(const std::string& host, std::uint16_t port, net::Transport, Found)>;
  using Connect = std::function<std::optional<Flow>(const Target&)>;
  using Send = std::function<void(const Flow&, base::Buffer)>;

  LateResponses(Connect connect, Send send, base::Metrics& metrics)
      : connect_(std::move(connect)),
        send_(std::move(send)),
        dropped_(
            metrics.counter("sip_late_responses_dropped_total",
                            "responses whose connection was gone, dropped: too many wait for new ones")) {}
  void set_locate(Locate locate) { locate_ = std::move(locate); }

  // `flow` is a connection just begun for responses to this sent-by (a host name; port 0: none given).
  void expect(const Flow& flow, std::string_view host, std::uint16_t port);
  void sent(const Flow& flow, const base::Buffer& bytes);
  void on_connected(const Flow& flow) { waiting_.erase(flow.connection); }
  void on_closed(const Flow& flow);

 private:
  struct Waiting {
    std::string host;
    std::uint16_t port = 0;
    net::Transport transport = net::Transport::tcp;
    bool located = false;
    std::vector<Target> places;  // still to be tried, the next one last
    std::vector<base::Buffer> responses;
  };
  void try_next(Waiting waiting);
  Connect connect_;
  Send send_;
  Locate locate_;
  std::unordered_map<std::uint64_t, Waiting> waiting_;  // by connection
  base::Counter& dropped_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace causeway::sip
