// What a REGISTER asks for (RFC 3261 10.3 steps 5 to 7), checked before anything is changed: a request
// is carried out as a whole or not at all.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sip/headers.h"
#include "sip/message.h"

namespace causeway::registrar {

struct ContactChange {
  std::string_view uri_text;  // into the request
  sip::Uri uri;
  std::string_view instance;  // +sip.instance without quotes, or empty
  std::uint32_t reg_id = 0;
  std::uint32_t expires = 0;  // seconds granted; 0: remove
  std::uint16_t q = 1000;
  bool ob = false;  // RFC 5626: wants to be reached down this flow
};

// The option tags that its Supported names.
struct Extensions {
  bool path = false, outbound = false, gruu = false;
};
Extensions extensions_of(const sip::Message& request);

struct RegisterRequest {
  std::string user;                     // unescaped user part of the address of record
  std::vector<ContactChange> contacts;  // empty: a query
  bool remove_all = false;              // Contact: *
  std::string_view call_id;
  std::uint32_t cseq = 0;
  std::string path;  // the values, topmost first, with commas between them
};

// How the answer must be if it cannot be 200.
struct Refusal {
  int status;
  const char* reason;
  bool too_much = false;  // because of a limit (limits.h)
};

struct ExpiryLimits {
  std::int64_t least, initial, most;  // seconds
};

// `domain` in lower case. 404 for an address of record that is not of the domain or cannot be a user's;
// 423 for an expiry below the least (RFC 3261 10.2.8: for 0 < asked < least); 400 for what is malformed.
std::expected<RegisterRequest, Refusal> read_register(const sip::Message& request, std::string_view domain,
                                                      const ExpiryLimits& expiry);
// Of that, the user alone.
std::expected<std::string, Refusal> read_user(const sip::Message& request, std::string_view domain);

}  // namespace causeway::registrar
