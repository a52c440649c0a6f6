// The workers beside the first. Each lives on a thread of its own: all that it consists of is made, runs and
// goes there.
//
// All are made before any runs, and none goes before all have stopped, so that what they hand to each other
// always finds somebody (sip/handover.h).
#pragma once

#include <future>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "overlay/overlay_share.h"
#include "peer/worker.h"

namespace causeway::peer {

class WorkerThreads {
 public:
  // `plan` names the ports that the first worker has. Everything must outlive the threads.
  WorkerThreads(const Plan& plan, Commons& commons, std::shared_ptr<overlay::OverlayDoor> overlay,
                std::vector<net::Address> links);
  // Stops them and waits for them.
  ~WorkerThreads();

  // All that the plan asks for, or, with the reason, none.
  base::Status start();

 private:
  struct Thread {
    std::promise<base::Status> made;
    base::Loop* loop = nullptr;
    std::thread thread;
  };
  void live(Thread& self, unsigned number);
  void end();

  const Plan& plan_;
  Commons& commons_;
  std::shared_ptr<overlay::OverlayDoor> overlay_;
  std::vector<net::Address> links_;
  bool running_ = false;
  std::promise<bool> run_;
  std::shared_future<bool> runs_ = run_.get_future().share();
  std::latch stopped_;
  std::vector<Thread> threads_;
};

}  // namespace causeway::peer
