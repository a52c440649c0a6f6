#include "ua/media_thread.h"

#include <glib-unix.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include <future>

#include "base/fatal.h"

namespace causeway::ua {

// Other threads reach this one by a descriptor: nothing of GLib's is made by one thread and freed by another.
MediaThread::MediaThread()
    : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      context_(g_main_context_new()),
      loop_(g_main_loop_new(context_, FALSE)),
      posts_(g_unix_fd_source_new(wake_.get(), G_IO_IN)) {
  if (!wake_) base::fatal("no descriptor for the thread of media; raise the limit of open files (ulimit -n)");
  const auto run = [](gint, GIOCondition, gpointer self) -> gboolean {
    static_cast<MediaThread*>(self)->run_posted();
    return G_SOURCE_CONTINUE;
  };
  g_source_set_callback(posts_, G_SOURCE_FUNC(static_cast<GUnixFDSourceFunc>(run)), this, nullptr);
  g_source_attach(posts_, context_);
  thread_ = std::thread([this] {
    prctl(PR_SET_NAME, "media");
    g_main_context_push_thread_default(context_);
    g_main_loop_run(loop_);
    g_main_context_pop_thread_default(context_);
  });
}

MediaThread::~MediaThread() {
  post([this] { g_main_loop_quit(loop_); });
  thread_.join();
  g_source_destroy(posts_);
  g_source_unref(posts_);
  g_main_loop_unref(loop_);
  g_main_context_unref(context_);
}

void MediaThread::post(base::Task task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
    if (posted_.size() > 1) return;  // the thread has been woken already
  }
  ::eventfd_write(wake_.get(), 1);
}

// Those that these post come after packets and timers have had their turn.
void MediaThread::run_posted() {
  eventfd_t count;
  ::eventfd_read(wake_.get(), &count);
  std::vector<base::Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (const base::Task& task : tasks) task();
}

void MediaThread::run(const base::Task& task) {
  std::promise<void> done;
  post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

base::Instant MediaThread::now() {
  return std::chrono::time_point_cast<base::Duration>(std::chrono::steady_clock::now());
}

void MediaTimer::start(base::Duration delay, base::Task task) {
  cancel();
  task_ = std::move(task);
  source_ = g_timeout_source_new(static_cast<guint>(std::max<std::int64_t>(delay.count(), 0)));
  const auto fire = [](gpointer of) -> gboolean {
    auto& self = *static_cast<MediaTimer*>(of);
    self.cancel();
    // It may start the timer anew, or destroy it.
    base::Task due = std::exchange(self.task_, {});
    due();
    return G_SOURCE_REMOVE;
  };
  g_source_set_callback(source_, fire, this, nullptr);
  g_source_attach(source_, thread_.context());
}

void MediaTimer::cancel() {
  if (source_ == nullptr) return;
  g_source_destroy(source_);
  g_source_unref(source_);
  source_ = nullptr;
}

}  // namespace causeway::ua
