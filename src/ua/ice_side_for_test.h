// An ICE agent on loopback, for tests.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "ua/ice.h"

namespace causeway::ua::test {

using namespace std::chrono_literals;

inline const net::Ip kHere = net::Ip::v4(0x7f000001);

// One agent, seen from the test's thread: what it has said, waited for.
class Side final : public IceAgent::Events {
 public:
  Side(MediaThread& thread, IceConfig config) : thread_(thread) {
    config.local_addresses = {kHere};
    thread_.run([&] { agent_ = std::make_unique<IceAgent>(thread_, config, *this); });
  }
  ~Side() override {
    thread_.run([this] { agent_.reset(); });
  }

  void gather() {
    thread_.run([this] { agent_->gather(); });
  }
  LocalMedia media() {
    LocalMedia media;
    media.codecs = {{0, "PCMU", 8000, 1, {}}};
    EXPECT_TRUE(wait([this] { return gathered > described_; })) << why;
    ++described_;
    thread_.run([&] { agent_->describe(media); });
    return media;
  }
  template <class Task>
  auto on_thread(Task task) {
    decltype(task(*agent_)) result;
    thread_.run([&] { result = task(*agent_); });
    return result;
  }
  void set_remote(const RemoteMedia& remote) {
    thread_.run([&] { agent_->set_remote(remote); });
  }
  void follow(const RemoteMedia& remote) {
    thread_.run([&] { agent_->follow(remote); });
  }
  void restart() {
    thread_.run([this] { agent_->restart(); });
  }
  bool send(std::string_view text) {
    return on_thread([&](IceAgent& agent) { return agent.send(base::as_bytes(text)); });
  }
  IceAgent::Statistics statistics() {
    return on_thread([](IceAgent& agent) { return agent.statistics(); });
  }

  template <class What>
  bool wait(What what, base::Duration patience = 8s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, what);
  }
  bool hears(const std::string& text, base::Duration patience = 2s) {
    return wait([&] { return !packets.empty() && packets.back() == text; }, patience);
  }

  // Read within wait().
  int gathered = 0, connected = 0;
  std::string pair, why;
  std::vector<std::string> packets;
  std::vector<RelayServer> lost;

 private:
  template <class Change>
  void change(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  void on_gathered() override {
    change([this] { ++gathered; });
  }
  void on_connected(const std::string& with) override {
    change([&] { ++connected, pair = with; });
  }
  void on_failed(const std::string& because) override {
    change([&] { why = because; });
  }
  void on_packet(std::span<const std::uint8_t> packet) override {
    change([&] { packets.emplace_back(packet.begin(), packet.end()); });
  }
  void on_relay_lost(const RelayServer& relay) override {
    change([&] { lost.push_back(relay); });
  }

  MediaThread& thread_;
  std::unique_ptr<IceAgent> agent_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int described_ = 0;
};

}  // namespace causeway::ua::test
