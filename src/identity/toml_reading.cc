#include "identity/toml_reading.h"

#include <algorithm>
#include <tuple>

#include "base/toml.h"

namespace causeway::identity {
namespace {

std::string_view kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return "text";
    case toml::node_type::integer:
      return "a number";
    case toml::node_type::floating_point:
      return "a number with a fraction";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::table:
      return "a table";
    default:
      return "a date or time";
  }
}

TomlValue value_of(std::string_view key, const toml::node& node) {
  TomlValue out{std::string(key),
                static_cast<int>(node.source().begin.line),
                TomlValue::Is::other,
                std::string(kind_of(node)),
                {},
                0,
                {}};
  if (auto* text = node.as_string()) {
    out.is = TomlValue::Is::text;
    out.text = text->get();
  } else if (auto* number = node.as_integer()) {
    out.is = TomlValue::Is::number;
    out.number = number->get();
  } else if (auto* list = node.as_array()) {
    out.is = TomlValue::Is::list;
    for (const toml::node& item : *list) out.items.push_back(value_of("", item));
  } else if (auto* table = node.as_table()) {
    out.is = TomlValue::Is::table;
    for (auto&& [name, item] : *table) out.items.push_back(value_of(name.str(), item));
    std::ranges::sort(out.items, {}, [](const TomlValue& v) { return std::tie(v.line, v.key); });
  }
  return out;
}

}  // namespace

base::Result<TomlTable> TomlTable::read(std::string_view toml, const std::string& name) {
  toml::parse_result parsed = toml::parse(toml, std::string_view(name));
  if (!parsed)
    return base::fail("{}:{}: expected TOML: {}", name, parsed.error().source().begin.line,
                      parsed.error().description());
  return TomlTable(value_of("", parsed.table()), name);
}

const TomlValue* TomlTable::at(std::string_view key) const {
  auto found = std::ranges::find(value_.items, key, &TomlValue::key);
  return found == value_.items.end() ? nullptr : &*found;
}

const TomlValue* TomlTable::find(std::string_view key) {
  asked_.emplace_back(key);
  return at(key);
}

std::unexpected<base::Error> TomlTable::error(std::string_view key, std::string_view what) const {
  const TomlValue* value = at(key);
  int line = value ? value->line : value_.line;
  return base::fail("{}:{}: {}: {}", name_, std::max(line, 1), key, what);
}

base::Result<std::string> TomlTable::text(std::string_view key) {
  const TomlValue* value = find(key);
  if (!value) return error(key, "expected text, but the key is missing");
  if (value->is != TomlValue::Is::text) return error(key, "expected text, found " + value->kind);
  return value->text;
}

base::Result<std::string> TomlTable::text_if_any(std::string_view key) {
  return at(key) ? text(key) : (asked_.emplace_back(key), base::Result<std::string>{});
}

base::Result<std::int64_t> TomlTable::number(std::string_view key) {
  const TomlValue* value = find(key);
  if (!value) return error(key, "expected a number, but the key is missing");
  if (value->is != TomlValue::Is::number) return error(key, "expected a number, found " + value->kind);
  return value->number;
}

base::Result<std::vector<std::string>> TomlTable::texts(std::string_view key) {
  const TomlValue* value = find(key);
  std::vector<std::string> out;
  if (!value) return out;
  if (value->is != TomlValue::Is::list) return error(key, "expected a list of texts, found " + value->kind);
  for (const TomlValue& item : value->items) {
    if (item.is != TomlValue::Is::text)
      return error(key, "expected a list of texts, found one with " + item.kind);
    out.push_back(item.text);
  }
  return out;
}

base::Status TomlTable::no_others() const {
  for (const TomlValue& item : value_.items) {
    if (std::ranges::find(asked_, item.key) != asked_.end()) continue;
    std::string known;
    for (const std::string& key : asked_) known += (known.empty() ? "" : ", ") + key;
    return error(item.key, "expected one of " + known + "; this key is not known");
  }
  return {};
}

std::string toml_quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string toml_key(std::string_view key) {
  bool bare = !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  return bare ? std::string(key) : toml_quoted(key);
}

}  // namespace causeway::identity
