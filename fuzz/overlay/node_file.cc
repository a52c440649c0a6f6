// The file of saved nodes is written by this program, but it lies on a disk.
#include <cstdlib>

#include "base/encoding.h"
#include "overlay/node_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace causeway;
  const auto nodes = overlay::parse_nodes(base::as_text({data, size}), "nodes");
  if (!nodes) {
    if (!nodes.error().message.starts_with("nodes:")) std::abort();  // names the file
    return 0;
  }
  if (overlay::parse_nodes(overlay::nodes_text(*nodes), "again") != *nodes) std::abort();
  return 0;
}
