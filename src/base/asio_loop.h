// The real loop, on Boost.Asio's reactor (asio_loop.cc is the only file that includes Asio).
//
// A turn: wait until a descriptor is ready, the next timer is due or another thread has posted; read
// both clocks; then the ready descriptor, what timers are due, the tasks posted before this turn, and
// the end-of-turn hooks. One epoll_wait brings up to 128 ready descriptors, and the following turns
// take them one by one without another system call, so that none of them can keep the timers, or each
// other, waiting for long. In steady state a turn allocates nothing.
//
// Watches must go before the loop. One watch per descriptor, which it makes non-blocking; reading and
// writing may be awaited at the same time; waiting again for the same replaces the handler.
#pragma once

#include <memory>

#include "base/loop.h"

namespace causeway::base {

std::unique_ptr<Loop> make_asio_loop();

}  // namespace causeway::base
