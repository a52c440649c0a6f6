// From what a request names to where it can be sent: user records and bindings, flows, peers, proxy
// peers of the directory, the DNS.
//
// First the target set (by Way): branches are added to the context, then ResponseContexts::go or
// ::refuse is called, at once or when a lookup has answered. Own bindings are fresher than any
// record; a phone known here and in a record counts where it registered last.
//
// Then, for each branch as it starts, its places (find_places), and once more if none of them
// worked (find_again): the same user and instance, wherever registered now.
//
// How the phone of a flow `_X.T` is found (T opened: user, instance, where it was):
//   1. a binding of this user and instance here, whoever X is
//   2. X is another peer with an open peer link, or reached through this one: there
//   3. the user's record: the peer that has the instance now (X or another)
//   4. X's own peer record
//   5. in a dialogue: the address at which the phone was
//   6. 480
//
// A peer that cannot be reached names others that lead to it (overlay/public_links.h): these are its places.
// One of them that has no link to it, or a silent one, and was asked by a member, says 503 at once and looks
// no further: who has asked goes on to the next. So a request makes no more than one such step, whatever the
// records say.
#pragma once

#include <string>
#include <string_view>

#include "overlay/users.h"
#include "proxy/response_context.h"
#include "proxy/route.h"

namespace causeway::proxy {

class Targets {
 public:
  Targets(Core& core, ResponseContexts& contexts) : core_(core), contexts_(contexts) {}

  void to_user(ResponseContext& context, const sip::Uri& uri);
  // `in_route`: the flow is a Route value, and the Request-URI is what the dialogue says.
  void to_flow(ResponseContext& context, const Route& route, const sip::Uri& request_uri);
  void to_peer(ResponseContext& context, const identity::PeerId& peer);
  void to_outside(ResponseContext& context);

  // Fills branch.link and branch.hops, then calls ResponseContexts::resolved, at once or later.
  void find_places(Branch& branch);
  // Looks for the phone of a branch elsewhere (then as find_places); false if that makes no sense.
  bool find_again(Branch& branch);

  // How == binding: the next flow of that phone; none if that one is gone. The second is false when all
  // have been tried.
  std::pair<std::optional<sip::Flow>, bool> next_phone_flow(Branch& branch);
  // The binding that was tried last.
  const registrar::Binding* binding_of(const Branch& branch) const;
  // To a phone: the address from which it signals.
  net::Ip source_of(const Branch& branch) const;

 private:
  struct Wanted {  // the instance that a GRUU names (RFC 5627)
    bool one = false;
    std::uint64_t bracketed = 0, bare = 0;  // its hash, with and without <>
    bool covers(std::uint64_t instance) const { return !one || instance == bracketed || instance == bare; }
  };
  static Wanted wanted(const sip::Uri& uri);
  void user_found(ResponseContext& context, const overlay::UserLookup& lookup, const Wanted& wanted);
  bool has_room(const ResponseContext& context) const;
  void add_bindings(ResponseContext& context, const Wanted& wanted);
  void add_contact(ResponseContext& context, const overlay::UserContact& contact);
  void set_member(Branch& branch, const overlay::UserContact& contact);
  void add_places(Branch& branch, const std::vector<overlay::ViaPeer>& vias,
                  const std::vector<net::Address>& links);
  static bool chosen_as_via(const Branch& branch);
  void find_link(Branch& branch);
  void find_flow(Branch& branch);
  void flow_found(Branch& branch, const overlay::UserLookup& lookup);
  void peer_record(Branch& branch);
  void peer_found(Branch& branch, const std::vector<overlay::Record>& records);
  void last_resort(Branch& branch);
  void ask_dns(Branch& branch, const sip::Uri& uri);
  void located(Branch& branch, dns::Hops hops);
  void ask_directory(Branch& branch);
  void proxies_found(Branch& branch, const std::vector<overlay::ServiceBody>& peers);
  std::string aor(std::string_view user) const {
    return "sip:" + std::string(user) + "@" + core_.names.domain();
  }

  Core& core_;
  ResponseContexts& contexts_;
};

}  // namespace causeway::proxy
