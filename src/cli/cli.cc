#include "cli/cli.h"

#include <cstdio>
#include <iostream>

#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

namespace causeway::cli {

int main(int argc, char** argv) {
  CLI::App app{"Causeway: a SIP domain without a server, joined to the rest of the SIP world."};
  app.set_version_flag("--version", CAUSEWAY_VERSION);
  app.require_subcommand(1);
  app.footer("`causeway COMMAND --help` says more. Start with: causeway try example.test");
  Run run;
  add_try(app, run);
  add_peer(app, run);
  add_authority(app, run);
  add_lookup(app, run);
  add_status(app, run);
  add_relay(app, run);
  add_ua(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  auto result = run();
  if (result) return *result;
  fmt::print(stderr, "causeway: {}\n", result.error().message);
  return 1;
}

base::Result<std::string> read_password(std::string_view prompt) {
  bool terminal = isatty(STDIN_FILENO);
  termios before{};
  if (terminal) {
    fmt::print(stderr, "{}", prompt);
    tcgetattr(STDIN_FILENO, &before);
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  std::string line;
  std::getline(std::cin, line);
  if (terminal) {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fmt::print(stderr, "\n");
  }
  if (line.empty()) return base::fail("expected a password, found nothing");
  return line;
}

}  // namespace causeway::cli
