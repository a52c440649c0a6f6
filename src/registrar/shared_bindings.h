// The bindings of a peer with several workers. A user's bindings are kept by one worker, chosen by a hash of
// his name: it alone changes them, watches over their expiry and publishes them; REGISTERs that come to
// another are handed to it. All workers read them, since a call may come to any:
//
//   own user       from the table, without a lock: nobody else writes there
//   another's      under that table's lock, copied; the copy serves until that worker changes something
//
// With one worker there is none of this: the table itself is what the proxy reads.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/counted_mutex.h"
#include "registrar/binding_table.h"
#include "sip/message.h"

namespace causeway::registrar {

// What the workers have in common. Each has a shelf, with its table. Outlives them.
class BindingShelves {
 public:
  // `seed`: of the hash by which users are spread.
  BindingShelves(unsigned workers, std::uint64_t seed);

  unsigned owner_of(std::string_view user) const;
  // Of a REGISTER for a user of the domain (in lower case) the owner of his bindings, else `otherwise`.
  unsigned owner_of(const sip::Message& request, std::string_view domain, unsigned otherwise) const;
  BindingShelf& of(unsigned worker) { return *shelves_[worker]; }

 private:
  std::vector<std::unique_ptr<BindingShelf>> shelves_;
  std::uint64_t seed_;
};

// All bindings, as one worker reads them.
class SharedBindings final : public Bindings {
 public:
  SharedBindings(BindingShelves& shelves, unsigned worker, const BindingTable& own)
      : shelves_(shelves), worker_(worker), own_(own) {}

  std::span<const Binding> of(std::string_view user) const override;
  Owned by_token(std::string_view token) const override { return own_.by_token(token); }
  std::size_t size() const override { return own_.size(); }

 private:
  std::span<const Binding> copied() const { return {copy_.data(), count_}; }

  BindingShelves& shelves_;
  const unsigned worker_;
  const BindingTable& own_;
  // The user of another worker who was asked for last. The vector keeps its room, and that of its texts.
  mutable std::vector<Binding> copy_;
  mutable std::size_t count_ = 0;
  mutable std::string user_;
  mutable const BindingShelf* from_ = nullptr;
  mutable std::uint64_t version_ = 0;
};

}  // namespace causeway::registrar
