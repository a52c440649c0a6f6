// Choosing the best final response (RFC 3261 16.7 steps 6 and 7).
//
// 6xx before all; else the lowest class; within 4xx those first that say what to change (401, 407, 415,
// 420, 484), and those last that say only that nobody answered (408, 430, 487). What this peer itself has
// concluded (a place that cannot be reached) competes with what came, and loses against an equal.
//
// The challenges of all 401 and 407 are gathered in the one that is sent.
#pragma once

#include <string>
#include <string_view>

#include "base/buffer.h"
#include "sip/message.h"

namespace causeway::proxy {

class BestResponse {
 public:
  void reset();
  bool empty() const { return status_ == 0; }
  int status() const { return status_; }
  bool local() const { return !response_; }
  const std::string& reason() const { return reason_; }
  const base::Buffer& response() const { return response_; }

  // One that came; `spliced` is it without our Via.
  void consider(const sip::Message& response, base::Buffer spliced);
  void consider_local(int status, std::string_view reason);

 private:
  bool beats(int status, bool local) const;
  int status_ = 0;
  base::Buffer response_;
  std::string reason_;
};

}  // namespace causeway::proxy
