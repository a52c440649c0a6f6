// A free list of objects that are never given back to the system: strings and vectors inside keep
// their room, so that a busy proxy stops allocating. Addresses stay valid as long as the pool.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

namespace causeway::proxy {

// T has reset(), which makes it as good as new.
template <class T>
class Pool {
 public:
  T& take() {
    ++in_use_;
    if (free_.empty()) return all_.emplace_back();
    T* item = free_.back();
    free_.pop_back();
    return *item;
  }
  void give(T& item) {
    item.reset();
    free_.push_back(&item);
    --in_use_;
  }
  std::size_t in_use() const { return in_use_; }

 private:
  std::deque<T> all_;
  std::vector<T*> free_;
  std::size_t in_use_ = 0;
};

}  // namespace causeway::proxy
