// The streams of one worker: those it has opened and those it has accepted, found by number (flow), by
// target (address, transport, name) and, for peer links, by the name that the other side has proved.
//
// RFC 3261 18.1.1 and RFC 5923: a connection that we have opened is used again for the same target. One that
// was accepted is used for what came on it, and to reach the member at its other end.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/loop.h"
#include "base/metrics.h"
#include "net/network.h"
#include "sip/connection.h"
#include "sip/flow.h"

namespace causeway::sip {

class ConnectionUser {
 public:
  virtual void on_stream_message(const Flow& flow, std::string_view bytes) = 0;
  virtual void on_stream_error(const Flow& flow, std::string_view bytes, const ParseError& error) = 0;
  virtual void on_stream_connected(const Flow& flow) = 0;
  // Accepted, or begun; sends are possible from now on.
  virtual void on_stream_added(const Flow& flow) = 0;
  // Never from inside a call into Connections.
  virtual void on_stream_closed(const Flow& flow, std::string_view why) = 0;

 protected:
  ~ConnectionUser() = default;
};

class Connections final : public Connection::Owner {
 public:
  struct Contexts {
    net::TlsContext* tls_client = nullptr;
    net::TlsContext* member = nullptr;
    std::string member_name;  // own PEERID.peers.D
  };

  Connections(base::Loop& loop, net::Network& network, base::Metrics& metrics, ConnectionUser& user,
              unsigned worker);
  ~Connections();

  void set_contexts(Contexts contexts) { contexts_ = std::move(contexts); }
  // What a listener has accepted.
  void accept(std::unique_ptr<net::Stream> stream, net::Transport transport, bool member);

  // An open connection to the target, or a new one. None if it needs certificates that we do not have. A
  // member without a name: whoever is there, if it is one.
  std::optional<Flow> to(const Target& target);
  std::optional<Flow> to_member(std::string_view name) const;

  bool alive(const Flow& flow) const { return by_number_.contains(flow.connection); }
  void send(const Flow& flow, base::Buffer bytes);
  void keep_alive(const Flow& flow, base::Duration ping, base::Duration pong);
  void expect(const Flow& flow, base::Duration silence);
  void close(const Flow& flow, std::string_view why);
  std::string_view name_of(const Flow& flow) const;
  // Connection::users.
  std::span<const std::string> users_of(const Flow& flow) const;
  std::size_t count() const { return by_number_.size(); }

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Keys = std::unordered_map<std::string, std::uint64_t, TextHash, std::equal_to<>>;

  // Connection::Owner
  void on_stream_message(Connection& connection, std::string_view bytes) override;
  void on_stream_error(Connection& connection, std::string_view bytes, const ParseError& error) override;
  void on_stream_connected(Connection& connection) override;
  void on_stream_closed(Connection& connection, Connection::End end, std::string_view why) override;

  std::optional<Flow> same_place(const Target& target) const;
  std::optional<Flow> link_at(const net::Address& address) const;
  Connection& add(const Flow& flow, std::string name, std::string key);
  std::string proven_member(const net::Stream& stream) const;
  void note_users(Connection& connection, const net::Stream& stream);
  void unregister(Connection& connection);
  void bury();

  base::Loop& loop_;
  net::Network& network_;
  ConnectionUser& user_;
  Contexts contexts_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> by_number_;
  Keys by_key_;
  std::size_t with_users_ = 0;
  std::uint64_t last_number_;

  // Closed connections: their users are told, and they are destroyed, in the next turn.
  struct Dead {
    std::unique_ptr<Connection> connection;
    std::string why;
  };
  std::vector<Dead> dead_;
  std::shared_ptr<Connections*> self_;  // for tasks that are posted

  base::Counter& opened_;
  base::Counter& accepted_;
  base::Counter& closed_;
  base::Counter& idle_;
  base::Counter& silent_;
  base::Counter& slow_;
  base::Counter& not_sip_;
  base::Counter& not_a_member_;
};

}  // namespace causeway::sip
