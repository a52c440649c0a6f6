// The real loop, on epoll.
//
// A turn: wait until a descriptor is ready, the next timer is due or another thread has posted; read
// both clocks; then the ready descriptor, what timers are due, the tasks posted before this turn, and
// the end-of-turn hooks. A turn serves at most 128 descriptors, so that they cannot keep the timers waiting
// for long. In steady state a turn allocates nothing.
//
// The pace: under load turns begin at least this far apart, so that datagrams come in batches, for which
// waiting, reading, sending and filling the processor's caches are paid once. What network cards call
// interrupt moderation. The first event after a pause is served at once, and a loop that is busy for a
// quarter of its pace does not wait.
//
// Watches must go before the loop. One watch per descriptor, which it makes non-blocking; reading and
// writing may be awaited at the same time; waiting again for the same replaces the handler. Whoever waits
// again as soon as he is called costs no system call beyond the loop's one: the kernel goes on watching, and
// is told to stop only when something comes that nobody waits for.
#pragma once

#include <memory>

#include "base/loop.h"

namespace causeway::base {

std::unique_ptr<Loop> make_epoll_loop(std::chrono::microseconds pace = {});

}  // namespace causeway::base
