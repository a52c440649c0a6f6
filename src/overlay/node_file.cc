#include "overlay/node_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/limits.h"

namespace causeway::overlay {

base::Result<std::vector<SavedNode>> parse_nodes(std::string_view text, std::string_view name) {
  std::vector<SavedNode> nodes;
  std::size_t number = 0;
  while (!text.empty() && nodes.size() < limits::kMaxSavedNodes) {
    std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    ++number;
    if (line.empty() || line.front() == '#') continue;
    std::size_t space = line.find(' ');
    auto address = net::Address::parse(line.substr(0, space));
    auto peer = space == line.npos ? std::nullopt : identity::PeerId::parse(line.substr(space + 1));
    if (!address || !peer)
      return base::fail(
          "{}:{}: expected \"ADDRESS:PORT PEERID\", found '{}'; delete the file to start afresh", name,
          number, line.substr(0, 80));
    nodes.push_back({*address, *peer});
  }
  return nodes;
}

base::Result<std::vector<SavedNode>> read_nodes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    if (errno == ENOENT) return std::vector<SavedNode>{};
    return base::fail("{}: cannot be read: {}", path, std::strerror(errno));
  }
  std::string text{std::istreambuf_iterator<char>(file), {}};
  return parse_nodes(text, path);
}

std::string nodes_text(const std::vector<SavedNode>& nodes) {
  std::string text = "# Members known when this peer last ran. Written by the peer.\n";
  for (const SavedNode& node : nodes) {
    text += node.address.text();
    text += ' ';
    text += node.peer.text();
    text += '\n';
  }
  return text;
}

}  // namespace causeway::overlay
