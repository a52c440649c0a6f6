#include "stun/framing.h"

#include "stun/message.h"
#include "stun/writer.h"

namespace causeway::stun {

std::optional<ChannelData> parse_channel_data(std::string_view bytes) {
  if (!is_channel_data(bytes)) return std::nullopt;
  const std::size_t size = read_u16(bytes, 2);
  if (size > bytes.size() - kChannelHeader) return std::nullopt;
  return ChannelData{read_u16(bytes, 0), bytes.substr(kChannelHeader, size)};
}

void write_channel_header(char* to, std::uint16_t channel, std::size_t size) {
  write_u16(to, channel);
  write_u16(to + 2, static_cast<std::uint16_t>(size));
}

Frame next_frame(std::string_view stream, std::size_t most) {
  if (stream.size() < kChannelHeader) return {Frame::State::incomplete, 0, kChannelHeader};
  std::size_t size = read_u16(stream, 2);
  if (is_channel_data(stream)) {
    size += kChannelHeader;
  } else if (static_cast<unsigned char>(stream[0]) < 0x40 && size % 4 == 0) {
    size += kHeaderSize;
    if (stream.size() >= 8 && read_u32(stream, 4) != kMagicCookie) return {Frame::State::broken};
  } else {
    return {Frame::State::broken};
  }
  if (size > most) return {Frame::State::broken};
  if (stream.size() < padded(size)) return {Frame::State::incomplete, 0, padded(size)};
  return {Frame::State::whole, size, padded(size)};
}

}  // namespace causeway::stun
