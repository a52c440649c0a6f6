// The thread of media: a GLib main context with a thread of its own, so that media never waits for
// signalling.
//
// Everything that touches packets, ICE or codecs lives here. The signalling thread posts tasks to it, and is
// told by Loop::post_from_any_thread. One such thread serves all calls of a process.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <glib.h>

#include "base/loop.h"
#include "base/time.h"
#include "net/descriptor.h"

namespace causeway::ua {

class MediaThread {
 public:
  MediaThread();
  // Runs what has been posted, then ends the thread.
  ~MediaThread();
  MediaThread(const MediaThread&) = delete;
  MediaThread& operator=(const MediaThread&) = delete;

  // Runs `task` soon, in the order of the posts. Any thread.
  void post(base::Task task);
  // The same, and waits until it has run. Never from this thread itself.
  void run(const base::Task& task);
  bool is_this() const { return std::this_thread::get_id() == thread_.get_id(); }

  // The clock of its timers, of this moment.
  static base::Instant now();

  // For libnice.
  GMainContext* context() const { return context_; }

 private:
  void run_posted();

  std::mutex mutex_;
  std::vector<base::Task> posted_;
  net::Descriptor wake_;
  GMainContext* context_;
  GMainLoop* loop_;
  GSource* posts_;
  std::thread thread_;
};

// One task at one time. On the media thread only.
class MediaTimer {
 public:
  explicit MediaTimer(MediaThread& thread) : thread_(thread) {}
  ~MediaTimer() { cancel(); }
  MediaTimer(const MediaTimer&) = delete;
  MediaTimer& operator=(const MediaTimer&) = delete;

  // Runs `task` once after `delay`, instead of what was to run before.
  void start(base::Duration delay, base::Task task);
  void cancel();
  bool is_running() const { return source_ != nullptr; }

 private:
  MediaThread& thread_;
  base::Task task_;
  GSource* source_ = nullptr;
};

}  // namespace causeway::ua
