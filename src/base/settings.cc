#include "base/settings.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <tuple>

#include "base/toml.h"

namespace causeway::base {
namespace {

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty()) text += separator;
    text += part;
  }
  return text;
}

std::string list_text(const std::vector<std::string>& values) {
  std::vector<std::string> parts;
  for (const std::string& value : values) parts.push_back(quoted(value));
  return "[" + joined(parts, ", ") + "]";
}

std::string_view section_of(std::string_view key) {
  const std::size_t dot = key.rfind('.');
  return dot == key.npos ? std::string_view() : key.substr(0, dot);
}
std::string_view name_of(std::string_view key) { return key.substr(key.rfind('.') + 1); }

// Insertions, deletions and changes of one character that make `b` of `a` (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, changed});
    }
  }
  return row.back();
}

// Far longer than any known key: not worth comparing, and the comparison is quadratic.
constexpr std::size_t kLongestComparedKey = 100;

// Applies a TOML document to the rows. Collects every error, so that the one shown is the first in the
// file: a TOML table is in the order of the alphabet.
class Reader {
 public:
  using Find = std::function<const Setting*(std::string_view)>;
  struct Problem {
    toml::source_position at;
    std::string text;
  };

  Reader(std::span<const Setting> rows, std::function<Error(std::string_view)> unknown)
      : rows_(rows), unknown_(std::move(unknown)) {}

  void table(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string full = prefix + std::string(key.str());
      const auto row = std::ranges::find(rows_, full, &Setting::key);
      if (row != rows_.end()) {
        value(*row, node);
      } else if (is_section(full)) {
        section(node, key, full);
      } else {
        problem(key.source(), unknown_(full).message);
      }
    }
  }

  std::optional<Problem> first() const {
    const auto earliest = std::ranges::min_element(
        problems_, {}, [](const Problem& p) { return std::tuple(p.at.line, p.at.column); });
    return earliest == problems_.end() ? std::nullopt : std::optional(*earliest);
  }

 private:
  bool is_section(const std::string& key) const {
    return std::ranges::any_of(rows_, [&](const Setting& row) { return row.key.starts_with(key + "."); });
  }

  void section(const toml::node& node, const toml::key& key, const std::string& full) {
    if (const toml::table* inner = node.as_table()) {
      table(*inner, full + ".");
    } else {
      problem(key.source(),
              fmt::format("{}: expected a section, [{}], found {}", full, full, describe(node)));
    }
  }

  void value(const Setting& row, const toml::node& node) {
    const toml::array* array = node.as_array();
    if (row.list != (array != nullptr)) {
      problem(node.source(), fmt::format("{}: expected {}{}, found {}", row.key, row.list ? "a list of " : "",
                                         row.type, describe(node)));
    } else if (!array) {
      set(row, node);
    } else {
      if (row.clear) row.clear();
      for (const toml::node& element : *array) set(row, element);
    }
  }

  void set(const Setting& row, const toml::node& node) {
    const std::optional<std::string> text = scalar(node);
    const Status status = text ? row.set(*text) : fail("expected {}, found {}", row.type, describe(node));
    if (!status) problem(node.source(), row.key + ": " + status.error().message);
  }

  static std::optional<std::string> scalar(const toml::node& node) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return std::to_string(number->get());
    if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
    if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
    return std::nullopt;
  }

  static std::string describe(const toml::node& node) {
    if (node.is_array()) return "a list";
    if (node.is_table()) return "a section";
    const std::optional<std::string> text = scalar(node);
    return text ? "'" + *text + "'" : "a date or time";
  }

  void problem(const toml::source_region& where, std::string text) {
    problems_.push_back({where.begin, std::move(text)});
  }

  std::span<const Setting> rows_;
  std::function<Error(std::string_view)> unknown_;
  std::vector<Problem> problems_;
};

