#include "registrar/binding_table.h"

#include <algorithm>

#include "sip/hash.h"

namespace causeway::registrar {

void Binding::set_texts(std::string_view contact, std::string_view instance, std::string_view path) {
  texts_.clear();
  texts_.reserve(contact.size() + instance.size() + path.size());
  texts_.append(contact).append(instance).append(path);
  contact_size_ = static_cast<std::uint16_t>(contact.size());
  instance_size_ = static_cast<std::uint16_t>(instance.size());
  path_size_ = static_cast<std::uint16_t>(path.size());
}

void Binding::set_token(std::string_view token) {
  std::string all;
  all.reserve(token_at() + token.size());  // to the byte: it stays for hours
  all.append(texts_, 0, token_at()).append(token);
  texts_ = std::move(all);
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

RegisteredUser::RegisteredUser()
    : TimerNode([](base::TimerNode& node) {
        auto& user = static_cast<RegisteredUser&>(node);
        user.table->on_timer(user);
      }) {}

BindingTable::BindingTable(base::Loop& loop, OnDue on_due, BindingShelf* shelf, std::uint64_t seed)
    : loop_(loop), on_due_(std::move(on_due)), shelf_(shelf), seed_(seed) {
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

std::uint64_t BindingTable::hash(std::string_view text) const { return sip::keyed_hash(text, seed_); }

std::uint32_t BindingTable::find_user(std::string_view name) const {
  return by_name_.find(hash(name), [&](std::uint32_t at) { return users_[at].name == name; });
}

std::span<const Binding> BindingTable::of(std::string_view user) const {
  const auto at = find_user(user);
  if (at == sip::FlatIndex::kNone) return {};
  return users_[at].bindings;
}

Bindings::Owned BindingTable::by_token(std::string_view token) const {
  Owned found;
  if (token.empty()) return found;
  by_token_.find(hash(token), [&](std::uint32_t at) {
    const RegisteredUser& user = users_[at];
    for (const Binding& binding : user.bindings)
      if (binding.token() == token) found = {user.name, &binding};
    return found.binding != nullptr;
  });
  return found;
}

RegisteredUser* BindingTable::user(std::string_view name) {
  const auto at = find_user(name);
  return at == sip::FlatIndex::kNone ? nullptr : &users_[at];
}

RegisteredUser& BindingTable::make_user(std::string_view name) {
  if (auto* known = user(name)) return *known;
  RegisteredUser& user = users_.take();
  user.table = this;
  user.name = name;
  user.sequence = 0;
  user.refresh_at = {};
  user.published = false;
  by_name_.insert(hash(name), user.index);
  return user;
}

void BindingTable::add(RegisteredUser& user, Binding binding) {
  user.bindings.push_back(std::move(binding));
  ++count_;
}

void BindingTable::remove(RegisteredUser& user, std::size_t index) {
  forget_token(user, user.bindings[index]);
  user.bindings.erase(user.bindings.begin() + static_cast<std::ptrdiff_t>(index));
  --count_;
}

void BindingTable::set_token(RegisteredUser& user, Binding& binding, std::string_view token) {
  forget_token(user, binding);
  binding.set_token(token);
  if (!token.empty()) by_token_.insert(hash(token), user.index);
}

void BindingTable::forget_token(const RegisteredUser& user, const Binding& binding) {
  if (!binding.token().empty()) by_token_.erase(hash(binding.token()), user.index);
}

void BindingTable::settle(RegisteredUser& user) {
  if (user.bindings.empty()) {
    const Change lock = change();
    by_name_.erase(hash(user.name), user.index);
    user.stop();
    user.name = {};
    user.bindings = {};
    users_.give_back(user);
    return;
  }
  base::Instant next = user.refresh_at;
  for (const Binding& binding : user.bindings) next = std::min(next, binding.expires);
  // A timer that fires too early finds nothing to do and is set again: cheaper than to move it with every
  // refresh.
  if (user.pending() && user.due() <= next) return;
  loop_.timers().start(user, std::max(next - loop_.now(), base::Duration(1)));
}

void BindingTable::for_each(const std::function<void(RegisteredUser&)>& f) {
  for (std::uint32_t at = 0; users_.has(at); ++at)
    if (!users_[at].name.empty()) f(users_[at]);
}

void BindingTable::on_timer(RegisteredUser& user) {
  auto lock = change();
  const std::size_t before = user.bindings.size();
  std::erase_if(user.bindings, [&](const Binding& binding) {
    if (binding.expires > loop_.now()) return false;
    forget_token(user, binding);
    return true;
  });
  const std::size_t expired = before - user.bindings.size();
  count_ -= expired;
  if (lock) lock.unlock();
  if (expired != 0 || user.refresh_at <= loop_.now()) on_due_(user, expired != 0);
  settle(user);
}

}  // namespace causeway::registrar
