#include "cli/ua_commands.h"

#include <cerrno>

#include <unistd.h>

namespace causeway::cli {

namespace {

// A line of commands that is longer is none.
constexpr std::size_t kLongest = 4096;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

bool are_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789*#ABCDabcd") == text.npos;
}

}  // namespace

UaCommands::UaCommands(base::Loop& loop, ua::UserAgent& ua, UaEvents& events, std::function<void()> quit)
    : ua_(ua), agent_(ua.agent()), events_(events), quit_(std::move(quit)), watch_(loop.watch(STDIN_FILENO)) {
  if (watch_) watch_->wait(base::Ready::read, [this] { read(); });
}

void UaCommands::read() {
  char bytes[1024];
  const auto n = ::read(STDIN_FILENO, bytes, sizeof bytes);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return;
  if (n > 0) partial_.append(bytes, static_cast<std::size_t>(n));
  for (auto end = partial_.find('\n'); end != partial_.npos; end = partial_.find('\n')) {
    const std::string line = partial_.substr(0, end);
    partial_.erase(0, end + 1);
    run(line);
  }
  if (partial_.size() > kLongest) partial_.clear();
  watch_->wait(base::Ready::read, [this] { read(); });
}

void UaCommands::run(std::string_view line) {
  line = trimmed(line);
  if (line.empty()) return;
  const auto space = std::min(line.find(' '), line.size());
  auto done = act(line.substr(0, space), trimmed(line.substr(space)));
  if (!done) events_.error({"a command that can be done", done.error().message, "see `causeway ua --help`"});
}

// The one that talks or rings: the latest.
ua::Call* UaCommands::current() {
  const auto calls = agent_.calls();
  return calls.empty() ? nullptr : calls.back();
}

base::Status UaCommands::act(std::string_view word, std::string_view rest) {
  if (word == "quit") return quit_(), base::Status{};
  if (word == "status") return events_.status(agent_, ua_.metrics()), base::Status{};
  if (word == "call") {
    // call WHOM as ADDRESS
    const auto as = std::min(rest.find(" as "), rest.size());
    auto made = agent_.call(trimmed(rest.substr(0, as)),
                            as == rest.size() ? std::string_view() : trimmed(rest.substr(as + 4)));
    if (!made) return std::unexpected(made.error());
    return {};
  }
  if (word == "register-public") {
    const auto space = rest.find(' ');
    if (space == rest.npos) return base::fail("register-public: expected an address and a password");
    return agent_.register_public(
        {std::string(rest.substr(0, space)), "", std::string(trimmed(rest.substr(space)))});
  }
  return act_on_call(word, rest);
}

base::Status UaCommands::act_on_call(std::string_view word, std::string_view rest) {
  constexpr std::string_view kKnown[] = {"answer", "reject", "hangup", "hold", "resume", "dtmf", "restart"};
  if (std::find(std::begin(kKnown), std::end(kKnown), word) == std::end(kKnown))
    return base::fail("'{}' is not a command", word);
  ua::Call* call = current();
  if (!call) return base::fail("{}: there is no call", word);
  if (word == "answer") call->answer();
  if (word == "reject") call->reject();
  if (word == "hangup") call->hang_up();
  if (word == "hold") call->hold();
  if (word == "resume") call->resume();
  if (word == "restart") call->restart_media();
  if (word != "dtmf") return {};
  if (!are_digits(rest)) return base::fail("dtmf: expected digits, * and #, found '{}'", rest);
  call->send_dtmf(rest);
  return {};
}

}  // namespace causeway::cli
