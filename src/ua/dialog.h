// A dialogue (RFC 3261 12): what both ends remember of each other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sip/message.h"
#include "ua/client.h"

namespace causeway::ua {

struct Dialog {
  std::string call_id, local_tag, remote_tag;
  std::string local, remote;  // From and To of our requests, with their tags
  std::string target;         // where the other side is, a URI
  std::vector<std::string> routes;
  std::uint32_t local_cseq = 0;
  std::optional<std::uint32_t> remote_cseq;  // none before its first request

  // 12.1.2: of a response (101 to 299) to a request of ours. None if it lacks what a dialogue needs.
  static std::optional<Dialog> of_response(const Outgoing& request, std::uint32_t cseq,
                                           std::string_view local_tag, const sip::Message& response);
  // 12.1.1: of a request that we are about to accept.
  static std::optional<Dialog> of_request(const sip::Message& request, std::string_view local_tag);

  // 12.2.2: whether a request (or ACK) of the other side belongs here.
  bool has(const sip::Message& request) const;
  // 12.2.2: a request whose CSeq is not higher than those before is out of order (500).
  bool take_cseq(const sip::Message& request);
  // 12.2: the Contact of a target refresh request, or of its 2xx.
  void refresh_target(const sip::Message& message);
  // 12.2.1.1: the next request, without its CSeq.
  Outgoing request(sip::Method method) const;
};

// The value of Contact for a URI.
inline std::string in_brackets(std::string_view uri) { return "<" + std::string(uri) + ">"; }

}  // namespace causeway::ua
