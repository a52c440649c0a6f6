// causeway peer: runs a peer until it is told to stop.
#include <filesystem>

#include <CLI/CLI.hpp>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/serve.h"

namespace causeway::cli {

namespace {

struct Options {
  std::string file, bundle;
  std::vector<std::string> sets;
  bool sample = false, reference = false, check = false;
};

base::Result<peer::Config> configure(const Options& o) {
  peer::Config config;
  config.control_socket = peer::default_control_socket();
  config.state_dir = peer::default_state_dir();
  auto table = peer::settings(config);
  if (!o.file.empty())
    if (auto read = table.read_file(o.file); !read) return std::unexpected(read.error());
  if (auto done = apply_sets(table, o.sets); !done) return std::unexpected(done.error());
  if (!o.bundle.empty()) config.bundle = o.bundle;
  if (config.bundle.empty())
    return base::fail(
        "expected a bundle (--bundle FILE, or peer.bundle in the configuration): `causeway authority init` "
        "and `authority issue` write them");
  // The authority writes accounts.toml beside its bundles.
  auto beside = std::filesystem::path(config.bundle).parent_path() / "accounts.toml";
  std::error_code none;
  if (config.accounts_file.empty() && std::filesystem::exists(beside, none)) config.accounts_file = beside;
  if (auto fine = peer::check(config); !fine) return std::unexpected(fine.error());
  return config;
}

base::Result<int> run_peer(const Options& o) {
  if (o.sample || o.reference) {
    peer::Config defaults;
    auto table = peer::settings(defaults);
    fmt::print("{}", o.sample ? table.sample() : table.reference());
    return 0;
  }
  auto config = configure(o);
  if (!config) return std::unexpected(config.error());
  auto level = base::log::parse_level(config->log_level);
  if (!level) return std::unexpected(level.error());
  base::log::set_level(*level);
  auto bundle = identity::Bundle::read_file(config->bundle);
  if (!bundle) return std::unexpected(bundle.error());
  if (o.check) {
    fmt::print("fine: peer {} of {}\n", bundle->peer_id().text(), bundle->domain);
    return 0;
  }
  return serve(std::move(*config), std::move(*bundle), [](peer::Peer&) {});
}

// For --help: every setting, from the table.
std::string settings_help() {
  peer::Config defaults;
  auto table = peer::settings(defaults);
  std::string text = "Settings, for the file or --set:\n";
  for (const auto& row : table.rows()) text += fmt::format("  {:<26} {}\n", row.key, row.help);
  return text;
}

}  // namespace

void add_peer(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  auto* sub = app.add_subcommand("peer", "run a peer of a domain");
  sub->add_option("--bundle", options->bundle, "the bundle that the authority wrote for this peer");
  sub->add_option("-c,--config", options->file, "TOML file; --sample prints one with every setting");
  sub->add_option("--set", options->sets, "KEY=VALUE, over the file's; may be given again")
      ->allow_extra_args(false);
  sub->add_flag("--sample", options->sample,
                "print a configuration with every setting and its default, and exit");
  sub->add_flag("--reference", options->reference, "print the settings as a Markdown page, and exit");
  sub->add_flag("--check", options->check,
                "read configuration and bundle, say whether they are right, and exit");
  sub->footer(settings_help);
  sub->callback([&run, options] { run = [options] { return run_peer(*options); }; });
}

}  // namespace causeway::cli
