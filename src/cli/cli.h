// The command line: one file per subcommand. Each adds its options to the CLI11 application and runs
// when it was chosen. Exit codes: 0 done, 1 it failed (with one sentence on standard error), 2 the
// command line was wrong.
#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"

namespace CLI {
class App;
}

namespace causeway::cli {

// Registers the subcommand; `run` is set to what does its work, if it is the one chosen.
using Run = std::function<base::Result<int>()>;
void add_authority(CLI::App& app, Run& run);
void add_peer(CLI::App& app, Run& run);
void add_try(CLI::App& app, Run& run);
void add_lookup(CLI::App& app, Run& run);
void add_status(CLI::App& app, Run& run);
void add_relay(CLI::App& app, Run& run);
void add_ua(CLI::App& app, Run& run);

int main(int argc, char** argv);

// "-" or a terminal without echo: for --password.
base::Result<std::string> read_password(std::string_view prompt);

}  // namespace causeway::cli
