// The control socket: how `causeway status` and `causeway lookup` ask a running peer.
//
// A Unix socket that only its owner can open. One request is one line of JSON (control_request.h); one answer
// is one line of JSON, with "error" in it if there is one. A client may ask again on the same connection.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/loop.h"
#include "base/metrics.h"
#include "base/result.h"

namespace causeway::peer {

class Control {
 public:
  // `answer` must be called once, now or later; calls after the client or the Control has gone do
  // nothing. Both texts are one line, without the newline.
  using Answer = std::function<void(std::string)>;
  using Ask = std::function<void(std::string_view request, Answer answer)>;

  // A socket file that nobody listens on any more is replaced.
  static base::Result<std::unique_ptr<Control>> open(base::Loop& loop, base::Metrics& metrics,
                                                     const std::string& path, Ask ask);
  ~Control();

 private:
  struct Client;
  Control(base::Loop& loop, base::Metrics& metrics, int fd, std::string path, Ask ask);
  void accept_all();
  void read(const std::shared_ptr<Client>& client);
  void drop(const std::shared_ptr<Client>& client);
  void write(Client& client, std::string line);
  base::Loop& loop_;
  int fd_;
  std::string path_;
  Ask ask_;
  std::unique_ptr<base::Loop::Watch> watch_;
  std::vector<std::shared_ptr<Client>> clients_;
  base::Counter &refused_, &too_long_;
};

// The other end: connects, asks, waits at most `patience` for the answer. Blocking; for the
// command line only.
base::Result<std::string> ask_peer(const std::string& path, std::string_view request,
                                   base::Duration patience);

}  // namespace causeway::peer
