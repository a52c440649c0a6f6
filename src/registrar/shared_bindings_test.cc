#include "registrar/shared_bindings.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <mutex>
#include <thread>

#include "base/sim_loop.h"

namespace causeway::registrar {
namespace {

using namespace std::chrono_literals;

class SharedBindingsTest : public testing::Test {
 protected:
  static Binding binding(const base::Loop& loop, std::string contact, base::Duration life = 1h) {
    Binding b;
    b.set_texts(contact, {}, {});
    b.expires = loop.now() + life;
    return b;
  }
  // A user of the second worker.
  std::string of_second() const {
    for (int i = 0;; ++i)
      if (auto name = fmt::format("u{}", i); shelves.owner_of(name) == 1) return name;
  }
  void add(const std::string& user, Binding b) {
    const auto lock = second.change();
    auto& known = second.make_user(user);
    known.refresh_at = loop.now() + 1h;
    second.add(known, std::move(b));
  }

  base::SimLoop loop;
  BindingShelves shelves{2, 42};
  BindingTable first{loop, [](RegisteredUser&, bool) {}, &shelves.of(0)};
  BindingTable second{loop, [](RegisteredUser&, bool) {}, &shelves.of(1)};
  SharedBindings seen{shelves, 0, first};
};

TEST_F(SharedBindingsTest, UsersAreSpreadEvenly) {
  int of_first = 0;
  for (int i = 0; i < 10'000; ++i) of_first += shelves.owner_of(fmt::format("user{}", i)) == 0;
  EXPECT_NEAR(of_first, 5'000, 250);
}

TEST_F(SharedBindingsTest, ARegisterIsItsUsersOwners) {
  const auto owner = [&](std::string_view method, std::string_view to) {
    const std::string text = fmt::format(
        "{} sip:p2psip.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nFrom: "
        "<sip:a@b>;tag=1\r\nTo: "
        "<{}>\r\nCall-ID: 1\r\nCSeq: 1 {}\r\n\r\n",
        method, to, method);
    sip::Message message;
    EXPECT_TRUE(message.parse(text));
    return shelves.owner_of(message, "p2psip.org", 9);
  };
  const std::string user = of_second();
  EXPECT_EQ(owner("REGISTER", "sip:" + user + "@p2psip.org"), 1u);
  EXPECT_EQ(owner("REGISTER", "sip:%75" + user.substr(1) + "@P2PSIP.org;x=y"), 1u)
      << "the same user, escaped";
  EXPECT_EQ(owner("REGISTER", "sip:" + user + "@example.org"), 9u);
  EXPECT_EQ(owner("REGISTER", "sip:p2psip.org"), 9u);
  EXPECT_EQ(owner("INVITE", "sip:" + user + "@p2psip.org"), 9u);
}

TEST_F(SharedBindingsTest, BindingsOfAnotherWorkerAreSeen) {
  const std::string user = of_second();
  EXPECT_TRUE(seen.of(user).empty());
  Binding one = binding(loop, "sip:one@192.0.2.1");
  one.instance_hash = 7;
  one.flow.remote = *net::Address::parse("192.0.2.1:5060");
  add(user, one);
  add(user, binding(loop, "sip:two@192.0.2.2"));
  ASSERT_EQ(seen.of(user).size(), 2u);
  EXPECT_EQ(seen.of(user)[1].contact(), "sip:two@192.0.2.2");
  ASSERT_TRUE(seen.find(user, 7));
  EXPECT_EQ(seen.find(user, 7)->contact(), "sip:one@192.0.2.1");
  ASSERT_TRUE(seen.registered_over(user, one.flow));
  EXPECT_FALSE(seen.find(user, 8));
  EXPECT_EQ(seen.size(), 0u);
  EXPECT_EQ(second.size(), 2u);
}

TEST_F(SharedBindingsTest, WhatHasChangedOrExpiredIsSeenAtOnce) {
  const std::string user = of_second();
  add(user, binding(loop, "sip:one@192.0.2.1", 10s));
  add(user, binding(loop, "sip:two@192.0.2.2"));
  EXPECT_EQ(seen.of(user).size(), 2u);
  {
    const auto lock = second.change();
    second.user(user)->bindings[1].set_texts("sip:moved@192.0.2.3", {}, {});
  }
  EXPECT_EQ(seen.of(user)[1].contact(), "sip:moved@192.0.2.3");
  second.settle(*second.user(user));
  loop.run_for(11s);
  ASSERT_EQ(seen.of(user).size(), 1u);
  EXPECT_EQ(seen.of(user)[0].contact(), "sip:moved@192.0.2.3");
  {
    const auto lock = second.change();
    second.remove(*second.user(user), 0);
  }
  second.settle(*second.user(user));
  EXPECT_TRUE(seen.of(user).empty());
}

TEST_F(SharedBindingsTest, AnUnchangedUserIsReadWithoutALock) {
  const std::string user = of_second();
  add(user, binding(loop, "sip:one@192.0.2.1"));
  (void)seen.of(user);
  std::latch held(1), done(1);
  std::thread holder([&] {
    const std::lock_guard lock(shelves.of(1).mutex);
    held.count_down();
    done.wait();
  });
  held.wait();
  EXPECT_EQ(seen.of(user).size(), 1u);  // would wait for ever
  done.count_down();
  holder.join();
}

TEST_F(SharedBindingsTest, ATableThatHasGoneHoldsNothing) {
  const std::string user = of_second();
  auto gone = std::make_unique<BindingTable>(
      loop, [](RegisteredUser&, bool) {}, &shelves.of(1));
  gone->make_user(user).bindings.push_back(binding(loop, "sip:one@192.0.2.1"));
  EXPECT_EQ(seen.of(user).size(), 1u);
  gone.reset();
  EXPECT_TRUE(seen.of(user).empty());
}

// For the thread sanitizer: what a reader gets is whole, whatever the owner does meanwhile.
TEST_F(SharedBindingsTest, ReadersAndTheOwnerDoNotDisturbEachOther) {
  const std::string user = of_second();
  std::atomic<bool> stop = false;
  std::atomic<int> read = 0, torn = 0;
  std::thread reader([&] {
    while (!stop) {
      for (const Binding& b : seen.of(user))
        if (b.contact() != b.instance()) ++torn;
      ++read;
    }
  });
  for (int i = 0; i < 20'000 || read < 100; ++i) {
    {
      const auto lock = second.change();
      auto& known = second.make_user(user);
      known.refresh_at = loop.now() + 1h;
      if (known.bindings.size() > 3) second.remove(known, 0);
      const auto text = fmt::format("sip:a-contact-too-long-to-lie-inside-{}@192.0.2.1", i);
      Binding b = binding(loop, text);
      b.set_texts(text, text, {});
      second.add(known, std::move(b));
    }
    second.settle(*second.user(user));
  }
  stop = true;
  reader.join();
  EXPECT_EQ(torn, 0);
}

}  // namespace
}  // namespace causeway::registrar
