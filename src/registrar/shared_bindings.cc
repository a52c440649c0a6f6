#include "registrar/shared_bindings.h"

#include <algorithm>
#include <mutex>

#include "sip/hash.h"
#include "sip/headers.h"

namespace causeway::registrar {

BindingShelves::BindingShelves(unsigned workers, std::uint64_t seed) : seed_(seed) {
  for (unsigned i = 0; i < workers; ++i) shelves_.push_back(std::make_unique<BindingShelf>());
}

unsigned BindingShelves::owner_of(std::string_view user) const {
  return static_cast<unsigned>(sip::keyed_hash(user, seed_) % shelves_.size());
}

unsigned BindingShelves::owner_of(const sip::Message& request, std::string_view domain,
                                  unsigned otherwise) const {
  if (request.method() != sip::Method::register_) return otherwise;
  const auto to = sip::parse_name_addr(request.value(sip::HeaderName::to));
  if (!to || !to->uri.is_sip || !to->uri.has_user || !sip::same_text(to->uri.host, domain)) return otherwise;
  std::string room;
  return owner_of(sip::plain_user(to->uri, room));
}

std::span<const Binding> SharedBindings::of(std::string_view user) const {
  const unsigned owner = shelves_.owner_of(user);
  if (owner == worker_) return own_.of(user);
  BindingShelf& shelf = shelves_.of(owner);
  const bool known = from_ == &shelf && user_ == user;
  if (known && shelf.version.load(std::memory_order_acquire) == version_) return copied();
  user_ = user;
  from_ = &shelf;
  const std::lock_guard lock(shelf.mutex);
  version_ = shelf.version.load(std::memory_order_relaxed);
  const auto found = shelf.table ? shelf.table->of(user) : std::span<const Binding>();
  if (copy_.size() < found.size()) copy_.resize(found.size());
  std::ranges::copy(found, copy_.begin());
  count_ = found.size();
  return copied();
}

}  // namespace causeway::registrar
