// One stream that carries SIP: framing, keep-alives (RFC 5626 4.4.1) and its two timeouts.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "net/network.h"
#include "sip/flow.h"
#include "sip/framing.h"

namespace causeway::sip {

class Connection final : public net::StreamHandler {
 public:
  // Who has ended it: the network or the other side, or we, for one of these reasons.
  enum class End : std::uint8_t { network, idle, silent, slow_message, not_sip, not_a_member, not_wanted };

  class Owner {
   public:
    virtual void on_stream_message(Connection& connection, std::string_view bytes) = 0;
    // What came is not SIP. `bytes` is what there is of the message; the connection closes afterwards.
    virtual void on_stream_error(Connection& connection, std::string_view bytes, const ParseError& error) = 0;
    virtual void on_stream_connected(Connection& connection) = 0;
    // Called once. The connection must not be destroyed before the next turn of the loop.
    virtual void on_stream_closed(Connection& connection, End end, std::string_view why) = 0;

   protected:
    ~Owner() = default;
  };

  Connection(Owner& owner, base::Loop& loop, Flow flow, std::string name);
  ~Connection();

  // The stream whose handler this is.
  void adopt(std::unique_ptr<net::Stream> stream);

  const Flow& flow() const { return flow_; }
  // The name that the other side has proved, or must prove before anything is sent; in lower case.
  const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }
  net::Stream& stream() { return *stream_; }
  bool closed() const { return closed_; }
  void send(base::Buffer bytes);
  void close(End end, std::string_view why);
  // Sends a ping when nothing has come for `ping`, and ends the connection when nothing comes for `pong`
  // after it.
  void keep_alive(base::Duration ping, base::Duration pong);
  // The other side keeps it alive: it ends when nothing has come for so long.
  void expect(base::Duration silence);

  // A peer link whose other end is a user's, not a peer's: those users, by its certificate.
  std::vector<std::string> users;
  // Where the registry of connections has it, "" for nowhere.
  std::string key;

  // net::StreamHandler
  void on_connected() override;
  void on_bytes(std::span<const char> bytes) override;
  void on_closed(const net::StreamClosed& why) override;

 private:
  struct KeepAlive;
  void heard();

  Owner& owner_;
  base::Loop& loop_;
  Flow flow_;
  std::string name_;
  StreamFramer framer_;
  base::Timer idle_;
  base::Timer message_;
  base::Duration silence_{};  // zero: what we send counts too
  std::unique_ptr<KeepAlive> keep_alive_;
  bool closed_ = false;
  std::unique_ptr<net::Stream> stream_;
};

}  // namespace causeway::sip
