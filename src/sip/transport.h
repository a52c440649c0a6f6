// The transport layer (RFC 3261 18, RFC 3581, RFC 5626 keep-alives).
//
// In: a datagram or a chunk of a stream becomes framed messages; the top Via of a request gets `received`
// and `rport` (18.2.1, RFC 3581 4) while the bytes are copied once, in front of the only parse
// (complete_via.h); keep-alives are answered here (CRLF CRLF by CRLF, a STUN Binding request by its
// response: set_stun_hook). Then on_message. A response must bear a sent-by of ours in its top Via
// (18.1.2). What is not SIP is counted and dropped; a malformed request that can be answered is answered
// 400.
//
// A datagram's source can be forged: what the peer says to one that has proved nothing is neither long nor
// often (source_limit.h), and goes where the datagram came from, whatever maddr a Via names.
//
// Out: `send` to a flow. `flow_to` finds or opens the connection to a target (18.1.1: connections
// are reused, by address, transport and proven name). Responses go where 18.2.2 and RFC 3581 say.
//
// A worker has one TransportLayer, with its own sockets and connections.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "net/network.h"
#include "sip/flow.h"
#include "sip/headers.h"
#include "sip/message.h"
#include "sip/source_limit.h"

namespace causeway::sip {

class WorkerGroup;  // handover.h

class TransportHandler {
 public:
  // Something that may be a message, before anybody has looked at it. True if it has been dealt with.
  virtual bool on_arrival(std::string_view bytes, const Flow& flow) {
    (void)bytes, (void)flow;
    return false;
  }
  // `message` is complete and its top Via has received and rport. `top_via` is that Via as it came (it
  // was parsed before they were put in). Both are valid until the call returns.
  virtual void on_message(const Message& message, const Via& top_via, const Flow& flow) = 0;
  // A stream has ended, or could not be made. Requests waiting on it have failed. Never called from
  // inside a call into the transport.
  virtual void on_flow_closed(const Flow& flow, std::string_view why) = 0;
  // ICMP said that nothing listens at `to` (UDP). A hint: it may be forged.
  virtual void on_unreachable(const net::Address& to) { (void)to; }

 protected:
  ~TransportHandler() = default;
};

struct TransportConfig {
  struct Local {
    net::Transport transport;
    net::Address address;    // where it listens
    std::string advertised;  // sent-by if not empty ("sip.example.net:5060")
  };
  std::vector<Local> locals;
  net::TlsContext* tls_server = nullptr;  // for phones and providers
  net::TlsContext* tls_client = nullptr;
  // Peer links. Empty: none (a lone peer, or a test).
  std::vector<net::Address> member_locals;
  net::TlsContext* member_tls = nullptr;  // both directions
  std::string member_name;                // own PEERID.peers.D: sent-by on peer links
  SourceLimit::Config strangers;
};

class TransportLayer {
 public:
  // With a group: the transport of this worker of several (handover.h).
  TransportLayer(base::Loop& loop, net::Network& network, base::Metrics& metrics,
                 WorkerGroup* group = nullptr, unsigned worker = 0);
  ~TransportLayer();

  void set_handler(TransportHandler& handler);
  base::Status open(const TransportConfig& config);

  // The flow to a target. UDP: at once. Streams: an open connection is reused, else one is begun and
  // sends wait for it; failure is told by on_flow_closed. A member without tls_name: whoever is there, if it
  // is a member. Over UDP the local socket is one of the
  // same address family; none gives no flow.
  std::optional<Flow> flow_to(const Target& target);
  // An existing connection to a member, by its proven name, if there is one.
  std::optional<Flow> member_flow(std::string_view name) const;
  // False if the flow is a stream that has ended, of whichever worker.
  bool alive(const Flow& flow) const;
  void send(const Flow& flow, base::Buffer bytes);

  // For how long what is being handled has waited to be read (net::Network::waited).
  std::chrono::microseconds waited() const;

  // A stream of this worker: ping it when nothing has come for `ping`, and end it when nothing comes for
  // `pong` after that (RFC 5626 4.4.1); end it when nothing has come for `silence`; end it now. What ends is
  // told by on_flow_closed.
  void keep_alive(const Flow& flow, base::Duration ping, base::Duration pong);
  void expect(const Flow& flow, base::Duration silence);
  void close(const Flow& flow, std::string_view why);

  // What stands in our Via for requests sent down this flow: "192.0.2.1:5060".
  std::string_view sent_by(const Flow& flow) const;
  // The name that the other end of a peer link has proved: "PEERID.peers.D", or empty.
  std::string_view member_name(const Flow& flow) const;
  // The users whom the other end of a peer link speaks for, by its certificate, and nobody else. None: it is
  // a peer's, which forwards what others say.
  std::span<const std::string> member_users(const Flow& flow) const;

  // Where the response to a request that came on `flow` with this top Via goes (18.2.2, RFC 3581).
  // If the connection it came on has ended, a new one (or none).
  std::optional<Flow> response_flow(const Flow& flow, const Via& top_via);

  // A response without a transaction, to the sender of `request`. Never to an ACK or a response. A 503 says
  // when to try again. `known`: its sender is (source_limit.h).
  void respond_stateless(const Message& request, const Via& top_via, const Flow& flow, int status,
                         std::string_view reason = {}, bool known = false);
  // Is this the ACK to one? Then it has arrived: its source is what it says.
  bool acknowledges_stateless(const Message& ack, const Via& top_via, const Flow& flow);

  // The same before anything is parsed, for what is of the usual form (refusal.h). No buffer, false: let it
  // be parsed. A refusal leaves after everything else of this turn.
  base::Buffer write_refusal(std::string_view request, const Via& top_via, const Flow& flow) const;
  void send_refusal(base::Buffer refusal, const Via& top_via, const Flow& flow);
  bool acknowledges_stateless(std::string_view ack, const Flow& flow);

  // What may be said to whom (source_limit.h), and the length of the request that is being handled, as it
  // came.
  SourceLimit& sources();
  std::size_t received_bytes() const;

  // Which worker must handle this request, which has come to this one; without it, or for one worker, this
  // one.
  using RequestOwner = std::function<unsigned(const Message& request)>;
  void set_request_owner(RequestOwner owner);

  // Who answers datagrams that are STUN (RFC 5389 8: first two bits 0, magic cookie). No buffer: no
  // answer. Without a hook, Binding requests are answered (RFC 5626 4.4.2).
  using StunHook = std::function<base::Buffer(std::span<const char> datagram, const net::Address& from)>;
  void set_stun_hook(StunHook hook);

  // Where to look for the host of a sent-by when the connection for a response is gone and cannot be
  // made anew (RFC 3263 5): gives the places to try, in order. Without it such responses are lost.
  using ResponseLocator =
      std::function<void(const std::string& host, std::uint16_t port, net::Transport transport,
                         std::function<void(std::vector<Target>)> found)>;
  void set_response_locator(ResponseLocator locate);

  // Sees every message as it comes and goes, for an operator who looks for a fault. Off (empty), it
  // costs one comparison.
  using TraceHook = std::function<void(bool incoming, const Flow& flow, std::string_view bytes)>;
  void set_trace(TraceHook trace);

  // True if host and port (0: default) name this server: a local or advertised address.
  bool is_local(std::string_view host, std::uint16_t port) const;

  std::size_t connections() const;
  // How often this worker and others have waited for each other where they hand things over.
  std::uint64_t lock_waits() const;
  // The addresses that it listens on, with the ports that the kernel chose.
  std::vector<net::Endpoint> locals() const;
  std::vector<net::Address> member_locals() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::sip
