// The table of settings. Every setting of a program is declared once, in one table, as a row:
//
//   {"sip.udp", "where SIP over UDP is received", Setting::addresses(&Config::sip_udp, "0.0.0.0:5060")}
//
// From the rows come the TOML parser (with file, line, key, what was expected, what came), the
// command line help, the commented sample file and the reference page. Unknown keys are errors that
// name the nearest known key.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace causeway::base {

// One row. `set` gets the value as written (a string for TOML strings; integers, booleans and
// durations as their text; arrays element by element after `clear`) and stores it. Its error is
// "expected an address and port, found '...'": file, position and key are put in front of it.
struct Setting {
  std::string key;              // "section.name"
  std::string help;             // one line, no full stop
  std::string type;             // "address:port", "duration", "true or false", "one of a|b|c", ...
  std::string initial;          // the default, as it would be written in the file
  bool list = false;            // a TOML array of such values
  std::function<void()> clear;  // list settings: forget the default
  std::function<Status(std::string_view text)> set;
  std::string example;  // shown in the sample where the default says little
};

// Ready-made rows that write to a variable. The variable must outlive the table.
Setting text_setting(std::string key, std::string help, std::string& to, std::string type = "text");
Setting number_setting(std::string key, std::string help, std::int64_t& to, std::int64_t least,
                       std::int64_t most);
Setting flag_setting(std::string key, std::string help, bool& to);
Setting duration_setting(std::string key, std::string help, Duration& to, Duration least,
                         Duration most);  // "250ms", "30s", "10m", "1h"
Setting choice_setting(std::string key, std::string help, std::string& to, std::vector<std::string> choices);
Setting list_setting(std::string key, std::string help, std::vector<std::string>& to, std::string type,
                     std::function<Status(std::string_view)> check);

class SettingsTable {
 public:
  explicit SettingsTable(std::vector<Setting> rows) : rows_(std::move(rows)) {}

  // Reads a TOML file. The error names file, line and column, key, what was expected, what came.
  Status read_file(const std::string& path);
  Status read_text(std::string_view toml, const std::string& name_for_errors);
  // One "--set sip.udp=..." from the command line. The elements of a list are separated by commas and
  // take the place of what it held.
  Status set(std::string_view key, std::string_view value);

  // A TOML file with every setting, commented out, at its default.
  std::string sample() const;
  std::string reference() const;  // docs/settings.md: a Markdown table by section
  std::span<const Setting> rows() const { return rows_; }

 private:
  const Setting* find(std::string_view key) const;
  Error unknown(std::string_view key) const;
  std::vector<Setting> rows_;
};

// A TOML basic string: how a default or an example that is text is written in a row.
std::string quoted(std::string_view text);

}  // namespace causeway::base
