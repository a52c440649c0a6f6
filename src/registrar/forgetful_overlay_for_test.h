// An overlay that forgets what it is told at once: for measurements of a registrar alone.
#pragma once

#include "overlay/overlay.h"

namespace causeway::registrar::testing {

class ForgetfulOverlay final : public overlay::Overlay {
 public:
  void put(const overlay::Record&) override {}
  void get(std::string_view, base::Duration, OnRecord, OnDone on_done) override { on_done({}); }
  ListenId listen(std::string_view, std::function<void(const overlay::Record&)>) override { return 1; }
  void unlisten(ListenId) override {}
  bool alone() const override { return true; }
};

}  // namespace causeway::registrar::testing
