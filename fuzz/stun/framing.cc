// A stream gives the same messages whole and in two pieces, and never more than it holds.
#include <cstdlib>
#include <vector>

#include "stun/framing.h"
#include "stun/message.h"

using namespace causeway::stun;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMost = 1500;
  std::string_view stream(reinterpret_cast<const char*>(data), size);
  while (true) {
    const Frame frame = next_frame(stream, kMost);
    if (frame.state == Frame::State::incomplete && frame.taken <= stream.size()) std::abort();
    if (frame.state != Frame::State::whole) break;
    if (frame.size > frame.taken || frame.taken > stream.size() || frame.size > kMost || frame.taken == 0)
      std::abort();
    for (std::size_t n = 0; n < frame.taken; ++n)
      if (next_frame(stream.substr(0, n), kMost).state == Frame::State::whole) std::abort();
    const std::string_view message = stream.substr(0, frame.size);
    if (is_channel_data(message)) {
      const auto channel = parse_channel_data(message);
      if (!channel || channel->data.size() + kChannelHeader != frame.size) std::abort();
    } else if (!is_stun(message)) {
      std::abort();
    }
    stream.remove_prefix(frame.taken);
  }
  return 0;
}
