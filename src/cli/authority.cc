// causeway authority init|issue|add-user|remove-user: who belongs to a domain.
#include <filesystem>

#include <CLI/CLI.hpp>

#include "cli/cli.h"
#include "identity/authority.h"

namespace causeway::cli {

namespace {

using base::Result;
using identity::Authority;

struct Options {
  std::string domain, dir, name, user, password, media;
  std::vector<std::string> roles, users, bootstrap;
  std::int64_t days = 365;
  bool only = false;
};

base::UnixMs now_ms() {
  return std::chrono::duration_cast<base::Duration>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

base::Status write_bundle(Authority& authority, const Options& o, const std::string& name,
                          const std::vector<std::string>& roles) {
  Authority::Request request{
      .users = o.users, .bootstrap = o.bootstrap, .now = now_ms(), .valid_days = o.days};
  for (const std::string& text : roles) {
    auto role = identity::parse_role(text);
    if (!role) return std::unexpected(role.error());
    request.roles.push_back(*role);
  }
  auto bundle = authority.issue(request);
  if (!bundle) return std::unexpected(bundle.error());
  std::string path = o.dir + "/" + name + ".bundle";
  if (std::filesystem::exists(path))
    return base::fail("{}: is there already; choose another name or remove it", path);
  if (auto saved = authority.save(o.dir); !saved) return saved;
  if (auto written = identity::write_private_file(path, bundle->text()); !written) return written;
  fmt::print("wrote {}: peer {} of {}\n", path, bundle->peer_id().text(), authority.domain());
  return {};
}

Result<int> init(Options o) {
  if (o.dir.empty()) o.dir = o.domain;
  if (std::filesystem::exists(o.dir + "/authority.toml"))
    return base::fail(
        "{}: there is an authority here already; it is the only thing that cannot be replaced, so it stays",
        o.dir);
  auto authority = Authority::create(o.domain);
  if (!authority) return std::unexpected(authority.error());
  if (auto saved = authority->save(o.dir); !saved) return std::unexpected(saved.error());
  fmt::print(
      "wrote {}/authority.toml: whoever has this file decides who belongs to {}. Keep a copy offline.\n",
      o.dir, authority->domain());
  if (!o.only)
    if (auto first = write_bundle(*authority, o, "first", {"registrar", "proxy"}); !first)
      return std::unexpected(first.error());
  return 0;
}

Result<int> issue(const Options& o) {
  auto authority = Authority::load(o.dir);
  if (!authority) return std::unexpected(authority.error());
  // A user's own credential makes no peer.
  auto roles = o.roles;
  if (roles.empty() && o.users.empty()) roles = {"registrar"};
  if (auto written = write_bundle(*authority, o, o.name, roles); !written)
    return std::unexpected(written.error());
  if (o.bootstrap.empty())
    fmt::print(
        "note: no --bootstrap given: this peer must be told where another one is (overlay.bootstrap), unless "
        "it is the first\n");
  return 0;
}

Result<int> add_user(Options o) {
  auto authority = Authority::load(o.dir);
  if (!authority) return std::unexpected(authority.error());
  if (o.password.empty()) {
    auto typed = read_password(fmt::format("password for {}: ", o.user));
    if (!typed) return std::unexpected(typed.error());
    o.password = *typed;
  }
  if (auto added = authority->add_user(o.user, o.password, identity::parse_account_media(o.media)); !added)
    return std::unexpected(added.error());
  if (auto saved = authority->save(o.dir); !saved) return std::unexpected(saved.error());
  fmt::print("wrote {}/accounts.toml: sip:{}@{} may register\n", o.dir, o.user, authority->domain());
  return 0;
}

Result<int> remove_user(const Options& o) {
  auto authority = Authority::load(o.dir);
  if (!authority) return std::unexpected(authority.error());
  if (!authority->remove_user(o.user))
    return base::fail("{}/accounts.toml: there is no user '{}'", o.dir, o.user);
  if (auto saved = authority->save(o.dir); !saved) return std::unexpected(saved.error());
  return 0;
}

}  // namespace

void add_authority(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  Options& o = *options;
  auto* authority = app.add_subcommand("authority", "create a domain, issue bundles to peers, add users");
  authority->require_subcommand(1);

  auto* sub = authority->add_subcommand("init", "a new domain: its key, and the bundle of its first peer");
  sub->add_option("domain", o.domain, "a fully qualified domain name you own, e.g. p2psip.org")->required();
  sub->add_option("--dir", o.dir, "where to write it (default: a folder named after the domain)");
  sub->add_option("--days", o.days, "how long the first peer's credential is valid")
      ->check(CLI::Range(1, 3650))
      ->capture_default_str();
  sub->add_flag("--only", o.only, "no bundle yet");
  sub->callback([&run, options] { run = [options] { return init(*options); }; });

  sub = authority->add_subcommand("issue",
                                  "a bundle for one more peer: copy it there, run causeway peer --bundle");
  sub->add_option("name", o.name, "what to call the file: NAME.bundle")->required();
  sub->add_option("--roles", o.roles, "what the peer may do: registrar (if nothing is said), proxy, relay")
      ->delimiter(',');
  sub->add_option("--users", o.users,
                  "users it speaks for itself, without an account; without --roles it is a user agent's")
      ->delimiter(',');
  sub->add_option("--bootstrap", o.bootstrap, "host:port of peers to ask first")->delimiter(',');
  sub->add_option("--days", o.days, "how long the credential is valid")
      ->check(CLI::Range(1, 3650))
      ->capture_default_str();
  sub->add_option("--dir", o.dir, "folder of the authority")->required();
  sub->callback([&run, options] { run = [options] { return issue(*options); }; });

  sub = authority->add_subcommand("add-user", "an account for phones (or a new password for one)");
  sub->add_option("user", o.user, "the part before @")->required();
  sub->add_option("--password", o.password, "asked for if not given");
  sub->add_option(
         "--media", o.media,
         "direct: the phone finds the way of its media itself (if nothing was ever said); anchor: its "
         "home peer does, for phones that know neither ICE nor TURN")
      ->check(CLI::IsMember({"direct", "anchor"}));
  sub->add_option("--dir", o.dir, "folder of the authority")->required();
  sub->callback([&run, options] { run = [options] { return add_user(*options); }; });

  sub = authority->add_subcommand("remove-user", "take an account away");
  sub->add_option("user", o.user, "the part before @")->required();
  sub->add_option("--dir", o.dir, "folder of the authority")->required();
  sub->callback([&run, options] { run = [options] { return remove_user(*options); }; });
}

}  // namespace causeway::cli
