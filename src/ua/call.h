// One call (RFC 3261 12 to 15, with 3262, 3264, 3311, 4028): made by Agent::call, or one that came in and is
// given to AgentUser::on_incoming.
//
//   preparing --INVITE--> calling --18x--> ringing --2xx--> established --BYE--> ended
//   incoming --answer()--> established
//
// The media is a Session (session.h) and its descriptions: the call offers in its INVITE, answers an offer as
// soon as it can (in a reliable provisional response where the caller knows those, so that ICE is done
// before anybody lifts the receiver), and offers itself where an INVITE came without.
//
// A change of an established call (hold, a new path) is a re-INVITE; who meets one of the other side waits
// and tries again (14.1). If several phones answer, the first has the call and the others a BYE.
//
// A Call stays until nothing can come for it any more, which is half a minute after its end; its user must
// not touch it after on_ended has returned.
//
//   call.cc         what its user asks for, and the end
//   call_out.cc     the first INVITE, as the caller
//   call_in.cc      the first INVITE, as the callee
//   call_dialog.cc  requests within the dialogue
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/loop.h"
#include "ua/client.h"
#include "ua/dialog.h"
#include "ua/line.h"
#include "ua/repeater.h"
#include "ua/session.h"
#include "ua/session_timer.h"

namespace causeway::ua {

class Call;

struct CallEnd {
  enum class By { us, them, failure };
  By by = By::failure;
  bool established = false;  // before
  int status = 0;            // of SIP, if that ended it
  Trouble why;               // of failures
  std::string text;          // in a few words: "busy here", "they hung up"
};

// All on the loop's thread. Never from inside a call into the agent or the call, but for on_ended, which
// comes before hang_up returns.
class CallUser {
 public:
  virtual void on_ringing(Call& call) { (void)call; }
  virtual void on_established(Call& call) { (void)call; }
  virtual void on_relays(Call& call, const std::vector<RelayServer>& relays) { (void)call, (void)relays; }
  virtual void on_allocated(Call& call, const std::string& what) { (void)call, (void)what; }
  virtual void on_media(Call& call, const std::string& pair) { (void)call, (void)pair; }
  virtual void on_media_lost(Call& call, const std::string& why) { (void)call, (void)why; }
  virtual void on_first_audio(Call& call) { (void)call; }
  // Either side has put the other on hold, or has ended that.
  virtual void on_hold(Call& call, bool by_us, bool held) { (void)call, (void)by_us, (void)held; }
  virtual void on_dtmf(Call& call, char digit) { (void)call, (void)digit; }
  // Something that was asked for did not come about; the call goes on.
  virtual void on_trouble(Call& call, const Trouble& what) { (void)call, (void)what; }
  virtual void on_ended(Call& call, const CallEnd& end) = 0;

 protected:
  ~CallUser() = default;
};

// For the agent: nothing of this call can come any more.
class CallOwner {
 public:
  virtual void on_finished(Call& call) = 0;

 protected:
  ~CallOwner() = default;
};

struct CallParts {
  base::Loop& loop;
  base::Random& random;
  sip::TransactionLayer& transactions;
  Client& client;
  Line& line;
  SessionMaker& sessions;
  CallUser& user;
  CallOwner& owner;
  std::string local;  // From and Contact's display: "<sip:alice@p2psip.org>"
  base::Duration session_expires;
  // Of a call as a public address: where the first INVITE leaves. Null: as the line says.
  std::function<std::optional<sip::Flow>()> way;
};

class Call final : private Requester, private SessionUser {
 public:
  enum class State { preparing, calling, ringing, incoming, established, ended };

  Call(const CallParts& parts, std::uint64_t number);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  std::uint64_t number() const { return number_; }
  State state() const { return state_; }
  bool outgoing() const { return outgoing_; }
  // The other side: "sip:bob@p2psip.org", and the name it gives itself.
  const std::string& other() const { return other_; }
  const std::string& other_name() const { return other_name_; }
  bool held() const { return hold_; }
  SessionFigures figures() const { return session_ ? session_->figures() : last_figures_; }

  // An incoming call is taken, or refused with this status.
  void answer();
  void reject(int status = 486);
  // Ends it, whatever it is doing.
  void hang_up();
  void hold();
  void resume();
  // "0" to "9", "*", "#", "A" to "D" (RFC 4733).
  void send_dtmf(std::string_view digits);
  // Looks for a new path now, as the call does by itself when the one it has dies.
  void restart_media();

  // ---- the agent's
  void dial(const std::string& uri);
  void take_invite(sip::ServerTransaction& transaction, const sip::Message& invite);
  void on_request(sip::ServerTransaction& transaction, const sip::Message& request);
  void on_ack(const sip::Message& ack);
  void on_cancel(sip::ServerTransaction& invite);
  void on_transaction_gone(sip::ServerTransaction& transaction);
  bool has(const sip::Message& request) const;
  // 8.2.2.2: this very INVITE has come here on another way.
  bool is_merged(const sip::Message& invite) const;
  // Which is answered from now on (take_copy below). False if the answer has been acknowledged.
  bool take_merged(sip::ServerTransaction& transaction, const sip::Message& invite);
  const std::string& local_tag() const { return local_tag_; }
  bool finished() const { return state_ == State::ended && requests_.empty() && !ack_wait_.waiting(); }

