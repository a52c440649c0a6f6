// Somebody at the other end of the wire: a socket or a stream on the simulated network, and the small
// memory that it takes to write SIP messages that belong together.
//
// What a script leaves out is made up:
//   a new request   Via with a new branch and rport, Max-Forwards, From with a tag, To, Call-ID, CSeq
//   ACK, CANCEL     Request-URI, Via, From, Call-ID and CSeq number of the last INVITE that was sent, To of
//   the
//                   last response (ACK) or of that INVITE (CANCEL). An ACK with a Request-URI has a new
//                   branch.
//   a response      Via, Record-Route, From, To (with a tag), Call-ID and CSeq of the last request that was
//                   received with the method named ("200 INVITE"), or of any but ACK
// A detail line "Name: value" replaces all headers of that name by the first such line and adds the
// others; "-Name" takes a header out; "| text" is a line of the body.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "net/sim_network.h"
#include "sip/framing.h"
#include "sip/rewrite.h"
#include "sip/testing/script.h"
#include "sip/testing/text_message.h"

namespace causeway::sip::testing {

class Party final : public net::UdpHandler, public net::StreamHandler {
 public:
  // `where`: its own address. `target`: whom it talks to. A stream is connected by connect(), or comes
  // to it if it listens.
  Party(std::string name, base::Loop& loop, std::unique_ptr<net::Network> network, net::Endpoint where)
      : name_(std::move(name)), loop_(loop), network_(std::move(network)), where_(where) {}

  net::Endpoint target;
  std::deque<TextMessage> received;  // not yet expected by the script
  bool ignored = false;              // the script does not care what else it receives

  const std::string& name() const { return name_; }
  const net::Endpoint& where() const { return where_; }

  base::Status open_udp() {
    auto socket = network_->open_udp(where_.address, *this);
    if (!socket) return std::unexpected(socket.error());
    udp_ = std::move(*socket);
    return {};
  }
  base::Status listen(net::TlsContext* tls) {
    auto listener = network_->listen(where_.address, tls, [this](std::unique_ptr<net::Stream> stream) {
      stream->set_handler(*this);
      adopt(std::move(stream));
      note("connected");
    });
    if (!listener) return std::unexpected(listener.error());
    listener_ = std::move(*listener);
    return {};
  }
  void connect(const net::TlsClient& tls) {
    framer_ = {};
    stream_ = network_->connect(target.address, tls, *this);
  }
  bool settled() const { return !stream_ || stream_->connected(); }  // connected, or failed to
  void close() { stream_.reset(); }
  void stop_listening() { listener_.reset(); }

  void send_bytes(std::string_view bytes) {
    auto buffer = base::Buffer::copy_of(bytes);
    if (udp_)
      udp_->send(target.address, std::move(buffer));
    else if (stream_)
      stream_->send(std::move(buffer));
  }

  // "INVITE sip:b@c", "200 INVITE", "again", with their detail lines. An error says what is wrong.
  base::Status send(const Step& step, std::size_t from) {
    if (step.word(from) == "again") {
      send_bytes(last_sent_);
      return {};
    }
    TextMessage message;
    const bool is_response = !step.word(from).empty() && std::isdigit(step.word(from)[0]) != 0;
    auto made = is_response ? make_response_text(step, from, message) : make_request(step, from, message);
    if (!made) return made;
    apply_details(step.details, message);
    if (!message.has("Content-Length")) message.add("Content-Length", std::to_string(message.body.size()));
    std::erase_if(message.headers, [](const auto& header) { return header.second == kNone; });
    if (message.is_request() && message.method() == "INVITE") invite_ = message;
    last_sent_ = message.text();
    send_bytes(last_sent_);
    return {};
  }

  // net::UdpHandler, net::StreamHandler
  void on_datagrams(std::span<net::Datagram> batch) override {
    for (const net::Datagram& datagram : batch) take({datagram.bytes.data(), datagram.bytes.size()});
  }
  void on_bytes(std::span<const char> bytes) override {
    framer_.feed({bytes.data(), bytes.size()});
    for (;;) {
      const Frame frame = framer_.next();
      if (frame.kind == FrameKind::more) return;
      if (frame.kind == FrameKind::message) take(frame.bytes);
      if (frame.kind == FrameKind::ping) note("ping");
      if (frame.kind == FrameKind::pong) note("pong");
      if (frame.kind == FrameKind::error) return note("error");
    }
  }
  void on_closed(const net::StreamClosed&) override {
    note("closed");
    loop_.post([old = std::shared_ptr<net::Stream>(std::move(stream_))] {});
  }

  std::function<long()> clock;  // milliseconds of the conversation

 private:
  static constexpr std::string_view kNone = "\x01none";

