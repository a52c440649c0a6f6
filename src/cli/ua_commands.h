// Commands to a user agent, one a line of standard input. Its end is no command: the agent goes on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/loop.h"
#include "cli/ua_events.h"
#include "ua/user_agent.h"

namespace causeway::cli {

class UaCommands {
 public:
  UaCommands(base::Loop& loop, ua::UserAgent& ua, UaEvents& events, std::function<void()> quit);

  // What a line asks for; an event says what was wrong with it.
  void run(std::string_view line);

 private:
  void read();
  ua::Call* current();
  base::Status act(std::string_view word, std::string_view rest);
  base::Status act_on_call(std::string_view word, std::string_view rest);

  ua::UserAgent& ua_;
  ua::Agent& agent_;
  UaEvents& events_;
  std::function<void()> quit_;
  std::string partial_;
  std::unique_ptr<base::Loop::Watch> watch_;
};

}  // namespace causeway::cli
