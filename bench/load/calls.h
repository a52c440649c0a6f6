// Calls at a given rate, or one rate after another, whatever becomes of them (an open loop): callers and
// callees in one.
//
// A call is INVITE 180 200 ACK, a while of talking, BYE 200, through the server under test. Callers send
// again what is not answered (RFC 3261 17.1, timers A, B and E), callees their 200 until the ACK comes
// (13.3.1.4). A call has a slot; its Call-ID is GENERATION.SLOT.RUN, so that both sides find it without a
// table. Numbers in it are of one width, so that messages are as long as each other.
//
// Every second (`every`) a line says how many calls were begun, completed, refused (with 503; of these, with
// a Retry-After), or given up so far, how many are in progress, and what the caller waited for the 200 since
// the last line: on average, 99 of 100, at most.
#pragma once

#include <cstdint>
#include <queue>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "batch_socket.h"
#include "clock.h"

namespace load {

struct CallPlan {
  struct Phase {
    double rate;     // calls begun a second
    double seconds;  // for how long
  };
  std::string domain;
  std::uint32_t first = 1, users = 1000;  // called at random: u1, u2, ...
  std::vector<Phase> phases;              // one after another
  double hold = 0;                        // seconds from ACK to BYE
  double every = 1;                       // seconds from line to line

  double seconds() const;
  // Calls that are due so long after the begin.
  std::uint64_t due(double since) const;
};

class Calls {
 public:
  Calls(CallPlan plan, Sockets& callers, Sockets& callees);
  // Until every call has ended, or *stop.
  void run(const volatile bool& stop);

 private:
  enum class State : std::uint8_t { idle, inviting, proceeding, talking, ending };
  struct Call {
    State state = State::idle;
    bool acked = false;  // the callee has the ACK
    std::uint32_t generation = 0, user = 0;
    Time began{};
    Time resend_at{};  // of the caller's request; an earlier timer is out of date
    Clock::duration resend_after{}, answer_after{};
    std::string dialogue;  // Request-URI, then header lines: Route, From, To, Call-ID
    std::string answer;    // the callee's 200
    BatchSocket* callee = nullptr;
  };
  enum class What : std::uint8_t { resend, resend_answer, hang_up };
  struct Due {
    Time at;
    std::uint32_t slot, generation;
    What what;
    bool operator>(const Due& other) const { return at > other.at; }
  };
  struct Counts {
    std::uint64_t begun = 0, completed = 0, refused = 0, busy = 0, retry_after = 0, given_up = 0,
                  sent_again = 0;
  };

  void begin(Time now);
  void end(Call& call, std::uint64_t& outcome);
  void later(Call& call, Clock::duration in, What what, Time now);
  void send_request(Call& call, Time now);
  void fire(const Due& due, Time now);
  void report(Time now);
  Call* call_of(std::string_view message);
  BatchSocket& caller(const Call& call) const { return callers_.of(slot_of(call)); }
  std::uint32_t slot_of(const Call& call) const { return static_cast<std::uint32_t>(&call - calls_.data()); }

  std::string_view call_id(const Call& call);
  void begin_text(const Call& call, std::string_view method);
  std::string_view invite(const Call& call);
  std::string_view in_dialogue(const Call& call, std::string_view method, std::string_view cseq);
  void at_caller(std::string_view message, Time now);
  void answered(Call& call, std::string_view ok, Time now);
  void refused(Call& call, std::string_view response, int status);
  void at_callee(BatchSocket& callee, std::string_view message, Time now);

  CallPlan plan_;
  Sockets &callers_, &callees_;
  std::vector<Call> calls_;
  std::vector<std::uint32_t> free_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::minstd_rand chance_{1};
  Counts counts_;
  Time began_{}, reported_{};
  std::vector<float> waits_;  // since the last report, in ms
  std::string id_, text_;     // room for what is being written
};

}  // namespace load
