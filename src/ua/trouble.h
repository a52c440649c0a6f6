// What went wrong, for who must do something about it.
#pragma once

#include <string>

namespace causeway::ua {

struct Trouble {
  std::string expected, came, todo;
};

inline std::string sentence(const Trouble& trouble) {
  return "expected " + trouble.expected + "; came: " + trouble.came +
         (trouble.todo.empty() ? "" : "; " + trouble.todo);
}

}  // namespace causeway::ua
