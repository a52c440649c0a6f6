#include "ua/ice_path.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "ua/limits.h"

namespace causeway::ua {
namespace {

constexpr guint kComponent = 1, kRtcp = 2;
constexpr gint kExpedited = 0xb8;  // DSCP EF (RFC 4594 4.1)
constexpr const char* kNoPair = "no pair of candidates has answered";

NiceAddress to_nice(const net::Address& address) {
  sockaddr_storage bytes{};
  address.to_sockaddr(bytes);
  NiceAddress nice;
  nice_address_init(&nice);
  nice_address_set_from_sockaddr(&nice, reinterpret_cast<const sockaddr*>(&bytes));
  return nice;
}

net::Address from_nice(const NiceAddress& nice) {
  sockaddr_storage bytes{};
  nice_address_copy_to_sockaddr(&nice, reinterpret_cast<sockaddr*>(&bytes));
  return net::Address::from_sockaddr(reinterpret_cast<const sockaddr&>(bytes));
}

Candidate::Type type_of(const NiceCandidate& candidate) {
  switch (candidate.type) {
    case NICE_CANDIDATE_TYPE_HOST:
      return Candidate::Type::host;
    case NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE:
      return Candidate::Type::server_reflexive;
    case NICE_CANDIDATE_TYPE_PEER_REFLEXIVE:
      return Candidate::Type::peer_reflexive;
    case NICE_CANDIDATE_TYPE_RELAYED:
      break;
  }
  return Candidate::Type::relayed;
}

NiceCandidateType nice_type(Candidate::Type type) {
  switch (type) {
    case Candidate::Type::host:
      return NICE_CANDIDATE_TYPE_HOST;
    case Candidate::Type::server_reflexive:
      return NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE;
    case Candidate::Type::peer_reflexive:
      return NICE_CANDIDATE_TYPE_PEER_REFLEXIVE;
    case Candidate::Type::relayed:
      break;
  }
  return NICE_CANDIDATE_TYPE_RELAYED;
}

NiceCandidate* to_nice(const Candidate& candidate, guint stream, guint component = kComponent) {
  NiceCandidate* nice = nice_candidate_new(nice_type(candidate.type));
  nice->transport = NICE_CANDIDATE_TRANSPORT_UDP;
  nice->addr = to_nice(candidate.address);
  nice->base_addr = to_nice(candidate.related.value_or(candidate.address));
  nice->priority = candidate.priority;
  nice->stream_id = stream;
  nice->component_id = component;
  g_strlcpy(nice->foundation, candidate.foundation.c_str(), sizeof nice->foundation);
  return nice;
}

// With relay_only the address that it was found from is nobody's business (RFC 8839 5.1).
Candidate from_nice(const NiceCandidate& nice, bool relay_only) {
  Candidate candidate;
  candidate.component = nice.component_id;
  candidate.foundation = nice.foundation;
  candidate.priority = nice.priority;
  candidate.address = from_nice(nice.addr);
  candidate.type = type_of(nice);
  if (candidate.type != Candidate::Type::host)
    candidate.related = relay_only ? net::Address{} : from_nice(nice.base_addr);
  return candidate;
}

std::string end_text(const NiceCandidate& candidate) {
  return fmt::format("{} {}", candidate_type_name(type_of(candidate)), from_nice(candidate.addr).text());
}

// Of no use without the interface that it belongs to.
bool is_link_local(const net::Ip& ip) {
  return ip.is_v6() && ip.bytes()[0] == 0xfe && (ip.bytes()[1] & 0xc0) == 0x80;
}

// Where there is no ICE: what everybody reaches comes first.
int reach(const NiceCandidate& candidate) {
  switch (candidate.type) {
    case NICE_CANDIDATE_TYPE_RELAYED:
      return 2;
    case NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE:
      return 1;
    default:
      return 0;
  }
}

// The one that is told in c= and m=: of those that reach furthest IPv4 before IPv6, if both are asked for.
const NiceCandidate* best_of(const std::vector<NiceCandidate*>& candidates, bool is_v4) {
  const NiceCandidate* best = nullptr;
  for (const NiceCandidate* candidate : candidates) {
    if (from_nice(candidate->addr).ip.is_v4() != is_v4) continue;
    const auto rank = [](const NiceCandidate& c) { return std::pair(reach(c), c.priority); };
    if (best == nullptr || rank(*candidate) > rank(*best)) best = candidate;
  }
  return best;
}

const NiceCandidate* best_of(const std::vector<NiceCandidate*>& candidates) {
  const NiceCandidate *v4 = best_of(candidates, true), *v6 = best_of(candidates, false);
  return v4 != nullptr && (v6 == nullptr || reach(*v4) >= reach(*v6)) ? v4 : v6;
}

void free_candidates(GSList* list) {
  g_slist_free_full(list,
                    [](gpointer candidate) { nice_candidate_free(static_cast<NiceCandidate*>(candidate)); });
}

NiceRelayType relay_type(net::Transport transport) {
  return transport == net::Transport::udp ? NICE_RELAY_TYPE_TURN_UDP : NICE_RELAY_TYPE_TURN_TCP;
}

}  // namespace

// libnice calls these from within calls of its own.
struct IcePath::Callbacks {
  static void gathered(NiceAgent*, guint, gpointer self) {
    static_cast<IcePath*>(self)->later(&IcePath::finish_gathering);
  }
  static void found(NiceAgent*, NiceCandidate* candidate, gpointer self) {
    if (candidate->type == NICE_CANDIDATE_TYPE_RELAYED && candidate->component_id == kComponent)
      static_cast<IcePath*>(self)->later(&IcePath::hurry_gathering);
  }
  static void changed(NiceAgent*, guint, guint, guint, gpointer self) {
    static_cast<IcePath*>(self)->later(&IcePath::see_state);
  }
  static void selected(NiceAgent*, guint, guint, NiceCandidate*, NiceCandidate*, gpointer self) {
    static_cast<IcePath*>(self)->later(&IcePath::see_pair);
  }
  static void packet(NiceAgent*, guint, guint component, guint size, gchar* bytes, gpointer self) {
    auto& path = *static_cast<IcePath*>(self);
    if (component == kComponent) path.heard_ = true;
    path.owner_.path_packet(path, {reinterpret_cast<const std::uint8_t*>(bytes), size});
  }
  static void ignored(NiceAgent*, guint, guint, guint, gchar*, gpointer) {}
};

IcePath::IcePath(MediaThread& thread, const IceConfig& config, Owner& owner)
    : thread_(thread),
      owner_(owner),
      relay_only_(config.relay_only),
      controlling_(config.controlling),
      agent_(nice_agent_new_full(thread.context(), NICE_COMPATIBILITY_RFC5245,
                                 static_cast<NiceAgentOption>(NICE_AGENT_OPTION_REGULAR_NOMINATION |
                                                              NICE_AGENT_OPTION_CONSENT_FRESHNESS))),
      components_(config.rtcp_port ? 2 : 1),
      patience_(thread),
      channel_(thread),
      self_(std::make_shared<IcePath*>(this)) {
  g_object_set(agent_, "controlling-mode", config.controlling, "force-relay", config.relay_only, "upnp",
               FALSE, "ice-tcp", FALSE, "max-connectivity-checks", limits::kMaxChecks, "stun-pacing-timer",
               limits::kIcePacing, "stun-initial-timeout", limits::kServerTimeout, "idle-timeout",
               limits::kIdleTimeout, nullptr);
  ask_at_most(limits::kServerQuestions);
  if (config.stun && !config.relay_only)
    g_object_set(agent_, "stun-server", config.stun->ip.text().c_str(), "stun-server-port", config.stun->port,
                 nullptr);
  for (const net::Ip& ip : config.local_addresses) {
    NiceAddress local = to_nice(net::Address{ip, 0});
    nice_agent_add_local_address(agent_, &local);
  }
  stream_ = nice_agent_add_stream(agent_, components_);
  nice_agent_set_stream_tos(agent_, stream_, kExpedited);
  gchar *ufrag = nullptr, *password = nullptr;
  if (nice_agent_get_local_credentials(agent_, stream_, &ufrag, &password)) credentials_ = {ufrag, password};
  g_free(ufrag);
  g_free(password);
  add_relays(config);
  g_signal_connect(agent_, "candidate-gathering-done", G_CALLBACK(Callbacks::gathered), this);
  g_signal_connect(agent_, "new-candidate-full", G_CALLBACK(Callbacks::found), this);
  g_signal_connect(agent_, "component-state-changed", G_CALLBACK(Callbacks::changed), this);
  g_signal_connect(agent_, "new-selected-pair-full", G_CALLBACK(Callbacks::selected), this);
  for (guint component = kComponent; component <= components_; ++component)
    nice_agent_attach_recv(agent_, stream_, component, thread.context(), Callbacks::packet, this);
}

IcePath::~IcePath() {
  *self_ = nullptr;
  g_signal_handlers_disconnect_by_data(agent_, this);
  // libnice goes on reading: allocations are given back by a request that wants an answer, and until that has
  // come it still asks the other side for consent.
  for (guint component = kComponent; component <= components_; ++component)
    nice_agent_attach_recv(agent_, stream_, component, thread_.context(), Callbacks::ignored, nullptr);
  for (const auto* locals : {&locals_, &rtcp_locals_})
    for (NiceCandidate* candidate : *locals) nice_candidate_free(candidate);
  nice_agent_close_async(
      agent_, [](GObject* agent, GAsyncResult*, gpointer) { g_object_unref(agent); }, nullptr);
}

void IcePath::add_relays(const IceConfig& config) {
  for (std::size_t i = 0; i < std::min(config.relays.size(), limits::kMaxRelays); ++i) {
    const RelayServer& relay = config.relays[i];
    const net::Address& at = relay.endpoint.address;
    for (guint component = kComponent; component <= components_; ++component)
      nice_agent_set_relay_info(agent_, stream_, component, at.ip.text().c_str(), at.port, relay.user.c_str(),
                                relay.password.c_str(), relay_type(relay.endpoint.transport));
  }
}

void IcePath::later(void (IcePath::*what)()) {
  thread_.post([self = self_, what] {
    if (*self) (**self.*what)();
  });
}

void IcePath::gather() {
  patience_.start(relay_only_ ? limits::kRelayPatience : limits::kGatherPatience,
                  [this] { finish_gathering(); });
  if (!nice_agent_gather_candidates(agent_, stream_)) fail("no socket could be opened on any local address");
}

// With one relay a call can be made: one that is dead does not keep it waiting.
void IcePath::hurry_gathering() {
  if (!gathered_ && !failed_) patience_.start(limits::kMoreRelays, [this] { finish_gathering(); });
}

std::vector<NiceCandidate*> IcePath::gathered_locals(guint component) const {
  std::vector<NiceCandidate*> locals;
  GSList* list = nice_agent_get_local_candidates(agent_, stream_, component);
  for (GSList* at = list; at != nullptr; at = at->next) {
    auto* candidate = static_cast<NiceCandidate*>(at->data);
    const bool wanted = candidate->transport == NICE_CANDIDATE_TRANSPORT_UDP &&
                        !is_link_local(from_nice(candidate->addr).ip) &&
                        (!relay_only_ || candidate->type == NICE_CANDIDATE_TYPE_RELAYED);
    if (wanted)
      locals.push_back(candidate);
    else
      nice_candidate_free(candidate);
  }
  g_slist_free(list);
  return locals;
}

void IcePath::finish_gathering() {
  if (gathered_ || failed_) return;
  patience_.cancel();
  locals_ = gathered_locals(kComponent);
  if (components_ == kRtcp) rtcp_locals_ = gathered_locals(kRtcp);
  if (locals_.empty())
    return fail(relay_only_ ? "no relay has given an address" : "there is no local address");
  gathered_ = true;
  owner_.path_gathered(*this);
  if (waiting_) set_remote(*std::exchange(waiting_, {}));
}

void IcePath::describe(LocalMedia& media) const {
  media.ice = true;
  media.credentials = credentials_;
  media.candidates = described(locals_);
  media.rtcp_candidates = described(rtcp_locals_);
  const NiceCandidate *best = best_of(locals_), *rtcp = best_of(rtcp_locals_);
  media.default_rtp = best != nullptr ? from_nice(best->addr) : net::Address{};
  media.default_rtcp.reset();
  if (rtcp != nullptr) media.default_rtcp = from_nice(rtcp->addr);
  if (!own_end_) return;
  // RFC 8445 12.1, RFC 8839 4.4.3: what has been found is the default from then on, and among the candidates.
  media.default_rtp = own_end_->address;
  if (std::ranges::find(media.candidates, own_end_->address, &Candidate::address) == media.candidates.end())
    media.candidates.push_back(*own_end_);
}

std::vector<Candidate> IcePath::described(const std::vector<NiceCandidate*>& locals) const {
  std::vector<Candidate> candidates;
  for (const NiceCandidate* local : locals) candidates.push_back(from_nice(*local, relay_only_));
  return candidates;
}

void IcePath::set_remote(const RemoteMedia& remote) {
  if (!gathered_) {
    waiting_ = remote;
    return;
  }
  if (failed_) return;
  if (remote.ice)
    begin_checks(remote);
  else
    begin_without_ice(remote);
}

void IcePath::follow(const RemoteMedia& remote) {
  nice_agent_restart_stream(agent_, stream_);
  nice_agent_set_local_credentials(agent_, stream_, credentials_.ufrag.c_str(),
                                   credentials_.password.c_str());
  selected_ = failed_ = by_signalling_ = false;
  signalled_.reset();
  own_end_.reset();
  pair_.clear();
  waiting_.reset();
  set_remote(remote);
}

// libnice looks at this when it begins to ask for something.
void IcePath::ask_at_most(unsigned times) {
  g_object_set(agent_, "stun-max-retransmissions", times, nullptr);
}

void IcePath::begin_checks(const RemoteMedia& remote) {
  remote_ = remote.ice;
  if (!selected_) ask_at_most(limits::kCheckQuestions);
  // RFC 8445 6.1.1: a lite agent never controls a full one.
  if (remote.ice_lite) g_object_set(agent_, "controlling-mode", TRUE, nullptr);
  // RFC 8839 5.5
  g_object_set(agent_, "stun-pacing-timer", std::max(limits::kIcePacing, remote.ice_pacing), nullptr);
  nice_agent_set_remote_credentials(agent_, stream_, remote.ice->ufrag.c_str(), remote.ice->password.c_str());
  set_candidates(kComponent, remote.candidates);
  rtcp_apart_ = components_ == kRtcp && !remote.rtcp_candidates.empty();
  if (rtcp_apart_) set_candidates(kRtcp, remote.rtcp_candidates);
  if (!selected_)
    patience_.start(controlling_ ? limits::kNominationPatience : limits::kConnectPatience,
                    [this] { fail(kNoPair); });
}

void IcePath::set_candidates(guint component, const std::vector<Candidate>& candidates) {
  GSList* list = nullptr;
  for (const Candidate& candidate : candidates)
    list = g_slist_append(list, to_nice(candidate, stream_, component));
  if (list != nullptr) nice_agent_set_remote_candidates(agent_, stream_, component, list);
  free_candidates(list);
}

void IcePath::begin_without_ice(const RemoteMedia& remote) {
  by_signalling_ = true;
  if (remote.rtp.port == 0) {  // on hold
    selected_ = false;
    signalled_.reset();
    return;
  }
  rtcp_apart_ = remote.rtcp && select_signalled(kRtcp, *remote.rtcp);
  if (signalled_ == remote.rtp) return;
  signalled_ = remote.rtp;
  if (best_of(locals_, remote.rtp.ip.is_v4()) == nullptr)
    return fail(fmt::format("no address of the family of {}", remote.rtp.text()));
  if (!select_signalled(kComponent, remote.rtp))
    return fail(fmt::format("libnice does not take {} for a path", remote.rtp.text()));
}

bool IcePath::select_signalled(guint component, const net::Address& remote) {
  const NiceCandidate* local = best_of(component == kRtcp ? rtcp_locals_ : locals_, remote.ip.is_v4());
  if (local == nullptr) return false;
  Candidate named;
  named.foundation = fmt::format("signalled{}", ++named_);
  named.address = remote;
  set_candidates(component, {named});
  return nice_agent_set_selected_pair(agent_, stream_, component, local->foundation,
                                      named.foundation.c_str());
}

// A pair may still be found when all that were known have failed: the other side's checks may come later, and
// bring more. Without ICE nobody has to answer.
void IcePath::see_state() {
  if (by_signalling_) return;
  if (nice_agent_get_component_state(agent_, stream_, kComponent) != NICE_COMPONENT_STATE_FAILED) return;
  if (selected_)
    lose_consent();
  else if (controlling_)
    fail(kNoPair);
}

// RFC 7675 5.1 ends consent after 30 seconds; libnice after 10, in which it asks twice and does not repeat
// itself. Where one packet of ten is lost each way that would end every fifth call within a minute. So it is
// told once that the pair is still meant, and asks for another round.
void IcePath::lose_consent() {
  const base::Instant now = MediaThread::now();
  const bool again = now - unanswered_ < limits::kConsentRound;
  unanswered_ = now;
  if (again || !select_again()) fail("the other side no longer answers (RFC 7675)");
}

// The pair that is selected: for another round of consent, and another channel at its relay.
bool IcePath::select_again() {
  return nice_agent_set_selected_pair(agent_, stream_, kComponent, local_foundation_.c_str(),
                                      remote_foundation_.c_str());
}

// From when packets are sent, and so may be expected. Those that came before the channel was bound say
// nothing of it.
void IcePath::watch_channel(int repeats) {
  channel_.start(limits::kBindPatience, [this, repeats] {
    heard_ = false;
    channel_.start(limits::kBindSilence, [this, repeats] {
      if (heard_) {
        unanswered_ = {};
      } else if (repeats > 0 && selected_ && select_again()) {
        unanswered_ = MediaThread::now();
        watch_channel(repeats - 1);
      }
    });
  });
}

void IcePath::see_pair() {
  NiceCandidate *local = nullptr, *remote = nullptr;
  if (failed_ || !nice_agent_get_selected_pair(agent_, stream_, kComponent, &local, &remote)) return;
  patience_.cancel();
  selected_ = true;
  ask_at_most(limits::kServerQuestions);  // that allocations are refreshed
  std::string pair = end_text(*local) + " <-> " + end_text(*remote);
  if (selected_ && pair == pair_) return;
  local_foundation_ = local->foundation;
  remote_foundation_ = remote->foundation;
  pair_ = std::move(pair);
  own_end_ = from_nice(*local, relay_only_);
  relay_.reset();
  if (local->type == NICE_CANDIDATE_TYPE_RELAYED) {
    NiceAddress server;
    nice_candidate_relay_address(local, &server);
    relay_ = from_nice(server);
  }
  channel_.cancel();
  channel_awaited_ = relay_.has_value();
  owner_.path_selected(*this);
}

void IcePath::fail(std::string why) {
  if (failed_) return;
  failed_ = true;
  selected_ = false;
  patience_.cancel();
  channel_.cancel();
  thread_.post([self = self_, why = std::move(why)] {
    if (*self) (*self)->owner_.path_failed(**self, why);
  });
}

bool IcePath::send(std::span<const std::uint8_t> packet) {
  if (std::exchange(channel_awaited_, false)) watch_channel(limits::kBindRepeats);
  const bool is_rtcp = packet.size() > 1 && packet[1] >= 192 && packet[1] <= 223;  // RFC 5761 4
  return nice_agent_send(agent_, stream_, rtcp_apart_ && is_rtcp ? kRtcp : kComponent,
                         static_cast<guint>(packet.size()),
                         reinterpret_cast<const gchar*>(packet.data())) == static_cast<gint>(packet.size());
}

}  // namespace causeway::ua
