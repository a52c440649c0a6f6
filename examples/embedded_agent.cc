// A program with a telephone in it: registers, calls somebody, plays a file to him, says what happens, and
// hangs up after three seconds of conversation.
//
//   embedded_agent sip:alice@example.test udp:127.0.0.1:5060 bob greeting.wav
#include <cstdio>

#include "base/epoll_loop.h"
#include "ua/user_agent.h"

using namespace causeway;
using namespace std::chrono_literals;

class Program final : public ua::AgentUser {
 public:
  Program(base::Loop& loop, std::string whom)
      : loop_(loop), whom_(std::move(whom)), enough_(loop.timers(), [this] { call_->hang_up(); }) {}

  void use(ua::Agent& agent) { agent_ = &agent; }
  bool talked() const { return talked_; }

  void on_registered(const std::string& address) override {
    std::printf("registered as %s, calling %s\n", address.c_str(), whom_.c_str());
    auto call = agent_->call(whom_);
    if (call) return void(call_ = *call);
    std::printf("%s\n", call.error().message.c_str());
    loop_.stop();
  }
  void on_not_registered(const std::string&, const ua::Trouble& why, bool final) override {
    std::printf("%s\n", ua::sentence(why).c_str());
    if (final) loop_.stop();
  }
  void on_incoming(ua::Call& call) override { call.reject(); }  // we only call
  void on_ringing(ua::Call&) override { std::printf("it rings\n"); }
  void on_established(ua::Call&) override { enough_.start(3s); }
  void on_media(ua::Call&, const std::string& pair) override { std::printf("media: %s\n", pair.c_str()); }
  void on_first_audio(ua::Call&) override {
    std::printf("we hear something\n");
    talked_ = true;
  }
  void on_ended(ua::Call&, const ua::CallEnd& end) override {
    std::printf("ended: %s\n", end.text.c_str());
    agent_->stop([this] { loop_.stop(); });
  }

 private:
  base::Loop& loop_;
  std::string whom_;
  ua::Agent* agent_ = nullptr;
  ua::Call* call_ = nullptr;
  base::Timer enough_;
  bool talked_ = false;
};

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s sip:USER@DOMAIN udp:ADDRESS:PORT WHOM FILE.wav\n", argv[0]);
    return 2;
  }
  auto loop = base::make_epoll_loop();
  Program program(*loop, argv[3]);

  auto server = net::Endpoint::parse(argv[2]);
  auto account =
      server ? ua::make_account(argv[1], "", {*server, "", false}) : std::unexpected(server.error());
  if (!account) {
    std::fprintf(stderr, "%s\n", account.error().message.c_str());
    return 2;
  }
  ua::UserAgentConfig config;
  config.phone = *account;
  config.media.play_wav = argv[4];
  auto agent = ua::UserAgent::make(config, *loop, program);
  if (!agent) {
    std::fprintf(stderr, "%s\n", agent.error().message.c_str());
    return 1;
  }
  program.use((*agent)->agent());
  loop->run();
  return program.talked() ? 0 : 1;
}
