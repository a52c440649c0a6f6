// Who sent a request, and may it say so?
//
//   member    it came over a peer link: the other end has proved a PEERID, and has asked these
//             questions already. If its certificate names users (sip::TransportLayer::member_users) it is
//             theirs, who says what a proven phone of theirs may say
//   phone     an own phone, which has proved to be one of user `user`:
//               - by the stream on which that user's REGISTER was accepted
//               - by digest (407)
//               - within a dialogue, by the flow token in its first Route (route.h: a claim): the
//                 request comes from the address where that phone was; or by one of the above
//               - open registration: from the address at which that user has registered
//   outsider  anyone else; may only reach users of this domain
//
// A request is challenged if it says that it comes from this domain (From, P-Asserted-Identity, a
// claim, a public address of ours on its way out), if it carries credentials for us, or if it registers
// elsewhere (draft 4.2). ACK cannot be challenged: without proof it counts as an
// outsider's.
//
// What a proven phone may call itself: sip:user@D, a public address that this user has registered
// through us (draft 4.2), or anonymous.invalid (RFC 3323). In a dialogue the From is what the dialogue
// has made it, and is not checked.
#pragma once

#include <string>
#include <string_view>

#include "proxy/core.h"
#include "proxy/route.h"
#include "sip/headers.h"

namespace causeway::proxy {

struct Sender {
  enum class Kind { outsider, phone, member };
  Kind kind = Kind::outsider;
  bool of_user = false;     // member: it is a user's, and speaks for `user` alone
  std::string user;         // phone, member of a user: whose
  bool registered = false;  // not believed, but this very flow is that of a phone of who it says it is
  std::string caller_flow;  // phone: user part of its flow URI, "_PEERID.TOKEN", for Record-Route
};

// Does it carry a Proxy-Authorization for this realm?
bool has_credentials_for(const sip::Message& request, std::string_view realm);

class SenderCheck {
 public:
  explicit SenderCheck(Core& core) : core_(core) {}

  enum class Verdict { known, challenge, stale, refused };
  struct Result {
    Verdict verdict = Verdict::known;
    Refusal refusal;
  };
  Result check(const sip::Message& request, const sip::Flow& flow, const Route& route, Sender& sender);

  // Answers 407 with all algorithms (RFC 8760), or the refusal.
  void answer(const Result& result, sip::ServerTransaction* transaction, const sip::Message& request);

 private:
  struct Case;
  enum class Proof { none, right, stale, wrong };

  Case describe(const sip::Message& request, const sip::Flow& flow, const Route& route,
                const sip::NameAddr& from, std::string& room) const;
  Result check_member(const sip::Message& request, const sip::Flow& flow, const Route& route,
                      Sender& sender) const;
  bool by_claim(const Case& c) const;
  std::string_view candidate(const Case& c) const;
  bool must_prove(const Case& c) const;
  bool on_registered_stream(std::string_view user, const sip::Flow& flow) const;
  bool from_registered_ip(std::string_view user, const sip::Flow& flow) const;
  Proof digest(const sip::Message& request, std::string& user) const;
  Result prove(const Case& c, Sender& sender) const;
  Refusal check_from(const Case& c, std::string_view user) const;
  void name_flow(const Case& c, Sender& sender) const;

  Core& core_;
};

}  // namespace causeway::proxy
