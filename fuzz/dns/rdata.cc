#include "dns/rdata.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  causeway::dns::Rdata bytes(data, size);
  (void)causeway::dns::decode_naptr(bytes);
  (void)causeway::dns::decode_srv(bytes);
  (void)causeway::dns::decode_a(bytes);
  (void)causeway::dns::decode_aaaa(bytes);
  return 0;
}
