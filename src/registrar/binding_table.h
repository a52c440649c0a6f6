// Where bindings are kept: one entry for each user who has a phone here, found by name, with one timer.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/counted_mutex.h"
#include "base/loop.h"
#include "registrar/bindings.h"
#include "sip/flat_index.h"
#include "sip/slab.h"

namespace causeway::registrar {

class BindingTable;

// Where other workers read a table (shared_bindings.h).
struct BindingShelf {
  base::CountedMutex mutex;  // held by another worker that reads, and by the owner while it changes something
  const BindingTable* table = nullptr;     // guarded by mutex
  std::atomic<std::uint64_t> version = 0;  // grows with every change
};

// A user with phones at this peer.
struct RegisteredUser : base::TimerNode {
  RegisteredUser();
  std::uint32_t index = 0, next_free = 0;  // the slab's
  BindingTable* table = nullptr;
  std::string name;  // empty: nobody
  std::vector<Binding> bindings;
  base::UnixMs sequence = 0;   // of the user record put last
  base::Instant refresh_at{};  // when the record must be put again
  bool published = false;      // a record that is no tombstone is in the overlay
};

class BindingTable final : public Bindings {
 public:
  // `on_due` is called when a user's record must be put again, or bindings of his have just expired
  // (`changed`). A user without bindings is erased after it returns.
  using OnDue = std::function<void(RegisteredUser& user, bool changed)>;
  // With a shelf, other workers read it there. `seed`: strangers choose the names.
  BindingTable(base::Loop& loop, OnDue on_due, BindingShelf* shelf = nullptr, std::uint64_t seed = 0);
  ~BindingTable();

  std::span<const Binding> of(std::string_view user) const override;
  Owned by_token(std::string_view token) const override;
  std::size_t size() const override { return count_; }

  // Whoever changes users or their bindings holds one of these meanwhile; it keeps readers away, if there are
  // any. Not while something else of this table that takes one is called: settle().
  using Change = std::unique_lock<base::CountedMutex>;
  [[nodiscard]] Change change();

  RegisteredUser* user(std::string_view name);
  RegisteredUser& make_user(std::string_view name);
  void add(RegisteredUser& user, Binding binding);
  void remove(RegisteredUser& user, std::size_t index);
  void set_token(RegisteredUser& user, Binding& binding, std::string_view token);
  // After any change: sees to it that the timer fires at the next expiry or refresh, or before; erases a
  // user without bindings (the reference is gone then).
  void settle(RegisteredUser& user);

  void for_each(const std::function<void(RegisteredUser&)>& f);

 private:
  std::uint64_t hash(std::string_view text) const;
  std::uint32_t find_user(std::string_view name) const;
  void forget_token(const RegisteredUser& user, const Binding& binding);
  void on_timer(RegisteredUser& user);
  friend RegisteredUser;

  base::Loop& loop_;
  OnDue on_due_;
  BindingShelf* shelf_;
  std::uint64_t seed_;
  sip::Slab<RegisteredUser> users_;
  sip::FlatIndex by_name_, by_token_;  // both lead to users
  std::size_t count_ = 0;
};

}  // namespace causeway::registrar
