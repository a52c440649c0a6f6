// TOML files, read so that every error names file, line, key, what was expected and what came. toml++
// is seen by toml_reading.cc alone. Only for .cc files of this module.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace causeway::identity {

struct TomlValue {
  enum class Is { text, number, list, table, other };
  std::string key;
  int line = 0;
  Is is = Is::other;
  std::string kind;  // "text", "a number", "a list", ...: for errors
  std::string text;
  std::int64_t number = 0;
  std::vector<TomlValue> items;  // of a list or table, in the order of the file
};

// A table whose keys are asked for one by one; then no_others() finds what nobody asked for.
class TomlTable {
 public:
  static base::Result<TomlTable> read(std::string_view toml, const std::string& name_for_errors);
  TomlTable(TomlValue value, std::string name) : value_(std::move(value)), name_(std::move(name)) {}

  // These must be there.
  base::Result<std::string> text(std::string_view key);
  base::Result<std::int64_t> number(std::string_view key);
  // These need not: empty then.
  base::Result<std::vector<std::string>> texts(std::string_view key);
  base::Result<std::string> text_if_any(std::string_view key);
  const TomlValue* find(std::string_view key);

  base::Status no_others() const;
  // "bundle.toml:7: key: expected ..., found ..."
  std::unexpected<base::Error> error(std::string_view key, std::string_view what) const;

  std::span<const TomlValue> items() const { return value_.items; }
  const std::string& name() const { return name_; }

 private:
  const TomlValue* at(std::string_view key) const;
  TomlValue value_;
  std::string name_;
  std::vector<std::string> asked_;
};

// "text" with quotes and escapes, as it must stand in a file.
std::string toml_quoted(std::string_view text);
// A key, quoted if it needs to be.
std::string toml_key(std::string_view key);

}  // namespace causeway::identity
