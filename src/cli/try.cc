// causeway try D: a throwaway domain of one peer with all roles. Open registration, so it stays on
// loopback unless told otherwise; nothing is left on disk.
#include <CLI/CLI.hpp>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/serve.h"
#include "identity/authority.h"

namespace causeway::cli {

namespace {

struct Options {
  std::string domain, listen = "127.0.0.1:5060", log_level = "warn";
  std::vector<std::string> sets;
  bool really = false;
};

base::Result<int> run_try(const Options& o) {
  auto address = net::Address::parse(o.listen, 5060);
  if (!address) return base::fail("--listen: {}", address.error().message);
  if (!address->ip.is_loopback() && !o.really)
    return base::fail(
        "--listen {}: anybody who reaches this address could register any name here (no passwords); say "
        "--yes-really if that is what you want",
        o.listen);
  auto authority = identity::Authority::create(o.domain);
  if (!authority) return std::unexpected(authority.error());
  using identity::Role;
  auto now =
      std::chrono::duration_cast<base::Duration>(std::chrono::system_clock::now().time_since_epoch()).count();
  auto bundle =
      authority->issue({.roles = {Role::registrar, Role::proxy, Role::relay}, .now = now, .valid_days = 30});
  if (!bundle) return std::unexpected(bundle.error());

  peer::Config config;
  config.open_registration = true;
  config.sip_listen = {"udp:" + address->text(), "tcp:" + address->text()};
  config.overlay_listen = address->ip.uri_text() + ":0";
  config.overlay_join_jitter = base::Duration(0);
  config.relay_listen = {};  // nobody could have a token: there are no accounts
  config.log_level = o.log_level;
  auto table = peer::settings(config);
  if (auto done = apply_sets(table, o.sets); !done) return std::unexpected(done.error());
  auto level = base::log::parse_level(config.log_level);
  if (!level) return std::unexpected(level.error());
  base::log::set_level(*level);
  return serve(std::move(config), std::move(*bundle), [&o](peer::Peer& peer) {
    fmt::print("{} is up, open to everybody who reaches:\n", o.domain);
    for (const net::Endpoint& endpoint : peer.sip_endpoints()) fmt::print("  {}\n", endpoint.text());
    fmt::print(
        "Register phones as sip:anything@{} with this as their (outbound) proxy, any password. Ctrl-C ends "
        "it.\n",
        o.domain);
    std::fflush(stdout);
  });
}

}  // namespace

void add_try(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  auto* sub = app.add_subcommand("try", "a throwaway domain of one peer, to look at");
  sub->add_option("domain", options->domain, "any domain name, e.g. example.test")->required();
  sub->add_option("--listen", options->listen, "address:port for SIP over UDP and TCP")
      ->capture_default_str();
  sub->add_option("--log", options->log_level, "log level")->capture_default_str();
  sub->add_option("--set", options->sets, "KEY=VALUE, as for causeway peer; may be given again")
      ->allow_extra_args(false);
  sub->add_flag("--yes-really", options->really,
                "listen where others can reach it, although it asks for no passwords");
  sub->callback([&run, options] { run = [options] { return run_try(*options); }; });
}

}  // namespace causeway::cli
