// A line: whose calls a user agent makes and takes, and how its messages travel.
//
//   PhoneLine   (phone_line.h)   an ordinary account: an outbound proxy, REGISTER, digest
//   MemberLine  (member_line.h)  a member of the overlay: a user's credential, flows to public peers
//
// A line registers its user by itself from start() on, and tells how it goes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"
#include "sip/digest_client.h"
#include "sip/flow.h"
#include "sip/transaction.h"
#include "sip/uri.h"
#include "ua/relay_server.h"
#include "ua/trouble.h"

namespace causeway::ua {

class Client;

// "p2psip.org" of "sip:alice@p2psip.org".
inline std::string_view host_of(std::string_view aor) { return aor.substr(aor.find('@') + 1); }

class LineUser {
 public:
  // Calls can come. Again whenever it was lost in between, or its way has changed.
  virtual void on_line_up() = 0;
  // They cannot, for this reason. It goes on trying, if `final` is false.
  virtual void on_line_down(const Trouble& why, bool final) = 0;

 protected:
  ~LineUser() = default;
};

class Line {
 public:
  virtual ~Line() = default;

  // `client`: sends its requests, if it has any.
  virtual void start(Client& client, LineUser& user) = 0;
  // Says good-bye; `done` comes when that has been heard, or after a short while.
  virtual void stop(std::function<void()> done) = 0;

  // Client and user go, whether it was stopped or not: they are not touched any more.
  virtual void detach() = 0;

  // "sip:alice@p2psip.org"
  virtual const std::string& aor() const = 0;
  // The flow that requests leave on, made if need be; none: nobody can be reached now.
  virtual std::optional<sip::Flow> flow() = 0;
  // What was sent there had no effect: another one next time, if there is one.
  virtual void failed(const sip::Flow& flow) { (void)flow; }
  // Whether there is one; then a silent one is not waited for until a transaction ends.
  virtual bool has_another() const { return false; }
  // Where a request within a dialogue goes whose next hop is this URI (RFC 3261 12.2.1.1, RFC 3263), in the
  // order of trying; none: flow(). Calls `done` exactly once, maybe at once.
  virtual void locate(std::string_view next_hop, std::function<void(std::vector<sip::Target>)> done) {
    (void)next_hop;
    done({});
  }
  // Where the same server takes what is too long for this flow over UDP (RFC 3261 18.1.1).
  virtual sip::Target stream_to(const net::Address& server) const {
    return {{net::Transport::tcp, server}, "", false};
  }
  // Contact of dialogues, a URI.
  virtual std::string contact() = 0;
  // Route of requests outside of dialogues, the first hop first.
  virtual std::vector<std::string> routes() { return {}; }
  // Whether a request for this URI is for us. Others are answered 404.
  virtual bool is_for_us(const sip::Uri& request_uri) const = 0;
  // Whether what comes on it comes from our own server.
  virtual bool is_server(const sip::Flow& flow) const = 0;
  // The passwords that requests are answered with.
  virtual sip::DigestClient& digest() = 0;
  // Relays for a call's media, the best first, at most three (draft 3.2.1). Calls `done` exactly once.
  virtual void relays(std::function<void(std::vector<RelayServer>)> done) = 0;
  // A request that is the line's own, and no call's: true if it was. Its transaction ends with on_gone.
  virtual bool take_request(sip::ServerTransaction& transaction, const sip::Message& request,
                            const sip::Flow& flow) {
    (void)transaction, (void)request, (void)flow;
    return false;
  }
  virtual void on_gone(const sip::ServerTransaction& transaction) { (void)transaction; }
  virtual void on_flow_closed(const sip::Flow& flow) { (void)flow; }
};

}  // namespace causeway::ua