 private:
  // A dialogue, of which a caller may have several.
  struct Fork {
    Dialog dialog;
    std::uint32_t rseq = 0;  // of the last reliable provisional response
    Client::Ack ack;         // of the first INVITE's 2xx
    bool described = false;  // its answer has been accepted
  };
  using Headers = std::vector<std::pair<std::string, std::string>>;
  // A request that came, and the last that was said to it.
  struct Open {
    sip::ServerTransaction* transaction = nullptr;
    std::string request;
    struct {
      int status = 0;
      Headers headers;
      std::string body;
    } said;
    bool pending() const { return transaction && !transaction->is_final(); }
    bool is_same(const sip::Message& other) const;  // by another way, in a transaction of its own
  };
  enum class Reliable { no, supported, required };

  // call.cc
  void make_session(std::vector<RelayServer> relays);
  void end(CallEnd how);
  void fail(Trouble why, int status = 0);
  void check_finished();
  void drop_session();
  Headers dialog_headers() const;
  void respond(Open& open, int status, Headers headers = {}, std::string_view body = {});
  bool take_copy(Open& open, sip::ServerTransaction& transaction, const sip::Message& request);
  std::uint64_t send(Outgoing request);
  std::uint64_t send_in(Fork& fork, Outgoing request);

  // call_out.cc
  void send_invite();
  Fork* fork_of(const sip::Message& response);
  void on_invite_response(const sip::Message& response);
  void on_provisional(const sip::Message& response);
  void on_success(const sip::Message& response);
  void on_refused(const sip::Message& response);
  void invite_again();
  bool redirect(const sip::Message& response);
  void acknowledge(Fork& fork, const sip::Message& response);
  void prack(Fork& fork, const sip::Message& response);
  bool accept_from(Fork& fork, const sip::Message& response);

  // call_in.cc
  void begin_incoming();
  void on_described(base::Result<std::string> description);
  void ring();
  void send_reliable(int status);
  void accept_now();
  void wait_for_ack();
  void on_prack(sip::ServerTransaction& transaction, const sip::Message& prack);

  // call_dialog.cc
  void renegotiate();
  void send_reinvite(const std::string& offer);
  void refresh();
  void on_reinvite_response(const sip::Message& response);
  void acknowledge_change(const sip::Message& response);
  void on_update_response(const sip::Message& response);
  void dialogue_is_over(int status);
  void again_later();
  void on_reinvite(sip::ServerTransaction& transaction, const sip::Message& invite);
  void on_update(sip::ServerTransaction& transaction, const sip::Message& update);
  void on_bye(sip::ServerTransaction& transaction, const sip::Message& bye);
  void answer_change(Open& open, base::Result<std::string> description);
  void bye(Fork& fork, std::string_view reason = {});
  void note_hold();
  void note_allowed(const sip::Message& message);
  void refuse(sip::ServerTransaction& transaction, const sip::Message& request, int status,
              std::vector<sip::ExtraHeader> extra = {});

  // Requester
  void on_response(std::uint64_t id, const sip::Message& response) override;
  void on_failure(std::uint64_t id, const Trouble& why) override;
  void on_done(std::uint64_t id) override;

  // SessionUser
  void on_allocated(const std::string& what) override { parts_.user.on_allocated(*this, what); }
  void on_media_up(const std::string& pair) override { parts_.user.on_media(*this, pair); }
  void on_first_audio() override { parts_.user.on_first_audio(*this); }
  void on_reoffer() override { renegotiate(); }
  void on_path_lost(const std::string& why) override;
  void on_media_failed(const std::string& why) override;
  void on_dtmf(char digit) override { parts_.user.on_dtmf(*this, digit); }

  CallParts parts_;
  const std::uint64_t number_;
  State state_ = State::preparing;
  bool outgoing_ = true;
  std::string other_, other_name_;
  const std::string local_tag_;
  std::string call_id_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for callbacks that may come too late

  std::unique_ptr<Session> session_, old_session_;
  SessionFigures last_figures_;
  std::string description_;  // what we have to say in the first exchange, once it is there

  std::set<std::uint64_t> requests_;  // of which something may still come
  std::vector<std::unique_ptr<Fork>> forks_;
  std::vector<std::unique_ptr<Fork>> spent_forks_;  // of INVITEs that were refused
  Fork* main_ = nullptr;                            // the dialogue, from the 2xx (callee: from the INVITE) on
  const Fork* described_by_ = nullptr;              // whose answer the session has
  SessionTimer timer_;
  bool allows_update_ = false;

  // caller
  std::string target_;
  std::vector<std::string> targets_;  // that, and where 3xx have led; tried_ is the one that is being tried
  std::size_t tried_ = 0;
  Outgoing invite_;
  std::uint64_t invite_id_ = 0;
  std::uint32_t cseq_ = 0;
  bool hanging_up_ = false;  // before the INVITE had a final answer

  // callee
  Open invite_in_;
  Reliable reliable_ = Reliable::no;
  bool accepted_ = false;  // answer() was called
  bool offer_in_invite_ = true;
  bool waits_for_answer_ = false;  // our offer is out, and its answer comes in a PRACK or an ACK
  std::uint32_t rseq_ = 0;
  base::Buffer provisional_, final_;
  bool described_reliably_ = false;
  bool bye_wanted_ = false;  // and waits for the ACK
  std::string bye_reason_;
  Repeater prack_wait_, ack_wait_;
  base::Timer ringing_;

  // changes
  bool hold_ = false, hold_told_ = false, held_by_other_ = false;
  bool change_wanted_ = false, offering_ = false;
  std::uint64_t reinvite_id_ = 0, update_id_ = 0;
  std::uint64_t reinvited_id_ = 0;   // the last one with a final response, of which a 2xx may still come
  std::uint32_t reinvite_cseq_ = 0;  // of the last 2xx, and its ACK
  Client::Ack reinvite_ack_;
  Open update_in_;
  base::Timer again_, drop_;
};

}  // namespace causeway::ua
