// Sessions without media, for tests of calls: descriptions that a test can read. "offer 1", "answer 2": the
// number counts this side's descriptions; a body with the word "bad" is refused.
#pragma once

#include <string>
#include <vector>

#include "base/loop.h"
#include "ua/session.h"

namespace causeway::ua::testing {

class FakeSession final : public Session {
 public:
  FakeSession(base::Loop& loop, SessionUser& told, base::Duration gathers)
      : user(told), gathers_(gathers), timer_(loop.timers(), [this] { gathered(); }) {}

  void offer(Done done) override { describe("offer", std::move(done)); }
  void answer(std::string_view offer, Done done) override {
    note_other(offer);
    if (offer.find("bad") != offer.npos) return done(base::fail("nothing in common"));
    describe("answer", std::move(done));
  }
  base::Status accept(std::string_view answer) override {
    if (answer.find("bad") != answer.npos || answer.empty()) return base::fail("no answer");
    accepted.emplace_back(answer);
    note_other(answer);
    return {};
  }
  void withdraw() override { ++withdrawn; }
  void hold(bool held) override { held_ = held; }
  void restart(std::vector<RelayServer>) override { ++restarts; }
  void talk() override { talking = true; }
  void send_dtmf(std::string_view digits) override { sent_digits += digits; }
  bool held_by_other() const override { return held_by_other_; }
  SessionFigures figures() const override { return {}; }

  SessionUser& user;
  std::vector<std::string> accepted;
  int withdrawn = 0, restarts = 0;
  bool talking = false;
  std::string sent_digits, more;

 private:
  void note_other(std::string_view text) {
    held_by_other_ = text.find("a=sendonly") != text.npos || text.find("a=inactive") != text.npos;
  }
  void describe(std::string_view what, Done done) {
    text_ = "v=0\r\ns=" + std::string(what) + " " + std::to_string(++descriptions_) + "\r\na=" +
            (held_            ? held_by_other_ ? "inactive" : "sendonly"
             : held_by_other_ ? "recvonly"
                              : "sendrecv") +
            "\r\n" + more;
    done_ = std::move(done);
    const auto wait = std::exchange(gathers_, base::Duration::zero());
    if (wait == base::Duration::zero()) return gathered();
    timer_.start(wait);
  }
  void gathered() {
    if (auto done = std::exchange(done_, nullptr)) done(text_);
  }
  base::Duration gathers_;
  base::Timer timer_;
  std::string text_;
  Done done_;
  int descriptions_ = 0;
  bool held_ = false, held_by_other_ = false;
};

class FakeSessions final : public SessionMaker {
 public:
  explicit FakeSessions(base::Loop& loop) : loop_(loop) {}
  std::unique_ptr<Session> make(SessionUser& user, std::vector<RelayServer>, bool) override {
    auto made = std::make_unique<FakeSession>(loop_, user, gathers);
    last = made.get();
    last->more = more;
    return made;
  }
  base::Duration gathers{};     // how long candidates take, the first time
  std::string more;             // lines at the end of every description
  FakeSession* last = nullptr;  // gone soon after its call has ended

 private:
  base::Loop& loop_;
};

}  // namespace causeway::ua::testing
