#include <cstdlib>

#include "identity/bundle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace causeway;
  auto bundle = identity::Bundle::read_text(base::as_text({data, size}), "fuzz");
  if (!bundle) {
    if (!bundle.error().message.starts_with("fuzz:")) std::abort();  // names the file
    return 0;
  }
  auto again = identity::Bundle::read_text(bundle->text(), "again");
  if (!again || again->text() != bundle->text()) std::abort();
  return 0;
}
