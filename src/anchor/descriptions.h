// What a phone and the world say to each other in SDP, as each gets to see it: with this peer's addresses in
// place of the other's, for the phone in plain RTP, for the world with ICE, and encrypted if it
// offers that. Functions on values.
//
//   phone says  -> read_phone -> for_world -> the world reads
//   world says  -> read_world -> for_phone -> the phone reads
//
// Codecs, payload numbers, directions and all that is not about transport pass as they are. One audio section
// is carried, the first that can be; others are offered, and answered, with port 0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ua/offer_answer.h"
#include "ua/sdp.h"

namespace causeway::anchor {

// A description that can be carried.
struct Said {
  ua::SessionDescription description;
  std::size_t section = 0;  // the audio that is carried
  ua::RemoteMedia media;    // what it says about its transport
};

// `offer`: what it answers, null if it is an offer. The error says what was not acceptable.
base::Result<Said> read_phone(std::string_view sdp, const Said* offer);
// `local`: what was offered, or can be answered.
base::Result<Said> read_world(std::string_view sdp, const ua::LocalMedia& local, const Said* offer);

// The same as the other side gets it; o= is still to be written (Numbering). `offer`: as above.
ua::SessionDescription for_world(const Said& phone, const ua::LocalMedia& local, const Said* offer);
ua::SessionDescription for_phone(const Said& world, const net::Address& rtp, const Said* offer);

// o= of what is said to one side: the version grows by one with each description that differs (RFC 3264 8).
class Numbering {
 public:
  explicit Numbering(std::uint64_t session) : session_(session) {}
  std::string write(ua::SessionDescription description);

 private:
  const std::uint64_t session_;
  std::uint32_t version_ = 0;
  std::string last_;
};

}  // namespace causeway::anchor
