#include <cstdlib>

#include "base/encoding.h"
#include "identity/accounts.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace causeway;
  auto accounts = identity::Accounts::read_text(base::as_text({data, size}), "fuzz");
  if (!accounts) {
    if (!accounts.error().message.starts_with("fuzz:")) std::abort();  // names the file
    return 0;
  }
  auto again = identity::Accounts::read_text(accounts->text(), "again");
  if (!again || again->text() != accounts->text()) std::abort();
  return 0;
}
