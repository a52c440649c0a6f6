// A stream, whole and in pieces, must give the same messages; and each must be one to Message too.
#include <cstdlib>
#include <string>
#include <vector>

#include "sip/framing.h"
#include "sip/message.h"

using namespace causeway::sip;

namespace {

std::vector<std::string> cut(std::string_view bytes, std::size_t step) {
  std::vector<std::string> messages;
  StreamFramer framer;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const std::string chunk(bytes.substr(at, step));
    framer.feed(chunk);
    for (Frame f = framer.next(); f.kind != FrameKind::more; f = framer.next()) {
      if (f.kind == FrameKind::error) {
        messages.push_back(std::string("error ") + f.error.what);
        return messages;
      }
      if (f.kind == FrameKind::message) messages.emplace_back(f.bytes);
    }
  }
  return messages;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Message m;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = cut(bytes, bytes.size() + 1);
  if (whole != cut(bytes, data[0] + 1u)) std::abort();
  for (const std::string& message : whole)
    if (!message.starts_with("error ") && m.parse(message) && m.bytes() != message) std::abort();
  return 0;
}
