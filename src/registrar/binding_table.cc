#include "registrar/binding_table.h"

#include <algorithm>

namespace causeway::registrar {

BindingTable::BindingTable(base::Loop& loop, OnDue on_due, BindingShelf* shelf)
    : loop_(loop), on_due_(std::move(on_due)), shelf_(shelf) {
  if (const Change lock = change(); shelf_) shelf_->table = this;
}

BindingTable::~BindingTable() {
  if (const Change lock = change(); shelf_) shelf_->table = nullptr;
}

BindingTable::Change BindingTable::change() {
  if (!shelf_) return {};
  Change lock(shelf_->mutex);
  shelf_->version.fetch_add(1, std::memory_order_release);
  return lock;
}

std::span<const Binding> BindingTable::of(std::string_view user) const {
  auto at = users_.find(user);
  if (at == users_.end()) return {};
  return at->second.bindings;
}

const Binding* Bindings::find(std::string_view user, std::uint64_t instance_hash) const {
  const Binding* newest = nullptr;
  for (const Binding& binding : of(user))
    if (binding.instance_hash == instance_hash && (!newest || binding.registered > newest->registered))
      newest = &binding;
  return newest;
}

const Binding* Bindings::registered_over(std::string_view user, const sip::Flow& flow) const {
  for (const Binding& binding : of(user))
    if (binding.flow == flow) return &binding;
  return nullptr;
}

RegisteredUser* BindingTable::user(std::string_view name) {
  auto at = users_.find(name);
  return at == users_.end() ? nullptr : &at->second;
}

RegisteredUser& BindingTable::make_user(std::string_view name) {
  auto [at, made] = users_.try_emplace(std::string(name), *this, &BindingTable::fire);
  if (made) at->second.name = at->first;
  return at->second;
}

void BindingTable::add(RegisteredUser& user, Binding binding) {
  user.bindings.push_back(std::move(binding));
  ++count_;
}

void BindingTable::remove(RegisteredUser& user, std::size_t index) {
  user.bindings.erase(user.bindings.begin() + static_cast<std::ptrdiff_t>(index));
  --count_;
}

void BindingTable::settle(RegisteredUser& user) {
  if (user.bindings.empty()) {
    const Change lock = change();
    users_.erase(users_.find(user.name));
    return;
  }
  base::Instant next = user.refresh_at;
  for (const Binding& binding : user.bindings) next = std::min(next, binding.expires);
  loop_.timers().start(user, std::max(next - loop_.now(), base::Duration(1)));
}

void BindingTable::for_each(const std::function<void(RegisteredUser&)>& f) {
  for (auto& [name, user] : users_) f(user);
}

void BindingTable::fire(base::TimerNode& node) {
  auto& user = static_cast<RegisteredUser&>(node);
  user.table.on_timer(user);
}

void BindingTable::on_timer(RegisteredUser& user) {
  auto lock = change();
  auto expired =
      std::erase_if(user.bindings, [now = loop_.now()](const Binding& b) { return b.expires <= now; });
  count_ -= expired;
  if (lock) lock.unlock();
  if (expired != 0 || user.refresh_at <= loop_.now()) on_due_(user, expired != 0);
  settle(user);
}

}  // namespace causeway::registrar
