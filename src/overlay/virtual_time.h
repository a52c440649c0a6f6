// Virtual time for the OpenDHT library in tests: virtual_time_test.cc replaces the standard library's
// clocks in the test program, and while a VirtualTime lives they show the time of its SimLoop.
#pragma once

#include "base/sim_loop.h"

namespace causeway::overlay {

class VirtualTime {
 public:
  explicit VirtualTime(const base::SimLoop& loop);
  ~VirtualTime();
  VirtualTime(const VirtualTime&) = delete;
  VirtualTime& operator=(const VirtualTime&) = delete;
};

}  // namespace causeway::overlay
