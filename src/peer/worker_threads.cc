#include "peer/worker_threads.h"

#include <pthread.h>

#include <system_error>

#include "overlay/overlay_share.h"

namespace causeway::peer {

WorkerThreads::WorkerThreads(const Plan& plan, Commons& commons,
                             std::shared_ptr<overlay::OverlayDoor> overlay, std::vector<net::Address> links)
    : plan_(plan),
      commons_(commons),
      overlay_(std::move(overlay)),
      links_(std::move(links)),
      stopped_(plan.config.workers - 1),
      threads_(static_cast<std::size_t>(plan.config.workers) - 1) {}

WorkerThreads::~WorkerThreads() { end(); }

base::Status WorkerThreads::start() {
  base::Status all;
  for (std::size_t i = 0; i < threads_.size() && all; ++i) {
    Thread& self = threads_[i];
    const auto number = static_cast<unsigned>(i + 1);
    try {
      self.thread = std::thread([this, &self, number] { live(self, number); });
    } catch (const std::system_error& error) {
      all =
          base::fail("worker {}: no thread for it: {}; choose a smaller peer.workers", number, error.what());
      break;
    }
    pthread_setname_np(self.thread.native_handle(), fmt::format("worker {}", number).c_str());
    if (auto made = self.made.get_future().get(); !made)
      all = base::fail("worker {}: {}", number, made.error().message);
  }
  running_ = all.has_value();
  run_.set_value(running_);
  if (!all) end();
  return all;
}

// Everything of one worker, from the first to the last.
void WorkerThreads::live(Thread& self, unsigned number) {
  RealGround ground(plan_.config, number);
  if (auto opened = ground.open_resolver(); !opened) return self.made.set_value(opened);
  base::Loop& loop = ground.loop();
  self.loop = &loop;
  overlay::OverlayClient overlay(overlay_, loop);
  Worker worker(plan_, &commons_, number, ground.ground());
  auto open = worker.open();
  if (open) {
    worker.serve(overlay, links_);
    overlay.set_on_put([&worker](const overlay::Record& record) { worker.users().learned(record); });
  }
  self.made.set_value(open);
  if (!runs_.get()) return;
  loop.run();
  stopped_.arrive_and_wait();
}

void WorkerThreads::end() {
  if (running_)
    for (Thread& one : threads_) one.loop->post_from_any_thread([loop = one.loop] { loop->stop(); });
  running_ = false;
  for (Thread& one : threads_)
    if (one.thread.joinable()) one.thread.join();
}

}  // namespace causeway::peer