  void adopt(std::unique_ptr<net::Stream> stream) {
    framer_ = {};
    stream_ = std::move(stream);
  }
  void note(std::string_view what) {
    TextMessage event;
    event.start = what;
    event.at = clock();
    received.push_back(std::move(event));
  }
  void take(std::string_view bytes) {
    TextMessage message = TextMessage::parse(bytes);
    message.at = clock();
    if (message.is_request())
      requests_[message.method()] = message;
    else
      last_response_ = message;
    if (message.is_request() && message.method() != "ACK") last_request_ = message;
    received.push_back(std::move(message));
  }

  std::string via(const std::string& branch) const {
    return "SIP/2.0/" + std::string(net::transport_via_name(where_.transport)) + " " + where_.address.text() +
           ";rport;branch=" + branch;
  }
  std::string new_branch() { return "z9hG4bK-" + name_ + "-" + std::to_string(++branches_); }

  base::Status make_request(const Step& step, std::size_t from, TextMessage& message) {
    const std::string method = step.word(from);
    std::string uri = step.word(from + 1);
    const bool of_invite = method == "ACK" || method == "CANCEL";
    if (of_invite && !invite_)
      return base::fail("{} has sent no INVITE that this {} could belong to", name_, method);
    if (!of_invite && uri.empty()) return base::fail("expected a Request-URI after {}", method);
    const bool same_branch = of_invite && uri.empty();
    if (uri.empty()) uri = invite_->uri();
    message.start = method + " " + uri + " SIP/2.0";
    message.add("Via", same_branch ? invite_->get("Via") : via(new_branch()));
    message.add("Max-Forwards", "70");
    if (of_invite) {
      message.add("From", invite_->get("From"));
      message.add("To", method == "ACK" && last_response_ ? last_response_->get("To") : invite_->get("To"));
      message.add("Call-ID", invite_->get("Call-ID"));
      message.add("CSeq", std::to_string(std::stoul(invite_->get("CSeq"))) + " " + method);
    } else {
      message.add("From", "<sip:" + name_ + "@sim>;tag=" + name_);
      message.add("To", "<" + uri + ">");
      message.add("Call-ID", name_ + "@sim");
      message.add("CSeq", std::to_string(++cseq_) + " " + method);
    }
    return {};
  }

  base::Status make_response_text(const Step& step, std::size_t from, TextMessage& message) {
    const std::string method = step.word(from + 1);
    const auto named = requests_.find(method);
    if (method.empty() ? !last_request_ : named == requests_.end())
      return base::fail("{} has received no {} to answer", name_, method.empty() ? "request" : method);
    const TextMessage& request = method.empty() ? *last_request_ : named->second;
    const int status = std::stoi(step.word(from));
    message.start = "SIP/2.0 " + step.word(from) + " " + std::string(reason_phrase(status));
    for (const auto& [header, value] : request.headers) {
      const bool copied = same_name(header, "Via") || same_name(header, "Record-Route") ||
                          same_name(header, "From") || same_name(header, "To") ||
                          same_name(header, "Call-ID") || same_name(header, "CSeq");
      if (!copied) continue;
      const bool tag = same_name(header, "To") && status != 100 && value.find(";tag=") == value.npos;
      message.add(header, tag ? value + ";tag=" + name_ : value);
    }
    return {};
  }

  static void apply_details(const std::vector<std::string>& details, TextMessage& message) {
    std::vector<std::string> replaced;
    for (const std::string& line : details) {
      if (line[0] == '|') {
        message.body += (line.size() > 2 ? line.substr(2) : "") + "\r\n";
        continue;
      }
      if (line[0] == '-') {
        message.remove(line.substr(1));
        message.add(line.substr(1), std::string(kNone));
        continue;
      }
      const auto colon = line.find(':');
      const std::string header = trimmed(line.substr(0, colon));
      const std::string value = colon == line.npos ? "" : trimmed(line.substr(colon + 1));
      bool seen = false;
      for (const std::string& other : replaced) seen = seen || same_name(other, header);
      if (seen) {
        message.add(header, value);
        continue;
      }
      replaced.push_back(header);
      set(message, header, value);
    }
  }
  // In the place of the first header of that name, so that Via stays on top.
  static void set(TextMessage& message, const std::string& header, const std::string& value) {
    for (auto at = message.headers.begin(); at != message.headers.end(); ++at) {
      if (!same_name(at->first, header)) continue;
      const auto place = at - message.headers.begin();
      message.remove(header);
      message.headers.emplace(message.headers.begin() + place, header, value);
      return;
    }
    message.add(header, value);
  }

  std::string name_;
  base::Loop& loop_;
  std::unique_ptr<net::Network> network_;
  net::Endpoint where_;
  std::unique_ptr<net::UdpSocket> udp_;
  std::unique_ptr<net::Listener> listener_;
  std::unique_ptr<net::Stream> stream_;
  StreamFramer framer_;
  std::string last_sent_;
  std::optional<TextMessage> invite_, last_request_, last_response_;
  std::map<std::string, TextMessage> requests_;  // the last one of each method
  unsigned branches_ = 0, cseq_ = 0;
};

}  // namespace causeway::sip::testing
