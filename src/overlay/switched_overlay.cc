#include "overlay/switched_overlay.h"

#include <utility>

#include "base/limits.h"

namespace causeway::overlay {

void SwitchedOverlay::become(std::unique_ptr<Engine> engine) {
  before_ = std::exchange(engine_, std::move(engine));
  if (before_) before_goes_.start(limits::kMaxLinkPatience);
  for (auto& [id, listener] : listeners_)
    if (before_) before_->unlisten(listener.at_engine);
  for (auto& [id, listener] : listeners_)
    listener.at_engine = engine_->listen(listener.uri, listener.on_record);
  for (base::Task& task : std::exchange(waiting_, {})) task();
}

void SwitchedOverlay::put(const Record& record) {
  if (engine_) return engine_->put(record);
  waiting_.push_back([this, record] { engine_->put(record); });
}

void SwitchedOverlay::get(std::string_view uri, base::Duration patience, OnRecord on_record, OnDone on_done) {
  if (engine_) return engine_->get(uri, patience, std::move(on_record), std::move(on_done));
  waiting_.push_back([this, uri = std::string(uri), patience, on_record = std::move(on_record),
                      on_done = std::move(on_done)] { engine_->get(uri, patience, on_record, on_done); });
}

Overlay::ListenId SwitchedOverlay::listen(std::string_view uri,
                                          std::function<void(const Record&)> on_record) {
  const ListenId id = ++last_id_;
  Listener& listener = listeners_[id];
  listener = {std::string(uri), std::move(on_record)};
  if (engine_) listener.at_engine = engine_->listen(uri, listener.on_record);
  return id;
}

void SwitchedOverlay::unlisten(ListenId id) {
  const auto known = listeners_.extract(id);
  if (!known.empty() && engine_) engine_->unlisten(known.mapped().at_engine);
}

void SwitchedOverlay::inspect(std::string_view uri, base::Duration patience,
                              std::function<void(std::vector<Found>)> done) {
  if (engine_) return engine_->inspect(uri, patience, std::move(done));
  done({});
}

Engine::Health SwitchedOverlay::health() const {
  return engine_ ? engine_->health() : Health{.engine = "finding out whether it can be reached"};
}

}  // namespace causeway::overlay
