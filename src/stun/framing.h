// ChannelData (RFC 8656 12.4 and 12.5), and how TURN's messages are told apart on a stream.
//
//   bytes 0, 1   channel number
//   bytes 2, 3   length of the data
//
// Over UDP the datagram may be longer than that (padding); over a stream ChannelData is padded to a multiple
// of 4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace causeway::stun {

inline constexpr std::size_t kChannelHeader = 4;
inline constexpr std::uint16_t kFirstChannel = 0x4000;
// RFC 8656 ends the range at 0x4fff, to keep clear of DTLS on the same socket. Clients of RFC 5766 choose up
// to 0x7fff, and there is no DTLS here that they could be taken for.
inline constexpr std::uint16_t kLastChannel = 0x7fff;

// May a client bind this number?
constexpr bool is_channel(std::uint16_t number) { return number >= kFirstChannel && number <= kLastChannel; }

// The first byte tells ChannelData from STUN (RFC 8656 12).
inline bool is_channel_data(std::string_view bytes) {
  return bytes.size() >= kChannelHeader && (static_cast<unsigned char>(bytes[0]) & 0xc0) == 0x40;
}

struct ChannelData {
  std::uint16_t channel;
  std::string_view data;
};
// Nothing if the length is beyond the bytes, or the number no channel's.
std::optional<ChannelData> parse_channel_data(std::string_view bytes);

// Writes the header in front of `size` bytes of data: kChannelHeader bytes at `to`.
void write_channel_header(char* to, std::uint16_t channel, std::size_t size);

// What stands at the front of a stream.
struct Frame {
  enum class State : std::uint8_t { whole, incomplete, broken };
  State state;
  std::size_t size = 0;   // whole: of the message, without padding
  std::size_t taken = 0;  // whole: with padding; incomplete: how many bytes are needed at least
};
// Broken: neither STUN nor ChannelData, or longer than `most`: the stream cannot be read on.
Frame next_frame(std::string_view stream, std::size_t most);

}  // namespace causeway::stun
