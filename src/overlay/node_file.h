// The file of saved nodes: the members that a peer knew when it last ran, so that after a restart it
// needs no bootstrap peer. One "ADDRESS PEERID" a line, those that answer fastest first.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "identity/key.h"
#include "net/address.h"

namespace causeway::overlay {

struct SavedNode {
  net::Address address;
  identity::PeerId peer;
  bool operator==(const SavedNode&) const = default;
};

// No file: no nodes. A line that is not understood is an error that names file and line.
base::Result<std::vector<SavedNode>> read_nodes(const std::string& path);
base::Result<std::vector<SavedNode>> parse_nodes(std::string_view text, std::string_view name_for_errors);
std::string nodes_text(const std::vector<SavedNode>& nodes);

}  // namespace causeway::overlay
