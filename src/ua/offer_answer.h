// What two sides of a call agree about their audio: offer and answer (RFC 3264) with ICE (RFC 8839),
// DTLS-SRTP (RFC 5763) and RTCP on RTP's port (RFC 5761). Functions on values, independent of SIP and of
// sockets.
//
//   caller:  body = make_offer(mine, session, 1)           ->  remote = read_answer(body, mine)
//   callee:  remote = read_offer(body, mine)               ->  body = make_answer(mine, *remote, offer,
//   session, 1)
//
// One audio section is spoken; others in an offer are answered with port 0. What is read is made safe: so
// many candidates, payloads and addresses as limits.h says, and none to which nobody has a reason to send.
//
// Offers have a port and candidates of their own for RTCP beside rtcp-mux (RFC 5761 5.1.3), and an answer has
// them where the offer has no rtcp-mux: Linphone finds no path without. Not with DTLS-SRTP, where that would
// take a second handshake.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/address.h"
#include "ua/candidate.h"

namespace causeway::ua {

struct MediaSection;  // sdp.h
struct SessionDescription;

// As the side that says it sees it.
enum class Direction : std::uint8_t { sendrecv, sendonly, recvonly, inactive };
std::string_view direction_name(Direction direction);
Direction reverse(Direction direction);
// What both want of it, seen from this side (RFC 3264 6.1).
Direction agreed_direction(Direction local, Direction remote);

enum class Keying : std::uint8_t { plain, dtls_srtp };

struct Payload {
  std::uint8_t number = 0;
  std::string name;  // "opus"
  unsigned rate = 8000, channels = 1;
  std::string fmtp;
  // The same codec, under whatever number: RFC 8866 6.6, names in either case.
  bool is_same_codec(const Payload& other) const;
  bool operator==(const Payload&) const = default;
};

struct IceCredentials {
  std::string ufrag, password;
  bool operator==(const IceCredentials&) const = default;
};

// What this side has to say.
struct LocalMedia {
  std::vector<Payload> codecs;  // by preference, telephone-event among them
  Direction direction = Direction::sendrecv;
  // What an offer asks for. Offers of the other side: with dtls_srtp nothing less is accepted; with plain
  // both are, if there is a fingerprint.
  Keying keying = Keying::plain;
  std::string fingerprint;  // "sha-256 AB:...": of the DTLS certificate; empty: no DTLS
  bool ice = true;
  IceCredentials credentials;
  std::vector<Candidate> candidates, rtcp_candidates;  // the latter for who does not multiplex
  net::Address default_rtp;                            // c= and m=: the relayed address where there is one
  std::optional<net::Address> default_rtcp;            // a=rtcp: for who does not multiplex
};

// What the other side said, made safe.
struct RemoteMedia {
  enum class Setup : std::uint8_t { actpass, active, passive };

  net::Address rtp;                  // where it wants media without ICE; unspecified if nowhere (on hold)
  std::optional<net::Address> rtcp;  // a port of its own (RFC 3605), only if it does not multiplex
  bool rtcp_mux = false;
  std::optional<IceCredentials>
      ice;  // nothing: it knows no ICE, or has seen its addresses altered on the way
  bool ice_lite = false;
  unsigned ice_pacing = 0;                    // ms between its checks (RFC 8839 5.5); 0: it does not say
  bool ice2 = false;                          // it speaks RFC 8445, and not only RFC 5245
  bool ice_mismatch = false;                  // RFC 8839 4.2.5: to be told in the answer
  std::vector<Candidate> candidates;          // of component 1, by priority
  std::vector<Candidate> rtcp_candidates;     // of component 2, only if it does not multiplex
  std::vector<Payload> codecs;                // common ones with its numbers, in the order to use
  Direction direction = Direction::sendrecv;  // as it sees it
  Keying keying = Keying::plain;
  std::string fingerprint;              // "sha-256 AB:..."
  Setup setup = Setup::actpass;         // its part in DTLS
  std::size_t candidates_left_out = 0;  // beyond limits::kMaxCandidates
  std::size_t candidates_refused = 0;   // that cannot be read, or not be sent to
  std::size_t section = 0;              // which m= line
  std::string session, version;  // of o=: unchanged, and the description is the same as before (RFC 3264 8)
};

// `session` and `version` are those of o=; `version` grows by one with every description that differs.
std::string make_offer(const LocalMedia& local, std::uint64_t session, std::uint32_t version);
// The error says what was not acceptable: 488.
base::Result<RemoteMedia> read_offer(std::string_view sdp, const LocalMedia& capabilities);
// The answer to an offer that read_offer has read. DTLS: actpass is answered by active.
std::string make_answer(const LocalMedia& local, const RemoteMedia& offer, std::string_view offer_sdp,
                        std::uint64_t session, std::uint32_t version);
base::Result<RemoteMedia> read_answer(std::string_view sdp, const LocalMedia& offered);

// The same for who lets codecs pass as they are: of one audio section, everything but these.
base::Result<RemoteMedia> read_transport(const SessionDescription& description, const MediaSection& section,
                                         const LocalMedia& local, bool is_offer);
// What a section says of its transport beside address and protocol: ICE, DTLS, RTCP. `offer`: that it
// answers, or null.
void add_transport(MediaSection& section, const LocalMedia& local, const RemoteMedia* offer);

// This side's part in DTLS with the other one (RFC 5763 5).
inline bool is_dtls_client(const RemoteMedia& remote) { return remote.setup != RemoteMedia::Setup::active; }

}  // namespace causeway::ua
