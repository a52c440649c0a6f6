// Short texts put together for one message: Via, Record-Route, Request-URI. They live in an array on
// the stack until Rewrite::build has copied them, so the hot path allocates nothing for them.
#pragma once

#include <array>
#include <charconv>
#include <cstring>
#include <initializer_list>
#include <string_view>

#include "base/limits.h"

namespace causeway::proxy {

class Scratch {
 public:
  // A text for which there is no room (limits::kMaxInsertedText) makes ok() false.

  std::string_view join(std::initializer_list<std::string_view> parts) {
    char* const begin = bytes_.data() + used_;
    for (auto part : parts) {
      if (part.size() > limits::kMaxInsertedText - used_) {
        ok_ = false;
        return {};
      }
      if (!part.empty()) std::memcpy(bytes_.data() + used_, part.data(), part.size());
      used_ += part.size();
    }
    return {begin, static_cast<std::size_t>(bytes_.data() + used_ - begin)};
  }
  std::string_view number(std::int64_t value) {
    char digits[24];
    auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    return join({std::string_view(digits, static_cast<std::size_t>(end - digits))});
  }
  bool ok() const { return ok_; }

 private:
  std::array<char, limits::kMaxInsertedText> bytes_;
  std::size_t used_ = 0;
  bool ok_ = true;
};

}  // namespace causeway::proxy
