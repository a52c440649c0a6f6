// Signals as turns of the loop: SIGTERM and SIGINT end the program in order, SIGHUP reads files anew.
//
//   auto ending = on_signal(loop, {SIGTERM, SIGINT}, [&](int) { loop.stop(); });
//
// Make it before the program starts other threads: they inherit the mask that keeps these signals
// from killing the process. The signals have their former effect again when the object goes; one
// that came in the meantime and was not handled is forgotten. Must go before the loop.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>

#include "base/loop.h"

namespace causeway::base {

class SignalWatch {
 public:
  virtual ~SignalWatch() = default;
};

[[nodiscard]] std::unique_ptr<SignalWatch> on_signal(Loop& loop, std::initializer_list<int> signals,
                                                     std::function<void(int signal)> handler);

}  // namespace causeway::base
