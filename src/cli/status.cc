// causeway status: what the running peer says of itself.
#include <CLI/CLI.hpp>

#include "cli/ask.h"
#include "cli/cli.h"
#include "peer/config.h"

namespace causeway::cli {

namespace {

struct Options {
  std::string socket = peer::default_control_socket();
  bool json = false, counters = false;
};

std::string joined(const nlohmann::json& list) {
  std::string all;
  for (const auto& one : list) all += (all.empty() ? "" : ", ") + one.get<std::string>();
  return all.empty() ? "none" : all;
}

base::Result<int> run_status(const Options& o) {
  auto answer = ask(o.socket, {{"command", "status"}});
  if (!answer) return std::unexpected(answer.error());
  const auto& s = *answer;
  if (o.json) {
    fmt::print("{}\n", s.dump(2));
    return 0;
  }
  auto text = [&](const char* key) { return s[key].get<std::string>(); };
  auto number = [&](const char* part, const char* key) { return s[part][key].get<std::int64_t>(); };
  fmt::print("peer       {} of {}, up {} s, roles {}\n", text("peer"), text("domain"),
             s["uptime_s"].get<std::int64_t>(), joined(s["roles"]));
  fmt::print("sip        {}\n", joined(s["sip"]));
  fmt::print("links      {}\n", joined(s["links"]));
  fmt::print("reached    {}\n", s["reached"].get<std::string>());
  fmt::print("overlay    {}, {} peers near, {} known, {} records held ({} bytes)\n",
             s["overlay"]["connected"].get<bool>() ? "joined" : "alone", number("overlay", "good_nodes"),
             number("overlay", "known_nodes"), number("overlay", "stored_records"),
             number("overlay", "stored_bytes"));
  fmt::print("phones     {} registered, {} accounts\n", number("registrar", "bindings"),
             number("registrar", "accounts"));
  fmt::print("traffic    {} connections, {} server and {} client transactions, {} calls being set up\n",
             number("sip_core", "connections"), number("sip_core", "server_transactions"),
             number("sip_core", "client_transactions"), number("sip_core", "calls_in_setup"));
  if (const auto& workers = s["workers"]; workers.size() > 1)
    for (const auto& w : workers)
      fmt::print(
          "worker {}   {:.1f} s of CPU time, {} connections, {} server and {} client transactions, {} "
          "phones\n",
          w["worker"].get<int>(), w["cpu_s"].get<double>(), w["connections"].get<std::int64_t>(),
          w["server_transactions"].get<std::int64_t>(), w["client_transactions"].get<std::int64_t>(),
          w["bindings"].get<std::int64_t>());
  if (const auto& relay = s["relay"]; relay.is_object())
    fmt::print("relay      {}, {} allocations of {} users{}\n", joined(relay["listening"]),
               relay["allocations"].get<std::int64_t>(), relay["users"].get<std::int64_t>(),
               relay["draining"].get<bool>() ? ", takes no new ones (causeway drain)" : "");
  fmt::print("credential valid for {} more days\n", s["credential_days_left"].get<std::int64_t>());
  for (const auto& warning : s["warnings"]) fmt::print("warning    {}\n", warning.get<std::string>());
  if (o.counters)
    for (const auto& [name, value] : s["counters"].items())
      if (value.get<std::uint64_t>() != 0) fmt::print("{:<60} {}\n", name, value.get<std::uint64_t>());
  return 0;
}

}  // namespace

void add_status(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  auto* sub = app.add_subcommand("status", "ask the running peer how it is");
  sub->add_option("--socket", options->socket, "the peer's control socket (peer.control)")
      ->capture_default_str();
  sub->add_flag("--json", options->json, "everything, as JSON");
  sub->add_flag("--counters", options->counters, "also every counter that is not 0");
  sub->callback([&run, options] { run = [options] { return run_status(*options); }; });
}

}  // namespace causeway::cli
