// Phones on loopback for tests of a whole peer: each has a socket of its own, so that the kernel spreads them
// over the workers. They answer by themselves and remember what came.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "net/network.h"

namespace causeway::peer::testing {

using namespace std::chrono_literals;

// The values of a header of this name, one for each line.
inline std::vector<std::string> headers(std::string_view message, std::string_view name) {
  std::vector<std::string> values;
  const std::string begin = "\r\n" + std::string(name) + ": ";
  for (auto at = message.find(begin); at != std::string_view::npos; at = message.find(begin, at + 1))
    values.emplace_back(message.substr(at + begin.size(), message.find("\r\n", at + 2) - at - begin.size()));
  return values;
}

inline std::string header(std::string_view message, std::string_view name) {
  const auto all = headers(message, name);
  return all.empty() ? "" : all[0];
}

class Phone final : public net::UdpHandler, public net::StreamHandler {
 public:
  // Over TCP: one connection to the server, for everything.
  Phone(base::Loop& loop, net::Network& network, net::Address server, std::string user, bool tcp)
      : loop_(loop), server_(server), user_(std::move(user)), tcp_(tcp) {
    if (tcp) {
      stream_ = network.connect(server, {}, *this);
      while (!stream_->connected()) loop_.run_for(1ms);
      at_ = stream_->local();
    } else {
      socket_ = std::move(*network.open_udp(*net::Address::parse("127.0.0.1:0"), *this));
      at_ = socket_->local();
    }
  }

  enum class Answers { at_once, rings_only };
  Answers answers = Answers::at_once;
  std::deque<std::string> inbox;

  std::string aor() const { return "sip:" + user_ + "@p2p.test"; }
  void hang_up_stream() { stream_.reset(); }

  void send(const std::string& text) {
    if (tcp_)
      stream_->send(base::Buffer::copy_of(text));
    else
      socket_->send(server_, base::Buffer::copy_of(text));
  }

  // The first message that begins so and has this method in its CSeq, waiting for it.
  std::string wait(std::string_view begins, std::string_view method) {
    const base::Instant end = loop_.now() + 5s;
    do {
      for (auto it = inbox.begin(); it != inbox.end(); ++it) {
        if (!it->starts_with(begins) || !header(*it, "CSeq").ends_with(method)) continue;
        std::string found = std::move(*it);
        inbox.erase(it);
        return found;
      }
      loop_.run_for(1ms);
    } while (loop_.now() < end);
    ADD_FAILURE() << user_ << " has waited for " << begins << " of " << method << " in vain";
    return "";
  }

  void register_here() {
    send(start("REGISTER", "sip:p2p.test", "<" + aor() + ">", 1) + "Contact: <sip:" + user_ + "@" +
         at_.text() + (tcp_ ? ";transport=tcp" : "") + ">\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n");
    EXPECT_FALSE(wait("SIP/2.0 200", "REGISTER").empty());
  }

  // The 200 of an INVITE that is answered.
  void invite(const std::string& whom) { send(invite_text(whom)); }
  void cancel(const std::string& whom) {
    send(start("CANCEL", whom, "<" + whom + ">", 1) + "Content-Length: 0\r\n\r\n");
  }
  // A request of the caller in the dialogue that this 200 has made.
  void in_dialogue(const std::string& method, std::string_view ok, int cseq) {
    std::vector<std::string> routes = headers(ok, "Record-Route");
    std::string route_lines;
    for (auto at = routes.rbegin(); at != routes.rend(); ++at) route_lines += "Route: " + *at + "\r\n";
    send(start(method, target(ok), header(ok, "To"), cseq, header(ok, "From"), header(ok, "Call-ID")) +
         route_lines + "Content-Length: 0\r\n\r\n");
  }
  // The callee ends the call to which this INVITE came.
  void bye_as_callee(std::string_view invite_in) {
    std::string route_lines;
    for (const auto& route : headers(invite_in, "Record-Route")) route_lines += "Route: " + route + "\r\n";
    send(start("BYE", target(invite_in), header(invite_in, "From"), 1,
               header(invite_in, "To") + ";tag=callee", header(invite_in, "Call-ID")) +
         route_lines + "Content-Length: 0\r\n\r\n");
  }

  void on_datagrams(std::span<net::Datagram> batch) override {
    for (auto& d : batch) take({d.bytes.data(), d.bytes.size()});
  }
  void on_bytes(std::span<const char> bytes) override {
    partial_.append(bytes.data(), bytes.size());
    for (auto end = partial_.find("\r\n\r\n"); end != std::string::npos; end = partial_.find("\r\n\r\n")) {
      const std::string message = partial_.substr(0, end + 4);
      partial_.erase(0, end + 4);  // nobody sends a body here
      take(message);
    }
  }
  void on_closed(const net::StreamClosed&) override {}

 private:
  static std::string target(std::string_view message) {
    const std::string contact = header(message, "Contact");
    return contact.substr(1, contact.find('>') - 1);
  }
  std::string start(const std::string& method, const std::string& uri, const std::string& to, int cseq,
                    const std::string& from = "", const std::string& call = "") {
    // A CANCEL has the branch of its INVITE.
    if (method != "CANCEL") ++serial_;
    const std::string id = user_ + std::to_string(method == "BYE" || method == "ACK" ? 0 : serial_);
    return method + " " + uri + " SIP/2.0\r\nVia: SIP/2.0/" + (tcp_ ? "TCP " : "UDP ") + at_.text() +
           ";rport;branch=z9hG4bK" + user_ + std::to_string(serial_) +
           "\r\nMax-Forwards: 70\r\nFrom: " + (from.empty() ? "<" + aor() + ">;tag=caller" : from) +
           "\r\nTo: " + to + "\r\nCall-ID: " + (call.empty() ? id : call) +
           "\r\nCSeq: " + std::to_string(cseq) + " " + method + "\r\n";
  }
  std::string invite_text(const std::string& whom) {
    return start("INVITE", whom, "<" + whom + ">", 1) + "Contact: <sip:" + user_ + "@" + at_.text() +
           (tcp_ ? ";transport=tcp" : "") + ">\r\nContent-Length: 0\r\n\r\n";
  }
  std::string response(std::string_view request, const std::string& status) {
    std::string text = "SIP/2.0 " + status + "\r\n";
    for (const char* name : {"Via", "Record-Route", "From", "To", "Call-ID", "CSeq"})
      for (auto& value : headers(request, name))
        text += std::string(name) + ": " + value +
                (name == std::string_view("To") && value.find(";tag=") == std::string::npos ? ";tag=callee"
                                                                                            : "") +
                "\r\n";
    return text + "Contact: <sip:" + user_ + "@" + at_.text() + (tcp_ ? ";transport=tcp" : "") +
           ">\r\nContent-Length: 0\r\n\r\n";
  }
  void take(std::string_view message) {
    inbox.emplace_back(message);
    if (message.starts_with("INVITE ")) {
      invite_ = message;
      send(response(message, "180 Ringing"));
      if (answers == Answers::at_once) send(response(message, "200 OK"));
    } else if (message.starts_with("BYE ")) {
      send(response(message, "200 OK"));
    } else if (message.starts_with("CANCEL ")) {
      send(response(message, "200 OK"));
      send(response(invite_, "487 Request Terminated"));
    }
  }

  base::Loop& loop_;
  net::Address server_, at_;
  std::string user_;
  bool tcp_;
  std::unique_ptr<net::UdpSocket> socket_;
  std::unique_ptr<net::Stream> stream_;
  std::string partial_, invite_;
  int serial_ = 0;
};

}  // namespace causeway::peer::testing
