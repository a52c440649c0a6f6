#include "peer/trace.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "overlay/link_messages.h"
#include "sip/message.h"

namespace causeway::peer {

namespace {

std::string_view word_for(overlay::LinkQuestion::What what) {
  using enum overlay::LinkQuestion::What;
  switch (what) {
    case attach:
      return "attach";
    case check:
      return "check";
    case get:
      return "get";
    case put:
      return "put";
    case listen:
      return "listen";
    case unlisten:
      return "unlisten";
    case news:
      return "news";
  }
  return "?";
}

// What the overlay is asked, or answers: its form cannot be read in the first line.
void add_overlay(nlohmann::json& line, const sip::Message& message) {
  const std::span<const std::uint8_t> body(reinterpret_cast<const std::uint8_t*>(message.body().data()),
                                           message.body().size());
  line["overlay"] = "?";
  if (message.is_request()) {
    if (auto question = overlay::decode_link_question(body)) {
      line["overlay"] = word_for(question->what);
      line["uri"] = question->uri;
    }
  } else if (auto answer = overlay::decode_link_answer(body)) {
    line["overlay"] = "answer";
    line["records"] = answer->records.size();
  }
}

}  // namespace

base::Result<std::unique_ptr<Trace>> Trace::open(const std::string& path, base::Loop& loop,
                                                 sip::TransportLayer& transport) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return base::fail("trace.file: {}: {}", path, std::strerror(errno));
  return std::unique_ptr<Trace>(new Trace(fd, loop, transport));
}

Trace::Trace(int fd, base::Loop& loop, sip::TransportLayer& transport)
    : fd_(fd), loop_(loop), transport_(transport) {
  transport_.set_trace([this](bool incoming, const sip::Flow& flow, std::string_view bytes) {
    if (flow.member) write(incoming, flow, bytes);
  });
}

Trace::~Trace() {
  transport_.set_trace({});
  close(fd_);
}

void Trace::write(bool incoming, const sip::Flow& flow, std::string_view bytes) {
  auto message = std::make_unique<sip::Message>();
  (void)message->parse(bytes);
  std::string_view link = transport_.member_name(flow);
  nlohmann::json line = {{"t", static_cast<double>(loop_.unix_now()) / 1000.0},
                         {"dir", incoming ? "in" : "out"},
                         {"link", link.substr(0, link.find('.'))},
                         {"peer_address", flow.remote.text()},
                         {"first", bytes.substr(0, bytes.find('\r'))},
                         {"call_id", message->call_id()},
                         {"cseq", message->value(sip::HeaderName::cseq)}};
  if (message->value(sip::HeaderName::cseq).ends_with(overlay::kLinkMethod)) add_overlay(line, *message);
  std::string text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  // A trace that cannot be written (a full disk) must not stop the calls.
  [[maybe_unused]] auto written = ::write(fd_, text.data(), text.size());
}

}  // namespace causeway::peer
