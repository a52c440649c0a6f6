// Writes the SIP that runs over peer links, which a capture of the wire cannot show, as JSON lines:
// {"t": seconds, "dir": "in"|"out", "link": PEERID, "peer_address": "...", "first": start line, "call_id",
// "cseq"}, and for what members that are no nodes ask the overlay (link_messages.h) "overlay": what is
// asked ("get", "listen" and so on), with the "uri", or "answer", with how many "records".
#pragma once

#include <memory>
#include <string>

#include "base/loop.h"
#include "base/result.h"
#include "sip/transport.h"

namespace causeway::peer {

class Trace {
 public:
  // Appends to the file. Must go before the transport.
  static base::Result<std::unique_ptr<Trace>> open(const std::string& path, base::Loop& loop,
                                                   sip::TransportLayer& transport);
  ~Trace();

 private:
  Trace(int fd, base::Loop& loop, sip::TransportLayer& transport);
  void write(bool incoming, const sip::Flow& flow, std::string_view bytes);
  int fd_;
  base::Loop& loop_;
  sip::TransportLayer& transport_;
};

}  // namespace causeway::peer
