// What is read as an address is written as text that is read as the same address.
#include "net/address.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace causeway::net;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto address = Address::parse(text, 5060); address && Address::parse(address->text()) != *address)
    abort();
  if (const auto endpoint = Endpoint::parse(text); endpoint && Endpoint::parse(endpoint->text()) != *endpoint)
    abort();
  if (const auto ip = Ip::parse(text); ip && Ip::parse(ip->uri_text()) != *ip) abort();
  return 0;
}
