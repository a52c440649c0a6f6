#include "base/signals.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "base/fatal.h"

namespace causeway::base {
namespace {

class SignalFd final : public SignalWatch {
 public:
  SignalFd(Loop& loop, std::initializer_list<int> signals, std::function<void(int)> handler)
      : handler_(std::move(handler)) {
    sigset_t ours;
    ::sigemptyset(&ours);
    for (const int signal : signals) ::sigaddset(&ours, signal);
    ::pthread_sigmask(SIG_BLOCK, &ours, &former_mask_);
    fd_ = ::signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd_ < 0) fatal(std::string("signalfd: ") + std::strerror(errno));
    watch_ = loop.watch(fd_);
    wait();
  }
  ~SignalFd() override {
    watch_.reset();
    while (next() != 0) {
    }
    ::close(fd_);
    ::pthread_sigmask(SIG_SETMASK, &former_mask_, nullptr);
  }

 private:
  int next() {
    signalfd_siginfo info;
    return ::read(fd_, &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
  }
  void wait() {
    watch_->wait(Ready::read, [this] {
      const int signal = next();
      wait();
      const auto handler = handler_;  // it may destroy this
      if (signal != 0) handler(signal);
    });
  }

  std::function<void(int)> handler_;
  sigset_t former_mask_;
  int fd_;
  std::unique_ptr<Loop::Watch> watch_;
};

}  // namespace

std::unique_ptr<SignalWatch> on_signal(Loop& loop, std::initializer_list<int> signals,
                                       std::function<void(int)> handler) {
  return std::make_unique<SignalFd>(loop, signals, std::move(handler));
}

}  // namespace causeway::base
