// The [accounts] table, which stands in two kinds of file. Only for .cc files of this module.
#pragma once

#include "identity/accounts.h"
#include "identity/toml_reading.h"

namespace causeway::identity {

base::Result<Accounts> accounts_from_toml(const TomlValue& value, const std::string& name_for_errors);

}  // namespace causeway::identity
