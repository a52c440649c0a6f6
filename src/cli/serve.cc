#include "cli/serve.h"

#include <algorithm>
#include <csignal>
#include <filesystem>

#include <sys/resource.h>

#include "base/log.h"
#include "base/signals.h"
#include "peer/control.h"
#include "peer/control_request.h"
#include "peer/ground.h"
#include "peer/report.h"

namespace causeway::cli {

namespace {

constexpr const char* kLog = "peer";
// Time for the withdrawn records to leave before the sockets close.
constexpr base::Duration kGoodbye = std::chrono::milliseconds(200);

// Listeners, links to other peers, connections to other domains, files.
constexpr std::size_t kOtherDescriptors = 1000;

void answer(peer::Peer& peer, std::string_view request, const peer::Control::Answer& reply) {
  const auto asked = peer::parse_control(request);
  if (!asked) return reply(peer::report_error(asked.error().message));
  switch (asked->command) {
    case peer::ControlRequest::Command::status:
      return peer.status(reply);
    case peer::ControlRequest::Command::lookup:
      return peer.lookup(asked->uri, reply);
    case peer::ControlRequest::Command::relay_token:
      return peer.relay_tokens({asked->uri, asked->lifetime_s},
                               static_cast<std::size_t>(std::max<std::int64_t>(1, asked->relays)), reply);
    case peer::ControlRequest::Command::drain:
      return reply(peer.drain(asked->on));
  }
}

// The usual limit of 1,024 is for programs that still use select(2).
void raise_descriptor_limit(const peer::Config& config) {
  const auto connections = static_cast<std::size_t>(config.sip_connections);
  const auto calls = static_cast<std::size_t>(config.anchor_calls);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < connections + calls * anchor::limits::kCallDescriptors + kOtherDescriptors)
    base::log::warn(
        kLog,
        "this process may open {} files, so that sip.max_connections = {} and anchor.max_calls = {} "
        "cannot be reached together; raise the limit (ulimit -Hn, LimitNOFILE=), or lower them",
        limit.rlim_max, connections, calls);
}

}  // namespace

base::Result<int> serve(peer::Config config, identity::Bundle bundle,
                        std::function<void(peer::Peer&)> on_ready) {
  peer::RealGround ground(config, 0);
  base::Loop* loop = &ground.loop();
  // Before any thread is made, so that none takes the signals.
  std::function<void(int)> on_signal = [&](int) { loop->stop(); };
  auto signals = base::on_signal(*loop, {SIGINT, SIGTERM, SIGHUP}, [&](int signal) { on_signal(signal); });
  raise_descriptor_limit(config);
  if (auto opened = ground.open_resolver(); !opened) return std::unexpected(opened.error());

  if (!config.accounts_file.empty()) {
    auto accounts = identity::Accounts::read_file(config.accounts_file);
    if (!accounts) return std::unexpected(accounts.error());
    bundle.accounts = std::move(*accounts);
  }
  if (!config.state_dir.empty()) {
    std::error_code error;
    std::filesystem::create_directories(config.state_dir, error);
    if (error)
      base::log::warn(kLog, "peer.state: {}: {}; known peers will not survive a restart", config.state_dir,
                      error.message());
  }
  auto peer = peer::Peer::start(config, std::move(bundle), ground.ground());
  if (!peer) return std::unexpected(peer.error());

  std::unique_ptr<peer::Control> control;
  if (!config.control_socket.empty()) {
    auto opened = peer::Control::open(
        *loop, ground.metrics(), config.control_socket,
        [&](std::string_view request, peer::Control::Answer reply) { answer(**peer, request, reply); });
    if (opened)
      control = std::move(*opened);
    else
      base::log::warn(kLog, "{}; going on without", opened.error().message);
  }
  base::Timer goodbye(loop->timers(), [&] { loop->stop(); });
  on_signal = [&](int signal) {
    if (signal == SIGHUP) {
      if (config.accounts_file.empty())
        return base::log::warn(kLog, "SIGHUP: there is no registrar.accounts to read again");
      auto accounts = identity::Accounts::read_file(config.accounts_file);
      if (accounts) return (*peer)->set_accounts(std::move(*accounts));
      return base::log::error(kLog, "SIGHUP: {}; keeping the accounts as they were",
                              accounts.error().message);
    }
    if (goodbye.pending()) return loop->stop();
    base::log::info(kLog, "stopping");
    (*peer)->stop();
    goodbye.start(kGoodbye);
  };
  on_ready(**peer);
  loop->run();
  control.reset();
  return 0;
}

base::Status apply_sets(base::SettingsTable& table, const std::vector<std::string>& sets) {
  for (const std::string& set : sets) {
    auto equals = set.find('=');
    if (equals == std::string::npos) return base::fail("--set: expected key=value, found '{}'", set);
    if (auto done = table.set(set.substr(0, equals), set.substr(equals + 1)); !done)
      return base::fail("--set {}: {}", set, done.error().message);
  }
  return {};
}

}  // namespace causeway::cli
