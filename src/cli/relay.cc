// causeway relay-token: what a TURN client needs to use the relays of the domain.
// causeway drain: a relay takes nobody new, before it is stopped.
#include <CLI/CLI.hpp>

#include "cli/ask.h"
#include "cli/cli.h"
#include "identity/credential.h"
#include "peer/config.h"

namespace causeway::cli {

namespace {

struct Options {
  std::string user, socket = peer::default_control_socket();
  std::int64_t hours = 24, relays = 3;
  bool json = false, off = false;
};

base::Result<int> run_token(const Options& o) {
  auto answer = ask(
      o.socket,
      {{"command", "relay_token"}, {"user", o.user}, {"lifetime_s", o.hours * 3600}, {"relays", o.relays}});
  if (!answer) return std::unexpected(answer.error());
  if (o.json) {
    fmt::print("{}\n", answer->dump(2));
    return 0;
  }
  auto text = [](const nlohmann::json& of, const char* key) { return of[key].get<std::string>(); };
  fmt::print("for        {}, until {}\nrealm      {}\nuser name  {}\n", text(*answer, "uri"),
             identity::utc_text((*answer)["expiry"].get<std::int64_t>()), text(*answer, "realm"),
             text(*answer, "username"));
  for (const auto& relay : (*answer)["relays"]) {
    fmt::print("\nrelay      {}, round trip {} ms, load {} of {}\npassword   {}\n", text(relay, "peer"),
               relay["round_trip_ms"].get<std::int64_t>(), relay["load"].get<std::int64_t>(),
               relay["capacity"].get<std::int64_t>(), text(relay, "password"));
    for (const auto& uri : relay["uris"]) fmt::print("           {}\n", uri.get<std::string>());
  }
  return 0;
}

base::Result<int> run_drain(const Options& o) {
  auto answer = ask(o.socket, {{"command", "drain"}, {"on", !o.off}});
  if (!answer) return std::unexpected(answer.error());
  fmt::print("{}\n",
             o.off ? "the relay takes new allocations again"
                   : "the relay takes no new allocations, and is not offered; `causeway status` says how "
                     "many are left");
  return 0;
}

}  // namespace

void add_relay(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  Options& o = *options;
  auto* sub = app.add_subcommand("relay-token",
                                 "user name, passwords and addresses with which any TURN client can use the "
                                 "nearest relays");
  sub->add_option("--user", o.user, "for whom: sip:alice@D")->required();
  sub->add_option("--hours", o.hours, "how long they are good")
      ->check(CLI::Range(1, 8760))
      ->capture_default_str();
  sub->add_option("--relays", o.relays, "for how many relays, each has its own password")
      ->check(CLI::Range(1, 16))
      ->capture_default_str();
  sub->add_option("--socket", o.socket, "the control socket of a running peer")->capture_default_str();
  sub->add_flag("--json", o.json, "as JSON");
  sub->callback([&run, options] { run = [options] { return run_token(*options); }; });

  sub = app.add_subcommand("drain",
                           "the relay of the running peer takes no new allocations, and is not offered");
  sub->add_flag("--off", o.off, "it does so again");
  sub->add_option("--socket", o.socket, "the control socket of the running peer")->capture_default_str();
  sub->callback([&run, options] { run = [options] { return run_drain(*options); }; });
}

}  // namespace causeway::cli