// Sections in the order in which the rows name them first; settings without one come first, where
// TOML wants them.
std::vector<std::string_view> sections_of(std::span<const Setting> rows) {
  std::vector<std::string_view> sections{""};
  for (const Setting& row : rows) {
    if (std::ranges::find(sections, section_of(row.key)) == sections.end())
      sections.push_back(section_of(row.key));
  }
  return sections;
}

std::string escaped_for_table(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(" \t");
  if (from == text.npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

Status set_list(const Setting& row, std::string_view value) {
  if (row.clear) row.clear();
  if (trimmed(value).empty()) return {};
  for (;;) {
    const std::size_t comma = value.find(',');
    if (Status status = row.set(trimmed(value.substr(0, comma))); !status) return status;
    if (comma == value.npos) return {};
    value.remove_prefix(comma + 1);
  }
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      result += fmt::format("\\u{:04x}", byte);
    } else {
      result += c;
    }
  }
  return result + '"';
}

Setting text_setting(std::string key, std::string help, std::string& to, std::string type) {
  return {.key = std::move(key),
          .help = std::move(help),
          .type = std::move(type),
          .initial = quoted(to),
          .clear = {},
          .set = [&to](std::string_view text) -> Status {
            to = text;
            return {};
          },
          .example = {}};
}

Setting number_setting(std::string key, std::string help, std::int64_t& to, std::int64_t least,
                       std::int64_t most) {
  const std::string type = fmt::format("number from {} to {}", least, most);
  return {.key = std::move(key),
          .help = std::move(help),
          .type = type,
          .initial = std::to_string(to),
          .clear = {},
          .set = [&to, least, most, type](std::string_view text) -> Status {
            std::int64_t number = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
            if (error != std::errc() || end != text.data() + text.size() || number < least || number > most) {
              return fail("expected a {}, found '{}'", type, text);
            }
            to = number;
            return {};
          },
          .example = {}};
}

Setting flag_setting(std::string key, std::string help, bool& to) {
  return {.key = std::move(key),
          .help = std::move(help),
          .type = "true or false",
          .initial = to ? "true" : "false",
          .clear = {},
          .set = [&to](std::string_view text) -> Status {
            if (text != "true" && text != "false") return fail("expected true or false, found '{}'", text);
            to = text == "true";
            return {};
          },
          .example = {}};
}

Setting duration_setting(std::string key, std::string help, Duration& to, Duration least, Duration most) {
  return {.key = std::move(key),
          .help = std::move(help),
          .type = fmt::format("duration from {} to {}", format_duration(least), format_duration(most)),
          .initial = quoted(format_duration(to)),
          .clear = {},
          .set = [&to, least, most](std::string_view text) -> Status {
            const Result<Duration> duration = parse_duration(text);
            if (!duration) return std::unexpected(duration.error());
            if (*duration < least || *duration > most) {
              return fail("expected a duration from {} to {}, found '{}'", format_duration(least),
                          format_duration(most), text);
            }
            to = *duration;
            return {};
          },
          .example = {}};
}

Setting choice_setting(std::string key, std::string help, std::string& to, std::vector<std::string> choices) {
  const std::string type = "one of " + joined(choices, "|");
  return {.key = std::move(key),
          .help = std::move(help),
          .type = type,
          .initial = quoted(to),
          .clear = {},
          .set = [&to, type, known = std::move(choices)](std::string_view text) -> Status {
            if (std::ranges::find(known, text) == known.end())
              return fail("expected {}, found '{}'", type, text);
            to = text;
            return {};
          },
          .example = {}};
}

Setting list_setting(std::string key, std::string help, std::vector<std::string>& to, std::string type,
                     std::function<Status(std::string_view)> check) {
  return {.key = std::move(key),
          .help = std::move(help),
          .type = std::move(type),
          .initial = list_text(to),
          .list = true,
          .clear = [&to] { to.clear(); },
          .set = [&to, check = std::move(check)](std::string_view text) -> Status {
            if (check) {
              if (Status status = check(text); !status) return status;
            }
            to.emplace_back(text);
            return {};
          },
          .example = {}};
}

const Setting* SettingsTable::find(std::string_view key) const {
  const auto row = std::ranges::find(rows_, key, &Setting::key);
  return row == rows_.end() ? nullptr : &*row;
}

Error SettingsTable::unknown(std::string_view key) const {
  std::string_view nearest;
  std::size_t least = std::max<std::size_t>(2, key.size() / 3) + 1;
  const auto consider = [&](std::string_view known, std::size_t far) {
    if (far < least) {
      least = far;
      nearest = known;
    }
  };
  for (const Setting& row : rows_) {
    if (key.size() > kLongestComparedKey) break;
    // The right name in the wrong section, or in none, counts as near.
    consider(row.key, name_of(row.key) == name_of(key) ? 1 : distance(row.key, key));
    if (const std::string_view section = section_of(row.key); !section.empty()) {
      consider(section, distance(section, key));
    }
  }
  if (nearest.empty()) return {fmt::format("{}: unknown setting; the sample file lists them all", key)};
  return {fmt::format("{}: unknown setting; did you mean {}?", key, nearest)};
}

Status SettingsTable::read_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()).good()) {
    // An empty file sets failbit on the output too, without an error of the system.
    if (!file.is_open() || errno != 0)
      return fail("{}: expected a settings file, {}", path, std::strerror(errno));
  }
  return read_text(text.str(), path);
}

Status SettingsTable::read_text(std::string_view toml, const std::string& name_for_errors) {
  const toml::parse_result document = toml::parse(toml, std::string_view(name_for_errors));
  if (!document) {
    const toml::source_position at = document.error().source().begin;
    return fail("{}:{}:{}: expected TOML: {}", name_for_errors, at.line, at.column,
                document.error().description());
  }
  Reader reader(rows_, [this](std::string_view key) { return unknown(key); });
  reader.table(document.table(), "");
  const auto problem = reader.first();
  if (!problem) return {};
  return fail("{}:{}:{}: {}", name_for_errors, problem->at.line, problem->at.column, problem->text);
}

Status SettingsTable::set(std::string_view key, std::string_view value) {
  const Setting* row = find(key);
  if (!row) return std::unexpected(unknown(key));
  const Status status = row->list ? set_list(*row, value) : row->set(value);
  if (!status) return fail("{}: {}", key, status.error().message);
  return {};
}

std::string SettingsTable::sample() const {
  std::string text;
  for (const std::string_view section : sections_of(rows_)) {
    if (!section.empty()) text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", section);
    for (const Setting& row : rows_) {
      if (section_of(row.key) != section) continue;
      text += fmt::format("# {} ({}{})\n", row.help, row.list ? "list of " : "", row.type);
      if (!row.example.empty())
        text += fmt::format("# for example: {} = {}\n", name_of(row.key), row.example);
      if (!row.initial.empty()) text += fmt::format("#{} = {}\n", name_of(row.key), row.initial);
    }
  }
  return text;
}

std::string SettingsTable::reference() const {
  std::string text;
  for (const std::string_view section : sections_of(rows_)) {
    bool headed = false;
    for (const Setting& row : rows_) {
      if (section_of(row.key) != section) continue;
      if (!std::exchange(headed, true)) {
        text += fmt::format("{}## {}\n\n| setting | what | value | default |\n|---|---|---|---|\n",
                            text.empty() ? "" : "\n", section.empty() ? "(no section)" : section);
      }
      text += fmt::format("| `{}` | {} | {}{} | {} |\n", name_of(row.key), escaped_for_table(row.help),
                          row.list ? "list of " : "", escaped_for_table(row.type),
                          row.initial.empty() ? "" : "`" + escaped_for_table(row.initial) + "`");
    }
  }
  return text;
}

}  // namespace causeway::base
